"""A batch system of one machine: its jobs are processes. Imports nothing of the house it is to test.

- `state`: all it knows, in one file, behind a lock.
- `engine`: what any batch system does: wait, start, hold, end, start again. `runner` is a job's keeper.
- `slurm`: a dialect of it: options in, words out. A second dialect is a second such file.
- `faults`: what can go wrong between a program and its caller.
- `program`: what the files on PATH run.
"""
