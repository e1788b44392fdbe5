# shellcheck shell=sh disable=SC2034,SC2154
# What launch.sh needs besides where there is no batch system: dependencies, arrays, time limits, whole trees of processes.

# jobferry_end_tree SIGNAL: end all processes of this task, and after some seconds without mercy
jobferry_end_tree() {
    jobferry_tree "$1"
    [ "$jobferry_stops" -gt 1 ] || jobferry_after "${jobferry_grace-10}" jobferry_tree KILL
}

jobferry_tree() {
    kill "-$1" "-$jobferry_body" 2>/dev/null || kill "-$1" "$jobferry_body" 2>/dev/null
    jf_orphans "$JOBFERRY_JOB:$jobferry_task" "$1" "$jobferry_body"
}

# jobferry_after SECONDS COMMAND...: run a command later, unless jobferry_no_timers comes first
jobferry_after() {
    (
        trap 'kill "$jobferry_nap" 2>/dev/null; exit 0' TERM
        trap '' HUP INT QUIT USR1 USR2 XCPU
        # without the variable that marks what is to be killed with the job
        (unset JOBFERRY_TASK && exec sleep "$1") &
        jobferry_nap=$!
        shift
        wait "$jobferry_nap" && "$@"
    ) </dev/null >/dev/null 2>&1 &
    jobferry_timer_pids="${jobferry_timer_pids-} $!"
}

# jobferry_timers: keep the time limit where no batch system does
jobferry_timers() {
    [ -n "${jobferry_seconds-}" ] || return 0
    jobferry_born=$(jf_start_time $$)
    jobferry_after "$jobferry_seconds" jobferry_overtime
    [ -z "${jobferry_warning-}" ] || jobferry_after "$jobferry_warn_before" jobferry_tell_launcher "$jobferry_warning"
}

jobferry_overtime() {
    true >"$jobferry_state/$jobferry_task.overtime"
    jobferry_tell_launcher TERM || jf_orphans "$JOBFERRY_JOB:$jobferry_task" KILL
}

# jobferry_tell_launcher SIGNAL: signal the launch script; fail if it was killed, for its number may be another's by now
jobferry_tell_launcher() {
    [ "$(jf_start_time $$)" = "$jobferry_born" ] && kill "-$1" $$
}

jobferry_no_timers() {
    for jobferry_timer in ${jobferry_timer_pids-}; do
        # one whose time has come is over, and has no number any more
        [ "$(jf_parent "$jobferry_timer")" != $$ ] || kill -TERM "$jobferry_timer" 2>/dev/null
    done
}

# jobferry_wait_for KIND:NATIVE_ID...: wait until other jobs of this machine have ended as they should
jobferry_wait_for() {
    [ $# -eq 0 ] || trap "jobferry_never TERM ''" TERM
    for jobferry_other in "$@"; do
        jobferry_kind=${jobferry_other%%:*}
        jf_split "${jobferry_other#*:}"
        jobferry_other_record=$(jobferry_last_run "$jobferry_folder/../$jf_job")/job.finished
        until [ -s "$jobferry_other_record" ]; do
            if [ -f "$jobferry_cancel" ]; then
                jobferry_never TERM ''
            fi
            if [ "$jf_host" = "$jobferry_host" ] && [ "$(jf_start_time "$jf_pid")" != "$jf_began" ] &&
                [ ! -s "$jobferry_other_record" ]; then
                # it died without a word: its end was no success
                [ "$jobferry_kind" = afterok ] && jobferry_never '' DEPENDENCY
                break
            fi
            sleep 0.5 2>/dev/null || sleep 1
        done
        jobferry_other_status=$(jobferry_status_of "$jobferry_other_record")
        case $jobferry_kind:$jobferry_other_status in
            afterok:0 | afterany:*) ;;
            afternotok:0 | afterok:*) jobferry_never '' DEPENDENCY ;;
        esac
    done
}

# jobferry_last_run FOLDER: print the folder with the records of a job's last run
jobferry_last_run() {
    jobferry_found=$1/state
    jobferry_number=2
    while [ -d "$1/runs/$jobferry_number/state" ]; do
        jobferry_found=$1/runs/$jobferry_number/state
        jobferry_number=$((jobferry_number + 1))
    done
    echo "$jobferry_found"
}

# jobferry_array: run the tasks of an array, so many at a time, and write down how the whole ended
jobferry_array() {
    jobferry_tell_time
    jobferry_began=$jobferry_now
    jobferry_slots=$jobferry_state/slots.$$
    mkfifo "$jobferry_slots" && exec 9<>"$jobferry_slots" && rm -f "$jobferry_slots" || exit 125
    jobferry_free=${jobferry_limit-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
    while [ "$jobferry_free" -gt 0 ]; do
        echo >&9
        jobferry_free=$((jobferry_free - 1))
    done
    jobferry_tasks=
    jobferry_stopped=
    trap 'jobferry_stopped=TERM; jobferry_stop_tasks' TERM
    for jobferry_span in $(echo "$jobferry_indices" | sed 's/,/ /g'); do
        jobferry_next=${jobferry_span%-*}
        while [ "$jobferry_next" -le "${jobferry_span#*-}" ]; do
            until [ -n "$jobferry_stopped" ] || IFS= read -r _ <&9; do :; done
            [ -z "$jobferry_stopped" ] || break 2
            {
                /bin/sh "$jobferry_script" "$jobferry_folder" task "$jobferry_next"
                echo >&9
            } &
            jobferry_tasks="$jobferry_tasks $!"
            jobferry_launched="${jobferry_launched-} $jobferry_next"
            jobferry_next=$((jobferry_next + 1))
        done
    done
    jobferry_worst=0
    for jobferry_pid in $jobferry_tasks; do
        jobferry_await "$jobferry_pid"
    done
    jobferry_tell_time
    jobferry_ended=$jobferry_now
    for jobferry_next in ${jobferry_launched-}; do
        [ ! -s "$jobferry_state/$jobferry_next.finished" ] || continue
        # its launch script was killed: that is no success, and what it started ends with it
        jf_orphans "$JOBFERRY_JOB:$jobferry_next" KILL
        jobferry_worst=137
    done
    for jobferry_file in "$jobferry_state"/*.finished; do
        jobferry_status=$(jobferry_status_of "$jobferry_file")
        [ "${jobferry_status:-0}" -le "$jobferry_worst" ] || jobferry_worst=$jobferry_status
    done
    [ -z "$jobferry_stopped" ] || jobferry_worst=143
    jobferry_task=job
    jobferry_finish "$jobferry_worst" "$jobferry_stopped" ''
}

jobferry_stop_tasks() {
    for jobferry_file in "$jobferry_state"/*.started; do
        [ -f "$jobferry_file" ] || continue
        [ ! -s "${jobferry_file%.started}.finished" ] || continue
        jobferry_native_task=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$jobferry_file")
        [ -n "$jobferry_native_task" ] || continue
        # one that was killed has no number any more: it is ours as long as what began it is
        case " $jobferry_tasks " in
            *" $(jf_parent "$jobferry_native_task") "*) kill -TERM "$jobferry_native_task" 2>/dev/null ;;
        esac
    done
}
