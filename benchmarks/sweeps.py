"""Sweeps of functions beside bare arrays, and what it costs to add many tasks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import jobferry as jf
from benchmarks.bed import Bed
from benchmarks.measure import Comparison, Figure, Result, in_turn

TASKS, MANY = 1_000, 10_000
_PYTHON = "/usr/bin/python3"
_IN_MEMORY = Path("/dev/shm")
ADDED = 100_000
RUNS = 2
_ADD = """
    import os, resource, tempfile, time
    os.environ["JOBFERRY_STORE"] = tempfile.mkdtemp() + "/jobs.db"
    import jobferry as jf
    def f(a, b):
        return a * b
    sweep = jf.Machine(name="here", scheduler="direct").sweep(f, name="many")
    points = jf.grid(a=range(1000), b=range({count} // 1000))
    begun = time.perf_counter()
    sweep.add(points)
    print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    """


def seven_times(number: int) -> int:
    """Do next to nothing, so that all the time is that of the way there and back."""
    return 7 * number


def sweep(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """Tasks of an array, one an element and many in few, beside a bare array of the same work.

    Over ssh, where each task has a login shell, and on the cluster itself, where it has none. There also with
    the folders of jobs in memory: what a file costs differs much from one file system to another.
    """
    if rtt:
        return
    far, turns = bed.far(rtt), min(runs, RUNS)
    yield from _beside_bare(far.machine, far.bare, far.root, "over ssh", turns)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, bed.slurm.environment))
        for where, parent in (("on the cluster", bed.slurm.work), ("in memory there", _IN_MEMORY)):
            if not os.access(parent, os.W_OK):
                continue
            root = stack.enter_context(tempfile.TemporaryDirectory(prefix="jf-bench-", dir=parent))
            machine = jf.Machine(client=far.client, name="here", scheduler="slurm", root=root, python=_PYTHON)
            yield from _beside_bare(machine, _locally, root, where, turns)


def _locally(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout


def _beside_bare(
    machine: jf.Machine, run: Callable[[str], str], root: str, where: str, turns: int
) -> Iterator[Result]:
    run(f"mkdir -p {root}/bare")

    def bare() -> None:
        wrap = f"exec {_PYTHON} -c 'print(7 * 1)'"
        # what it prints is its result, and is kept
        options = f"--parsable -o {root}/bare/%a -p debug --array=0-{TASKS - 1}"
        native_id = run(f'sbatch {options} --wrap "{wrap}"').strip()
        run(f"while squeue -h -j {native_id} | grep -q .; do sleep 0.2; done")

    beside = f"sbatch --array of {TASKS} python3 -c"
    singles, chunks, arrays = in_turn(
        turns, lambda: _swept(machine, TASKS), lambda: _swept(machine, MANY, tasks_per_job=MANY // 16), bare
    )
    yield _comparison(f"sweep {where}, {TASKS} tasks, one an element", beside, singles, arrays, aim=1.2)
    yield _comparison(f"sweep {where}, {MANY} tasks in 16 elements", beside, chunks, arrays, aim=1.0)


def _swept(machine: jf.Machine, count: int, tasks_per_job: int = 1) -> None:
    points = jf.grid(number=range(count))
    found = machine.sweep(seven_times, points, partition="debug", tasks_per_job=tasks_per_job)
    assert [7 * number for number in range(count)] == found.results()


def _comparison(
    ours: str, bare: str, our_seconds: tuple[float, ...], bare_seconds: tuple[float, ...], *, aim: float
) -> Comparison:
    return Comparison(
        case="sweep",
        ours=ours,
        bare=bare,
        rtt=0,
        our_seconds=our_seconds,
        bare_seconds=bare_seconds,
        aim=aim,
    )


def adding(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """Add very many tasks to a sweep, in a process of its own; no machine takes part."""
    if rtt:
        return
    program = textwrap.dedent(_ADD).format(count=ADDED)
    found = []
    for _ in range(min(runs, RUNS)):
        words = [sys.executable, "-"]
        done = subprocess.run(words, input=program, capture_output=True, text=True, check=True)
        found.append(tuple(map(float, done.stdout.split())))
    times, memory = zip(*found, strict=True)
    what = f"adding {ADDED} tasks to a sweep"
    yield Figure(case="adding", what=what, rtt=None, values=times, unit="s", aim=5)
    yield Figure(case="adding", what=f"peak memory of {what}", rtt=None, values=memory, unit="MB", aim=300)
