# shellcheck shell=sh disable=SC2034,SC2154
# What a launch script needs to keep the records of its job. It is sourced by the launch script, which sets
#   JOBFERRY_JOB       the job's id              jobferry_folder   the job's folder
#   jobferry_shell     the shell for its lines   jobferry_script   the launch script's file name
# and, where they are wanted: jobferry_indices, jobferry_limit (arrays without a batch system), jobferry_seconds,
# jobferry_warning, jobferry_warn_before (limits without a batch system), jobferry_directory, jobferry_outputs(),
# jobferry_run (which records are its own: 1, or the number of a later try), jobferry_offset (task number less the batch system's index),
# jobferry_requeues (how often it is started again after a warning), jobferry_warns (the signal that warns).
# What the job runs can ask for another start by a file state/<task|job>.again.

jobferry_run=${jobferry_run-1}
jobferry_base=$jobferry_folder
[ "$jobferry_run" -eq 1 ] || jobferry_base=$jobferry_folder/runs/$jobferry_run
jobferry_state=$jobferry_base/state
jobferry_cancel=$jobferry_folder/state/cancel

# jobferry_enter TASK: from here on it is the job that speaks, in its own folder
jobferry_enter() {
    # only now: what start-up files print goes where the launch script's words go
    [ "$1" = job ] || jobferry_suffix=.$1
    exec >>"$jobferry_base/out/stdout${jobferry_suffix-}" 2>>"$jobferry_base/out/stderr${jobferry_suffix-}"
    cd "$JOBFERRY_WORK" || exit 125
}

# jobferry_run COMMAND...: run the command so that signals reach it and lines after it still run
jobferry_run() {
    "$@" &
    jobferry_child=$!
    for jobferry_signal in HUP INT QUIT USR1 USR2 TERM XCPU; do
        # shellcheck disable=SC2064
        trap "kill -$jobferry_signal $jobferry_child 2>/dev/null" "$jobferry_signal"
    done
    jobferry_await "$jobferry_child"
    trap - HUP INT QUIT USR1 USR2 TERM XCPU
    return "$jobferry_status"
}

# jobferry_await PID: wait for a child through any number of signals; its status is in jobferry_status
jobferry_await() {
    jobferry_status=127
    while :; do
        wait "$1"
        jobferry_waited=$?
        # a child that this shell has forgotten; another process may have its number by now
        [ "$jobferry_waited" -ne 127 ] || break
        jobferry_status=$jobferry_waited
        # only a trap makes wait return early, and then with more than 128
        [ "$jobferry_status" -gt 128 ] || break
        kill -0 "$1" 2>/dev/null || break
    done
    # it may have ended between the two; a shell that collected it by itself still knows how, the others say 127
    wait "$1" 2>/dev/null
    set -- "$1" "$?"
    [ "$2" -eq 127 ] || jobferry_status=$2
}

# jobferry_check LINE: end the job when the setup line before it has failed
jobferry_check() {
    jobferry_status=$?
    [ "$jobferry_status" -ne 0 ] || return 0
    printf 'jobferry: a setup line failed with %s: %s\n' "$jobferry_status" "$1" >&2
    exit "$jobferry_status"
}

if [ "${1-}" = body ]; then
    # this is the shell that runs the job's own lines: it goes on after the launcher, and needs no more of it
    echo begun >>"$jobferry_state/$2.started"
    jobferry_enter "$2"
    return 0
fi

# a process less where the batch system tells the node's name
jobferry_host=${SLURMD_NODENAME-}
[ -z "${jobferry_direct-}" ] && [ -n "$jobferry_host" ] || jobferry_host=$(uname -n)
jobferry_task=job
jobferry_native=
jobferry_restarts=0
if [ -z "${jobferry_direct-}" ]; then
    # not SLURM_JOB_ID alone: of an array's last task that is the id of the whole
    jobferry_self=${SLURM_ARRAY_JOB_ID-${SLURM_JOB_ID-}}${SLURM_ARRAY_TASK_ID+_$SLURM_ARRAY_TASK_ID}
    if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
        jobferry_task=$((SLURM_ARRAY_TASK_ID + ${jobferry_offset-0}))
    fi
    jobferry_native=${SLURM_ARRAY_JOB_ID-${SLURM_JOB_ID-}}
    jobferry_restarts=${SLURM_RESTART_COUNT-0}
fi

# jobferry_begin [MODE WORDS...]: run what the job is, keep its records, and exit
jobferry_begin() {
    jobferry_mode=${1-start}
    [ $# -eq 0 ] || shift
    cd "$jobferry_folder" || exit 125
    if [ "$jobferry_mode" = task ]; then
        jobferry_task=$1
        IFS= read -r jobferry_native <"$jobferry_state/job.claim"
    else
        jobferry_claim "$jobferry_task"
        if [ -n "${jobferry_direct-}" ]; then
            jobferry_wait_for "$@"
            [ -z "${jobferry_indices-}" ] || jobferry_array
        fi
    fi
    jobferry_supervise
}

# jobferry_record KIND FIELDS: write one line; the dot at its end says that it is whole
jobferry_record() {
    printf '%s v=1 job=%s task=%s native=%s host=%s restarts=%s run=%s %s .\n' \
        "$1" "$JOBFERRY_JOB" "$jobferry_task" "$jobferry_native" "$jobferry_host" "$jobferry_restarts" \
        "$jobferry_run" "$2"
}

# jobferry_claim TASK: take the task for this native job; a second native job of the same task ends here
jobferry_claim() {
    jobferry_claimed=$jobferry_state/$1.claim
    if [ -n "${jobferry_direct-}" ]; then
        jobferry_native=$jobferry_host:$$:$(jf_start_time $$):$JOBFERRY_JOB
    fi
    if [ -f "$jobferry_state/$1.over" ]; then
        echo "jobferry: $1 of job $JOBFERRY_JOB was tried again: this run comes too late" >&2
        exit 118
    fi
    # a file that is made only if it is not there; by the shell itself, where mkdir would be a process
    set -C
    if { true >"$jobferry_claimed"; } 2>/dev/null; then
        set +C
        printf '%s\n' "$jobferry_native" >"$jobferry_claimed"
        return 0
    fi
    set +C
    jobferry_tries=0
    while [ -f "$jobferry_claimed" ] && [ ! -s "$jobferry_claimed" ] && [ "$jobferry_tries" -lt 40 ]; do
        jobferry_tries=$((jobferry_tries + 1))
        sleep 0.25 2>/dev/null || sleep 1
    done
    jobferry_owner=
    [ ! -s "$jobferry_claimed" ] || IFS= read -r jobferry_owner <"$jobferry_claimed"
    case $jobferry_owner in
        "$jobferry_native") return 0 ;;
        '')
            if [ "$jobferry_restarts" -gt 0 ] && [ -f "$jobferry_claimed" ]; then
                # the node died before this same job, which is started again, had written its name
                printf '%s\n' "$jobferry_native" >"$jobferry_claimed" && return 0
            fi
            # a full disk, or an owner that died at once: nobody runs this task, so it must not look done
            echo "jobferry: $1 of job $JOBFERRY_JOB cannot be claimed: see $jobferry_claimed" >&2
            exit 125
            ;;
    esac
    echo "jobferry: $jobferry_native leaves: $1 of job $JOBFERRY_JOB belongs to $jobferry_owner" >&2
    # as the task ended; before that with no success, which would be taken for the task's: by what depends on
    # it, or by whoever asks the queue
    [ ! -s "$jobferry_state/$1.finished" ] || exit "$(jobferry_status_of "$jobferry_state/$1.finished")"
    exit 118
}

# jobferry_supervise: run the job's own lines in a child and write down how it ended
jobferry_supervise() {
    jobferry_done_already
    jobferry_stopped=
    jobferry_stops=0
    jobferry_body=
    for jobferry_signal in HUP INT QUIT USR1 USR2 TERM XCPU; do
        # shellcheck disable=SC2064
        trap "jobferry_forward $jobferry_signal" "$jobferry_signal"
    done
    jobferry_tell_time
    jobferry_began=$jobferry_now
    # as it is, without a process that renames it: who reads half a line waits for the other half
    jobferry_record started "started=$jobferry_began pid=$$" >"$jobferry_state/$jobferry_task.started"
    # looked for after the record is written: whoever cancels marks first and then signals those with a record
    [ ! -f "$jobferry_cancel" ] || jobferry_never TERM ''
    [ ! -f "$jobferry_state/$jobferry_task.cancel" ] || jobferry_never TERM CANCELLED
    [ -z "$jobferry_stopped" ] || jobferry_never "$jobferry_stopped" ''
    # a job that is not started again has a cgroup of its own, in which nothing was killed yet
    jobferry_counted=0
    [ "$jobferry_restarts" -eq 0 ] || jobferry_oom_kills
    jobferry_ooms=$jobferry_counted
    JOBFERRY_ARRAY_INDEX=
    [ "$jobferry_task" = job ] || JOBFERRY_ARRAY_INDEX=$jobferry_task
    JOBFERRY_TASK=$JOBFERRY_JOB:$jobferry_task:
    JOBFERRY_WORK=${jobferry_directory-$jobferry_folder/work}
    JOBFERRY_RESTARTS=$jobferry_restarts
    JOBFERRY_RUN=$jobferry_run
    JOBFERRY_STARTED=$jobferry_began
    export JOBFERRY_JOB JOBFERRY_TASK JOBFERRY_WORK JOBFERRY_ARRAY_INDEX JOBFERRY_RESTARTS JOBFERRY_RUN
    export JOBFERRY_STARTED
    # an array that is taken in parts keeps the numbers it was given
    [ "${jobferry_offset-0}" -eq 0 ] || export SLURM_ARRAY_TASK_ID="$jobferry_task"
    # srun of Slurm 22.05 to 23.02 does not read the number that sbatch sets
    [ -z "${SLURM_CPUS_PER_TASK-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
    jobferry_start
    [ -z "${jobferry_direct-}" ] || jobferry_timers
    jobferry_await "$jobferry_body"
    jobferry_end
}

# jobferry_tell_time: tell the time in jobferry_now, where it can be had without another process
jobferry_tell_time() {
    jobferry_tell_uptime
    if [ -n "$jobferry_up" ] && jobferry_tell_boot; then
        jobferry_now=$(((jobferry_boot + jobferry_up) / 100))
    else
        jobferry_now=$(date +%s)
        [ -z "$jobferry_up" ] || jobferry_note_boot
    fi
}

# jobferry_tell_uptime: tell in jobferry_up for how many hundredths of a second the machine has been up; empty
# where that is not known
jobferry_tell_uptime() {
    jobferry_up=
    [ -r /proc/uptime ] && read -r jobferry_up _ </proc/uptime || return 0
    # the 1 before the hundredths: with a zero before them they would be octal
    jobferry_up=$((${jobferry_up%.*} * 100 + 1${jobferry_up#*.} - 100))
}

# jobferry_tell_boot: tell in jobferry_boot when this machine began, in hundredths of a second; fail if no task of
# this job has noted it within an hour: its clock may have been set since, or it was started anew
jobferry_tell_boot() {
    [ -z "${jobferry_boot-}" ] || return 0
    [ -f "$jobferry_state/boot.$jobferry_host" ] || return 1
    read -r jobferry_boot jobferry_noted jobferry_of jobferry_dot <"$jobferry_state/boot.$jobferry_host" || :
    read -r jobferry_this </proc/sys/kernel/random/boot_id || :
    if [ "${jobferry_of-} ${jobferry_dot-}" = "${jobferry_this-} ." ] &&
        [ "$jobferry_noted" -le "$jobferry_up" ] && [ $((jobferry_up - jobferry_noted)) -lt 360000 ]; then
        return 0
    fi
    jobferry_boot=
    return 1
}

# jobferry_note_boot: note when this machine began, as seen now, for the other tasks of an array
jobferry_note_boot() {
    # the half of a second that is missing on average
    jobferry_boot=$((jobferry_now * 100 + 50 - jobferry_up))
    [ "$jobferry_task" != job ] && [ -r /proc/sys/kernel/random/boot_id ] || return 0
    read -r jobferry_this </proc/sys/kernel/random/boot_id || return 0
    printf '%s %s %s .\n' "$jobferry_boot" "$jobferry_up" "$jobferry_this" >"$jobferry_state/boot.$jobferry_host"
}

# jobferry_start: start what the job is, in a shell of its own if it has lines of its own or needs a login shell
jobferry_start() {
    if command -v jobferry_words >/dev/null 2>&1; then
        # there are no start-up files in which it could end
        jobferry_through_shell=
        (jobferry_enter "$jobferry_task" && jobferry_words jobferry_detach) </dev/null &
        jobferry_body=$!
        return 0
    fi
    jobferry_through_shell=1
    command -v "${jobferry_shell%% *}" >/dev/null 2>&1 || jobferry_shell=/bin/sh
    # shellcheck disable=SC2086
    jobferry_detach $jobferry_shell "$jobferry_folder/$jobferry_script" "$jobferry_folder" body "$jobferry_task" \
        </dev/null &
    jobferry_body=$!
}

# jobferry_done_already: what is done is not done twice; what was stopped from outside and started again is not done,
# nor what ended with an exit code that means "again" to the site
jobferry_done_already() {
    jobferry_file=$jobferry_state/$jobferry_task.finished
    [ -s "$jobferry_file" ] || return 0
    if [ "$jobferry_restarts" -gt 0 ] &&
        { grep -q -e ' stopped=[A-Z]' -e ' warned=1' "$jobferry_file" || jobferry_is_wanted_again; }; then
        mv "$jobferry_file" "$jobferry_file.$((jobferry_restarts - 1))"
        return 0
    fi
    # its record is now that of this run, which adds nothing to it
    sed "s/ restarts=[0-9]* / restarts=$jobferry_restarts /" "$jobferry_file" >"$jobferry_file.new" &&
        mv "$jobferry_file.new" "$jobferry_file"
    exit "$(jobferry_status_of "$jobferry_file")"
}

# jobferry_is_wanted_again: whether the site starts jobs again that end with the exit code of this one's last run
jobferry_is_wanted_again() {
    [ -z "${jobferry_direct-}" ] || return 1
    jobferry_status=$(jobferry_status_of "$jobferry_file")
    [ "${jobferry_status:-0}" != 0 ] || return 1
    # such as 1-3,99, or a word where there are none
    for jobferry_codes in $(scontrol show config 2>/dev/null |
        sed -n -e 's/,/ /g' -e 's/^RequeueExit\(Hold\)\{0,1\} *= *\([0-9]\)/\2/p'); do
        if [ "$jobferry_status" -ge "${jobferry_codes%-*}" ] && [ "$jobferry_status" -le "${jobferry_codes#*-}" ]; then
            return 0
        fi
    done
    return 1
}

# jobferry_status_of FILE: print the exit code in a finished record
jobferry_status_of() {
    sed -n 's/.* status=\([0-9]*\) .*/\1/p' "$1" 2>/dev/null
}

# jobferry_detach COMMAND...: without a batch system that would know them, a job's processes get a session of their own
jobferry_detach() {
    if [ -n "${jobferry_direct-}" ]; then
        jf_setsid "$@"
    fi
    exec "$@"
}

# jobferry_forward SIGNAL: pass a signal on, and remember one that means to end the job
jobferry_forward() {
    case $1 in
        USR1 | USR2) jobferry_warned=1 ;;
        TERM | INT | QUIT | XCPU | HUP)
            jobferry_stopped=$1
            jobferry_stops=$((jobferry_stops + 1))
            ;;
    esac
    [ "$1" != "${jobferry_warns-}" ] || jobferry_called=1
    [ -n "$jobferry_body" ] || return 0
    if [ -z "${jobferry_direct-}" ]; then
        kill "-$1" "$jobferry_body" 2>/dev/null
        return 0
    fi
    case $1 in
        USR1 | USR2) kill "-$1" "-$jobferry_body" 2>/dev/null || kill "-$1" "$jobferry_body" 2>/dev/null ;;
        *) jobferry_end_tree "$1" ;;
    esac
}

# jobferry_end: write the manifest, then the finished record, last
jobferry_end() {
    if [ -n "${jobferry_direct-}" ]; then
        jobferry_no_timers
        jobferry_tree KILL
    fi
    jobferry_tell_time
    jobferry_ended=$jobferry_now
    jobferry_cause=
    [ ! -f "$jobferry_state/$jobferry_task.overtime" ] || jobferry_cause=TIMEOUT
    if [ -n "$jobferry_through_shell" ] && [ -z "$jobferry_stopped" ] && ! jobferry_has_begun; then
        # the shell ended before the first line, in a start-up file of its own
        jobferry_cause=LAUNCH
        [ "$jobferry_status" -ne 0 ] || jobferry_status=125
    fi
    if [ -f "$jobferry_state/$jobferry_task.again" ]; then
        jobferry_called=1
        jobferry_cause=TIMEOUT
    fi
    jobferry_oom_kills
    jobferry_ooms=$((jobferry_counted - jobferry_ooms))
    jobferry_listed=
    if command -v jobferry_outputs >/dev/null 2>&1; then
        (cd "$JOBFERRY_WORK" && jobferry_outputs) >"$jobferry_state/$jobferry_task.outputs.new" &&
            mv "$jobferry_state/$jobferry_task.outputs.new" "$jobferry_state/$jobferry_task.outputs" &&
            jobferry_listed=1
    fi
    jobferry_count_used
    set --
    for jobferry_file in overtime again times; do
        [ ! -f "$jobferry_state/$jobferry_task.$jobferry_file" ] ||
            set -- "$@" "$jobferry_state/$jobferry_task.$jobferry_file"
    done
    [ $# -eq 0 ] || rm -f "$@"
    jobferry_finish "$jobferry_status" "$jobferry_stopped" "$jobferry_cause"
}

# jobferry_has_begun: whether the shell has come to the job's own lines, see `body` above
jobferry_has_begun() {
    jobferry_line=
    { IFS= read -r jobferry_line && read -r _ && return 0; } <"$jobferry_state/$jobferry_task.started"
    # where there is no room for the record of the beginning, there is none for that word either
    case $jobferry_line in *' .') return 1 ;; esac
}

# jobferry_count_used: tell in jobferry_used how much processor time the job has used, as user,system
jobferry_count_used() {
    jobferry_used=
    if [ -r "/proc/$$/stat" ] && read -r jobferry_stat <"/proc/$$/stat"; then
        # after the name: state, and eleven fields on the times of this process and of its children, in ticks
        # shellcheck disable=SC2086
        set -- ${jobferry_stat##*) }
        jobferry_used=0m$((${14} / 100)).$(((${14} % 100) / 10))$((${14} % 10))s,0m$((${15} / 100)).$(((${15} % 100) / 10))$((${15} % 10))s
        return 0
    fi
    # in a file: in a subshell the times would be others
    times >"$jobferry_state/$jobferry_task.times" 2>/dev/null &&
        { read -r jobferry_used && read -r jobferry_used; } <"$jobferry_state/$jobferry_task.times"
    jobferry_used=${jobferry_used%% *},${jobferry_used##* }
}

# jobferry_finish STATUS STOPPED CAUSE: write the finished record and leave with the job's own status
jobferry_finish() {
    [ -z "${jobferry_called-}" ] || jobferry_again "$1" "$2"
    jobferry_file=$jobferry_state/$jobferry_task.finished
    # in one piece, so that none of it is there or all; or else there is to be nothing: a full disk takes pieces
    jobferry_record finished "started=$jobferry_began ended=$jobferry_ended status=$1 stopped=$2 cause=$3 \
oom=${jobferry_ooms-0} used=${jobferry_used-} warned=${jobferry_warned-} outputs=${jobferry_listed-}" \
        >"$jobferry_file" || true >"$jobferry_file"
    exit "$1"
}

# jobferry_again STATUS STOPPED: start a job again that was warned of its time limit, saved its work and is not
# done; return when it is not to be
jobferry_again() {
    [ "$1" -ne 0 ] && [ -z "$2" ] && [ ! -f "$jobferry_cancel" ] || return 0
    [ "$jobferry_restarts" -lt "${jobferry_requeues:-0}" ] || return 0
    if [ -n "${jobferry_direct-}" ]; then
        jobferry_restarts=$((jobferry_restarts + 1))
        jobferry_timer_pids=
        jobferry_warned=
        jobferry_called=
        jobferry_supervise
    fi
    scontrol requeue "$jobferry_self" || return 0
    # Slurm ends this script when it has put the job back into the queue
    trap 'exit 143' TERM
    sleep 60 &
    wait "$!"
}

# jobferry_never STOPPED CAUSE: end without having begun
jobferry_never() {
    jobferry_began=
    jobferry_tell_time
    jobferry_ended=$jobferry_now
    jobferry_finish 143 "$1" "$2"
}

# jobferry_oom_kills: count into jobferry_counted the processes of this job that the kernel has killed for memory
jobferry_oom_kills() {
    jobferry_counted=0
    while IFS=: read -r jobferry_hierarchy jobferry_controllers jobferry_path; do
        case $jobferry_hierarchy:,$jobferry_controllers, in
            0:,,) jobferry_file=/sys/fs/cgroup$jobferry_path/memory.events ;;
            *,memory,*) jobferry_file=/sys/fs/cgroup/memory$jobferry_path/memory.oom_control ;;
            *) continue ;;
        esac
        # a cgroup that is not the job's alone says nothing about the job
        case $jobferry_path in */job_*) ;; *) continue ;; esac
        for jobferry_level in "$jobferry_file" "${jobferry_file%/*/*}/${jobferry_file##*/}"; do
            [ -r "$jobferry_level" ] || continue
            while read -r jobferry_word jobferry_kills; do
                [ "$jobferry_word" = oom_kill ] || continue
                [ "$jobferry_kills" -le "$jobferry_counted" ] || jobferry_counted=$jobferry_kills
            done <"$jobferry_level"
        done
    done 2>/dev/null </proc/self/cgroup || :
}
