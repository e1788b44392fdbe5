# shellcheck shell=sh
# What asking Slurm takes beyond one command.

# jf_slurm_probe: print version, configuration and partitions
jf_slurm_probe() {
    sbatch --version && scontrol show config && sinfo --noheader --format='partition %P|%a|%l|%D|%T'
}

JF_SBATCH_SET=
! env | grep -q '^SBATCH_' || JF_SBATCH_SET=1

# jf_sbatch SCRIPT OPTION...: submit a script as its directives say; SBATCH_* variables, which sbatch puts above
# them, count only for what they do not say
jf_sbatch() {
    jf_script=$1
    shift
    if [ -z "$JF_SBATCH_SET" ]; then
        sbatch "$@" "$jf_script"
        return
    fi
    unset SBATCH_JOB_NAME SBATCH_ARRAY_INX SBATCH_OUTPUT SBATCH_ERROR SBATCH_OPEN_MODE SBATCH_WAIT
    for jf_option in $(sed -n 's/^#SBATCH --\([a-z-]*\).*/\1/p' "$jf_script" | tr 'a-z-' 'A-Z_'); do
        case $jf_option in
            TIME) unset SBATCH_TIMELIMIT ;;
            MEM | MEM_PER_CPU | MEM_PER_GPU) unset SBATCH_MEM_PER_NODE SBATCH_MEM_PER_CPU SBATCH_MEM_PER_GPU ;;
            ?*) unset "SBATCH_$jf_option" ;;
        esac
    done
    sbatch "$@" "$jf_script"
}

# jf_slurm_find NAMES [accounting]: print ids and names of the jobs of those names; fail when anybody asked fails
jf_slurm_find() {
    squeue --me --noheader --states=all --name="$1" --format='%F|%j' || return
    [ -z "${2-}" ] || sacct -nPX --name="$1" --starttime=now-30days --format=JobID,JobName
}
