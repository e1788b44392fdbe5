#!/bin/sh
#SBATCH --job-name=solve-0123456789ab
#SBATCH --output=out/launch
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --mem=6G
#SBATCH --partition=long
#SBATCH --account=lab
#SBATCH --mail-type=END

jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}
[ $# -eq 0 ] || shift
JOBFERRY_JOB=0123456789ab
jobferry_script=launch.slurm
jobferry_shell='bash -l'
. "$jobferry_folder/launcher.sh"
[ "${1-}" = body ] || exit 125

export OMP_NUM_THREADS=2
export GREETING='hello $USER'
module load gcc
jobferry_check 'module load gcc'
exec srun --cpu-bind=cores ./solve --mesh 'fine mesh.msh' 'it'"'"'s'
