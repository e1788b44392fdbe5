# shellcheck shell=sh
# The batch system of a machine that has none: jobs are processes detached in sessions of their own.
# A native id is HOST:PID:START:JOB. START tells a process from a later one that was given the same number.

# jf_start_time PID: print when the process began, in the system's own words; fail if it is gone or a zombie
jf_start_time() {
    if [ -r "/proc/$1/stat" ]; then
        IFS= read -r jf_stat <"/proc/$1/stat" 2>/dev/null || return 1
        # the name, in brackets, can hold anything: count fields from its end
        jf_stat=${jf_stat##*) }
        case $jf_stat in Z* | X*) return 1 ;; esac
        # shellcheck disable=SC2086
        set -- $jf_stat
        echo "${20}"
    else
        jf_stat=$(ps -o stat= -o lstart= -p "$1" 2>/dev/null) || return 1
        case $jf_stat in '' | Z*) return 1 ;; esac
        # shellcheck disable=SC2086
        set -- $jf_stat
        shift
        echo "$*" | sed 's/[^A-Za-z0-9]/_/g'
    fi
}

# jf_parent PID: print who began the process, or collects it now; nothing if it is gone
jf_parent() {
    if [ -r "/proc/$1/stat" ]; then
        IFS= read -r jf_stat <"/proc/$1/stat" 2>/dev/null || return 1
        jf_stat=${jf_stat##*) ? }
        echo "${jf_stat%% *}"
    else
        ps -o ppid= -p "$1" 2>/dev/null | tr -d ' '
    fi
}

# jf_setsid COMMAND...: become the command in a session of its own, which no closing terminal or link ends
jf_setsid() {
    if command -v setsid >/dev/null 2>&1; then
        exec setsid "$@"
    elif command -v perl >/dev/null 2>&1; then
        exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV or die "$!\n"' "$@"
    elif command -v python3 >/dev/null 2>&1; then
        exec python3 -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
    fi
    exec nohup "$@"
}

# jf_direct_start SCRIPT JOB [KIND:NATIVE_ID...]: start a job in the current folder and print its native id
jf_direct_start() {
    jf_script=$1
    jf_job=$2
    shift 2
    # this waits for the end of what is printed, which the launch script lets go of when it is in its own session:
    # whoever ends this shell together with all of its session must not end a job that is told to be there
    jf_pid=$(
        (
            # a signal that is ignored when a shell begins can never be trapped by it
            trap - HUP PIPE INT TERM
            # shellcheck disable=SC2016
            jf_setsid /bin/sh -c 'exec /bin/sh "$@" >>out/launch 2>&1' sh "$jf_script" "$PWD" start "$@"
        ) </dev/null 2>>out/launch 4>&- &
        echo "$!"
    )
    jf_began=$(jf_start_time "$jf_pid") || jf_began=0
    echo "$(uname -n):$jf_pid:$jf_began:$jf_job"
}

# jf_direct_status NATIVE_ID...: print each id with R, gone, or elsewhere
jf_direct_status() {
    jf_here=$(uname -n)
    for jf_native in "$@"; do
        jf_split "$jf_native"
        if [ "$jf_host" != "$jf_here" ]; then
            echo "$jf_native elsewhere"
        elif [ "$(jf_start_time "$jf_pid")" = "$jf_began" ] || jf_has_orphans "$jf_job"; then
            echo "$jf_native R"
        else
            echo "$jf_native gone"
        fi
    done
}

# jf_direct_cancel NATIVE_ID...: end the whole tree of each; its launch script writes the record
jf_direct_cancel() {
    jf_here=$(uname -n)
    jf_elsewhere=0
    for jf_native in "$@"; do
        jf_split "$jf_native"
        if [ "$jf_host" != "$jf_here" ]; then
            echo "$jf_native runs on $jf_host, this is $jf_here" >&2
            jf_elsewhere=1
        elif [ "$(jf_start_time "$jf_pid")" = "$jf_began" ]; then
            kill -TERM "$jf_pid"
        else
            jf_orphans "$jf_job" KILL
        fi
    done
    return "$jf_elsewhere"
}

# jf_has_orphans JOB: whether processes of a job go on without the launch script that would have ended them
jf_has_orphans() {
    grep -qs "JOBFERRY_TASK=$1:" /proc/[0-9]*/environ 2>/dev/null
}

# jf_orphans JOB SIGNAL [GROUP]: signal what carries the job's variable, wherever it hid, save those of a group
jf_orphans() {
    # shellcheck disable=SC2013
    for jf_environ in $(grep -ls "JOBFERRY_TASK=$1:" /proc/[0-9]*/environ 2>/dev/null); do
        jf_orphan=${jf_environ#/proc/}
        jf_orphan=${jf_orphan%/environ}
        jf_stat=
        IFS= read -r jf_stat <"/proc/$jf_orphan/stat" || continue
        # after the name: state, parent, group
        jf_group=${jf_stat##*) ? }
        jf_group=${jf_group#* }
        [ "${jf_group%% *}" = "${3-}" ] || kill "-$2" "$jf_orphan"
    done 2>/dev/null
}

# jf_direct_find NAME...: print the native id and the name of each job of those unique names that was ever started
jf_direct_find() {
    for jf_name in "$@"; do
        jf_folder=${jf_name##*-}
        case $jf_folder in
            *.*) jf_folder=${jf_folder%.*}/runs/${jf_folder#*.} ;;
        esac
        jf_owner=
        { IFS= read -r jf_owner <"$JF_ROOT/jobs/$jf_folder/state/job.claim"; } 2>/dev/null || :
        [ -z "$jf_owner" ] || printf '%s %s\n' "$jf_owner" "$jf_name"
    done
}

jf_split() {
    jf_host=${1%%:*}
    jf_rest=${1#*:}
    jf_pid=${jf_rest%%:*}
    jf_rest=${jf_rest#*:}
    jf_began=${jf_rest%%:*}
    jf_job=${jf_rest#*:}
}
