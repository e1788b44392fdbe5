#!/bin/sh
#SBATCH --job-name=job-0123456789ab
#SBATCH --output=out/launch.%a
#SBATCH --open-mode=append
#SBATCH --gpus-per-node=a100:1
#SBATCH --time=02:00:00
#SBATCH --array=0-9,12%4
#SBATCH --signal=B:USR2@300

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.slurm
jobferry_shell='bash -l'
jobferry_outputs() { jf_manifest result.* 'my logs/'*.txt; }
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

module load gcc
jobferry_check 'module load gcc'
exec "${BASH:-/bin/sh}" "$jobferry_folder/script"
