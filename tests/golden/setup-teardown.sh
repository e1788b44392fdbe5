#!/bin/sh
# job job-0123456789ab

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.direct
jobferry_shell='bash -l'
jobferry_direct=1
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

module load gcc
jobferry_check 'module load gcc'
ulimit -c 0
jobferry_check 'ulimit -c 0'
cd sub
jobferry_check 'cd sub'
jobferry_run ./run
jobferry_code=$?
rm -rf scratch
exit "$jobferry_code"
