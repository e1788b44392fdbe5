#!/bin/sh
#SBATCH --job-name=build-0123456789ab
#SBATCH --output=out/launch
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=2
#SBATCH --time=01:00:00

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.slurm
jobferry_shell='bash -l'
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

module load gcc
jobferry_check 'module load gcc'
exec "$jobferry_folder/script" all 'two words'
