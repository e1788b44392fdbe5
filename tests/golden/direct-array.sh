#!/bin/sh
# job job-0123456789ab

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.direct
jobferry_shell=bash
jobferry_words() { "$@" true; }
jobferry_direct=1
jobferry_indices=1-3
jobferry_limit=2
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

exec true
