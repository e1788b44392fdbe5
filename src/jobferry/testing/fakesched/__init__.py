"""A batch system of one machine: its jobs are processes. Imports nothing of the house it is to test.

- `state`: all it knows, in one file, behind a lock.
- `engine`: what any batch system does: wait, start, hold, end, start again. `runner` is a job's keeper.
- `slurm`: a dialect of it: options in, words out. `sbatch` takes jobs, `limits` says how many, `options` and
  `rows` read and write.
- `faults`: what can go wrong between a program and its caller.
- `program`: what the files on PATH run.
"""
