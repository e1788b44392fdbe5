# shellcheck shell=sh
# Functions for the held-open shell of a connection: sent once, called by every request.
# Each request runs in a subshell of its own, so what it sets, traps or leaves ends with it.

# a client inside a job must not hand that job's own variables to the jobs it submits
unset JOBFERRY_JOB JOBFERRY_TASK JOBFERRY_WORK JOBFERRY_ARRAY_INDEX JOBFERRY_RESTARTS
if [ -n "${SLURM_JOB_ID-}" ]; then
    for jf_name in $(env | sed -n 's/^\(\(SLURM\|SLURMD\|PMI\|PMIX\|OMPI\)_[A-Za-z0-9_]*\)=.*/\1/p'); do
        case $jf_name in SLURM_CONF | SLURM_CLUSTERS) ;; *) unset "$jf_name" ;; esac
    done
fi

JF_HOST=$(uname -n)
JF_PLACE_FAILED=97
JF_IN_HAND=98
JF_CANCELLED=99

# jf_section NAME COMMAND...: run it and print what it wrote between marks: output, then errors, then its exit code
jf_section() {
    jf_section_name=$1
    shift
    printf '\n%s begin %s\n' "$JF_MARK" "$jf_section_name"
    {
        jf_section_errors=$("$@" 2>&1 1>&4)
        jf_section_code=$?
    } 4>&1
    printf '\n%s errors\n%s\n%s end %s\n' "$JF_MARK" "$jf_section_errors" "$JF_MARK" "$jf_section_code"
}

# jf_enter ROOT: make the root ours to work in
jf_enter() {
    umask 077
    JF_ROOT=$1
    mkdir -p "$JF_ROOT/jobs"
}

# jf_runtime NAME FILE TEXT...: put what runs functions in place, by one rename; one that is there is kept
jf_runtime() {
    jf_made=$JF_ROOT/runtimes/.new-$JF_MARK.$JF_HOST.$$
    jf_kept=$JF_ROOT/runtimes/$1
    shift
    [ ! -d "$jf_kept" ] || return 0
    while [ $# -gt 1 ]; do
        case $1 in */*) jf_into=$jf_made/${1%/*} ;; *) jf_into=$jf_made ;; esac
        if ! { mkdir -p "$jf_into" && printf '%s' "$2" >"$jf_made/$1"; }; then
            rm -rf "$jf_made"
            return 1
        fi
        shift 2
    done
    mv "$jf_made" "$jf_kept" 2>/dev/null || [ -d "$jf_kept" ]
    # when two put it in place, the second one's has gone into that of the first
    rm -rf "$jf_made" "${jf_kept:?}/${jf_made##*/}"
}

# jf_begin ID...: begin the folders of jobs aside, all with one process
jf_begin() {
    # a request that is sent again after a lost link must not meet the folders of its first run
    JF_STAGE=$JF_ROOT/jobs/.new-$JF_MARK.$JF_HOST.$$
    JF_STAGED=$*
    JF_BAD=
    for jf_id in "$@"; do
        shift
        # who puts the folder in place has thereby taken the first attempt
        set -- "$@" "$JF_STAGE/$jf_id/out" "$JF_STAGE/$jf_id/state/submit/1"
        [ -d "$JF_ROOT/jobs/.in-$jf_id" ] || set -- "$@" "$JF_STAGE/$jf_id/work"
    done
    mkdir -p "$@" || JF_BAD=1
}

# jf_needs RUNTIME: place no job whose functions nothing would run
jf_needs() {
    [ -f "$JF_ROOT/runtimes/$1/run.py" ] || JF_BAD="$JF_ROOT/runtimes/$1 is gone: try again, it is put back then"
}

# jf_open ID: go on with the folder of this job
jf_open() {
    JF_NEW=$JF_STAGE/$1
    [ ! -d "$JF_ROOT/jobs/.in-$1" ] || mv "$JF_ROOT/jobs/.in-$1" "$JF_NEW/work" || JF_BAD=1
    if [ -d "$JF_ROOT/jobs/.call-$1" ]; then
        mv "$JF_ROOT/jobs/.call-$1/call" "$JF_NEW/call" || JF_BAD=1
        rmdir "$JF_ROOT/jobs/.call-$1"
    fi
}

# jf_text NAME TEXT: write a text file into the folder being made
jf_text() {
    printf '%s' "$2" >"$JF_NEW/$1" || JF_BAD=1
}

# jf_script NAME TEXT: write a script, which can be run
jf_script() {
    jf_text "$1" "$2"
    chmod 700 "$JF_NEW/$1" || JF_BAD=1
}

# jf_add ID RUN NAME TEXT...: write what a further submission needs into a folder that is there
jf_add() {
    jf_added=$JF_ROOT/jobs/$1
    [ -d "$jf_added" ] || return 0
    [ "$2" -eq 1 ] || mkdir -p "$jf_added/runs/$2/state" "$jf_added/runs/$2/out" ||
        JF_LACKING=${JF_LACKING-},$1,
    shift 2
    while [ $# -gt 1 ]; do
        # whoever reads it meanwhile reads the whole of it
        if ! { printf '%s' "$2" >"$jf_added/$1.$JF_MARK" && mv -f "$jf_added/$1.$JF_MARK" "$jf_added/$1"; }; then
            rm -f "$jf_added/$1.$JF_MARK"
            JF_LACKING=${JF_LACKING-},${jf_added##*/},
        fi
        shift 2
    done
}

# jf_close ID TASKS RUN...: let no native job begin those tasks in an earlier run any more
jf_close() {
    jf_closed=$JF_ROOT/jobs/$1
    jf_closing=$2
    shift 2
    for jf_run in "$@"; do
        jf_state=$jf_closed/runs/$jf_run/state
        [ "$jf_run" -ne 1 ] || jf_state=$jf_closed/state
        [ ! -d "$jf_state" ] || jf_each_task "$jf_closing" jf_over
    done
}

jf_over() {
    true >"$jf_state/$1.over"
}

# jf_call OCTAL: write the file with the calls of functions
jf_call() {
    printf '%b' "$1" >"$JF_NEW/call" || JF_BAD=1
}

# jf_bytes FILE MODE OCTAL: write a file under the work folder, its folders too
jf_bytes() {
    case $1 in */*) mkdir -p "$JF_NEW/work/${1%/*}" || JF_BAD=1 ;; esac
    printf '%b' "$3" >"$JF_NEW/work/$1" && chmod "$2" "$JF_NEW/work/$1" || JF_BAD=1
}

# jf_place: put the folders in place, each by one rename; one that is there already is kept as it is
jf_place() {
    JF_PLACED=
    if [ -n "$JF_BAD" ]; then
        # a shell's own printf says no more than that writing failed; cat says why
        [ "$JF_BAD" = 1 ] || echo "$JF_BAD" >&2
        printf '%8192s' ' ' | cat >"$JF_STAGE/why"
    else
        mv "$JF_STAGE"/* "$JF_ROOT/jobs/"
        for jf_id in $JF_STAGED; do
            [ -d "$JF_STAGE/$jf_id" ] || JF_PLACED=$JF_PLACED,$jf_id,
        done
    fi
    rm -rf "$JF_STAGE"
}

# jf_submit ID KEY COMMAND...: hand the job to the batch system, once per key whoever asks; KEY is ATTEMPT for
# the first submission, NUMBER.ATTEMPT for a further one
jf_submit() {
    jf_submit_id=$1
    jf_attempt=state/submit/$2
    jf_number=${2%.*}
    case $2 in
        *.*) jf_found=state/submit/$jf_number.native_id ;;
        *) jf_found=state/submit/native_id ;;
    esac
    shift 2
    cd "$JF_ROOT/jobs/$jf_submit_id" || return "$JF_PLACE_FAILED"
    case ${JF_LACKING-} in *",$jf_submit_id,"*) return "$JF_PLACE_FAILED" ;; esac
    # an id that was found by the job's name stands over what any attempt was told
    for jf_file in "$jf_found" "$jf_attempt/native_id"; do
        if [ -s "$jf_file" ]; then
            cat "$jf_file"
            return 0
        fi
    done
    [ ! -f state/cancel ] || return "$JF_CANCELLED"
    case $jf_attempt:${JF_PLACED-} in
        */1:*",$jf_submit_id,"*) ;;
        *)
            # of any number of clients that try, one makes the folder
            if ! mkdir "$jf_attempt" 2>/dev/null; then
                [ -s "$jf_attempt/refused" ] || return "$JF_IN_HAND"
                cat "$jf_attempt/refused" >&2
                return "$(cat "$jf_attempt/code")"
            fi
            ;;
    esac
    # from here on nothing but death stops us: what was begun is written down even if nobody listens any more
    trap '' HUP PIPE INT TERM
    # the answer comes through pipes: a disk that is full at this very moment must not cost it
    jf_said=$(
        {
            jf_words=$("$@" 2>&1 1>&4 </dev/null)
            jf_submit_code=$?
        } 4>&1
        [ -z "$jf_words" ] || printf '%s\n' "$jf_words" >&2
        [ "$jf_submit_code" -eq 0 ] || printf '%s\n' "$jf_words" >"$jf_attempt/refused.new"
        exit "$jf_submit_code"
    )
    jf_submit_code=$?
    [ -z "$jf_said" ] || printf '%s\n' "$jf_said"
    if [ "$jf_submit_code" -eq 0 ]; then
        printf '%s\n' "$jf_said" >"$jf_attempt/native_id.new" &&
            mv "$jf_attempt/native_id.new" "$jf_attempt/native_id"
    else
        echo "$jf_submit_code" >"$jf_attempt/code" && printf '%s\n' "$jf_said" >>"$jf_attempt/refused.new" &&
            mv "$jf_attempt/refused.new" "$jf_attempt/refused"
    fi
    return "$jf_submit_code"
}

# jf_never WORDS: in the place of a submission that must not be made any more
jf_never() {
    echo "$1" >&2
    return 96
}

# jf_adopt ID NAME NATIVE_ID: write down an id that was found by the job's name, as native_id or NUMBER.native_id
jf_adopt() {
    cd "$JF_ROOT/jobs/$1/state/submit" || return "$JF_PLACE_FAILED"
    [ -s "$2" ] || { printf '%s\n' "$3" >"$2.new" && mv "$2.new" "$2"; }
}

# jf_each_task TASKS COMMAND...: run the command with each task of a list such as job,0-9,12; stop when one fails
jf_each_task() {
    jf_list=$1
    shift
    while [ -n "$jf_list" ]; do
        jf_span=${jf_list%%,*}
        case $jf_list in *,*) jf_list=${jf_list#*,} ;; *) jf_list= ;; esac
        case $jf_span in
            *-*)
                jf_task=${jf_span%-*}
                while [ "$jf_task" -le "${jf_span#*-}" ]; do
                    "$@" "$jf_task" || return
                    jf_task=$((jf_task + 1))
                done
                ;;
            *) "$@" "$jf_span" || return ;;
        esac
    done
}

# jf_records ID RUN TASKS: print the records of those tasks of a job, of that run of it; what is long is cut
jf_records() {
    jf_state=$JF_ROOT/jobs/$1/state
    if [ ! -d "$jf_state" ]; then
        echo "nofolder job=$1 ."
        return 0
    fi
    [ ! -f "$jf_state/cancel" ] || echo "cancel job=$1 ."
    [ "$2" -eq 1 ] || jf_state=$JF_ROOT/jobs/$1/runs/$2/state
    jf_each_task "$3" jf_record_of
}

# jf_record_of TASK: print the record of a task's end, or else of its beginning
jf_record_of() {
    if [ -s "$jf_state/$1.finished" ]; then
        jf_print_record "$jf_state/$1.finished"
    elif [ -f "$jf_state/$1.started" ]; then
        jf_print_record "$jf_state/$1.started"
    fi
}

jf_print_record() {
    jf_line=
    IFS= read -r jf_line <"$1" || :
    printf '%s\n' "$jf_line"
}

# jf_manifests ID RUN TASKS...: print what those tasks of a job, of that run of it, have listed of their outputs
jf_manifests() {
    jf_folder=$JF_ROOT/jobs/$1
    shift
    while [ $# -gt 0 ]; do
        jf_state=$jf_folder/state
        [ "$1" -eq 1 ] || jf_state=$jf_folder/runs/$1/state
        jf_each_task "$2" jf_manifest_of || return
        shift 2
    done
}

jf_manifest_of() {
    [ ! -f "$jf_state/$1.outputs" ] || cat "$jf_state/$1.outputs"
}

# jf_news ID RUN ENDS BEGINNINGS: whether there is a record of an end, or of a beginning, of those tasks
jf_news() {
    jf_state=$JF_ROOT/jobs/$1/state
    [ -d "$jf_state" ] || return 0
    [ "$2" -eq 1 ] || jf_state=$JF_ROOT/jobs/$1/runs/$2/state
    ! { jf_each_task "$3" jf_lacks finished && jf_each_task "$4" jf_lacks started; }
}

jf_lacks() {
    [ ! -s "$jf_state/$2.$1" ]
}

# jf_grown FILE SIZE: whether a log is longer than SIZE
jf_grown() {
    [ -s "$1" ] && [ "$(wc -c <"$1")" -gt "$2" ]
}

# jf_until SECONDS PAUSE COMMAND...: wait until it succeeds, for SECONDS at most; look every PAUSE seconds
jf_until() {
    jf_end=$(($(date +%s) + $1))
    jf_pause=$2
    shift 2
    until "$@"; do
        [ "$(date +%s)" -lt "$jf_end" ] || return 1
        # fractions of a second are not in POSIX, only everywhere
        sleep "$jf_pause" 2>/dev/null || sleep 1
    done
}

# jf_log FILE OFFSET LIMIT: print a log from a byte on
jf_log() {
    [ ! -f "$1" ] || tail -c "+$(($2 + 1))" "$1" | head -c "$3"
}

# jf_last FILE LINES: print a log's length, then its last lines
jf_last() {
    if [ -f "$1" ]; then
        jf_size=$(wc -c <"$1")
        echo $((jf_size))
        head -c "$((jf_size))" "$1" | tail -n "$2"
    else
        echo 0
    fi
}

# jf_cancel_mark ID...: write down that a cancel was asked for, so that no client and no launch script starts the job
jf_cancel_mark() {
    for jf_cancelled in "$@"; do
        [ ! -d "$JF_ROOT/jobs/$jf_cancelled/state" ] || true >"$JF_ROOT/jobs/$jf_cancelled/state/cancel"
    done
}

# jf_cancel_tasks ID RUN TASKS: write down that those tasks of a job are not to begin
jf_cancel_tasks() {
    jf_state=$JF_ROOT/jobs/$1/state
    [ "$2" -eq 1 ] || jf_state=$JF_ROOT/jobs/$1/runs/$2/state
    [ ! -d "$jf_state" ] || jf_each_task "$3" jf_cancel_task
}

jf_cancel_task() {
    true >"$jf_state/$1.cancel"
}

# jf_uncancel ID...: forget that a cancel was asked for, because the job is tried again
jf_uncancel() {
    for jf_cancelled in "$@"; do
        rm -f "$JF_ROOT/jobs/$jf_cancelled/state/cancel"
    done
}

# jf_remove ID...: delete job folders, only inside our own root
jf_remove() {
    for jf_removed in "$@"; do
        rm -rf "${JF_ROOT:?}/jobs/${jf_removed:?}" "$JF_ROOT/jobs/.in-$jf_removed" \
            "$JF_ROOT/jobs/.call-$jf_removed"
    done
}

# jf_each COMMAND... -- ARGUMENT...: run the command once for each argument
jf_each() {
    jf_each_command=
    while [ "$1" != -- ]; do
        jf_each_command="$jf_each_command $1"
        shift
    done
    shift
    for jf_each_argument in "$@"; do
        $jf_each_command "$jf_each_argument"
    done
}

# jf_which NAME...: print those that are programs here
jf_which() {
    for jf_program in "$@"; do
        ! command -v "$jf_program" >/dev/null 2>&1 || echo "$jf_program"
    done
}

# jf_as_login SCRIPT: run a script in a login shell's environment; many sites set variables only there
jf_as_login() {
    # shellcheck disable=SC2016
    JF_SCRIPT=$1 "${SHELL:-/bin/sh}" -l -c 'exec /bin/sh -c "$JF_SCRIPT"'
}
