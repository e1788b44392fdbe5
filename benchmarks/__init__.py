"""What Jobferry costs, side by side with the bare tools under it, on a real sshd and a real Slurm."""
