#!/bin/sh
# job job-0123456789ab
# cpus_per_task: 2
# time: 1:00:00

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.direct
jobferry_shell=bash
jobferry_words() { "$@" sleep 60; }
jobferry_direct=1
jobferry_seconds=3600
jobferry_warning=USR2
jobferry_warn_before=3300
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

exec sleep 60
