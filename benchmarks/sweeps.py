"""Sweeps of functions beside bare arrays, and what it costs to add many tasks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import jobferry as jf
from benchmarks.bed import Bed, Far
from benchmarks.measure import Comparison, Figure, Result, in_turn

TASKS, MANY = 300, 10_000
ADDED = 100_000
RUNS = 3
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
    """Tasks of an array, one an element and many in few, beside a bare array of the same work."""
    if rtt:
        return
    far = bed.far(rtt)
    turns = min(runs, RUNS)

    def bare() -> None:
        code = "print(7 * 1)"
        wrap = f"exec python3 -c '{code}'"
        options = f"--parsable -o /dev/null -p debug --array=0-{TASKS - 1}"
        native_id = far.bare(f'sbatch {options} --wrap "{wrap}"').strip()
        far.bare(f"while squeue -h -j {native_id} | grep -q .; do sleep 0.2; done")

    singles, arrays = in_turn(turns, lambda: _swept(far, TASKS), bare)
    beside = f"sbatch --array of {TASKS} python3 -c"
    yield _comparison(f"sweep, {TASKS} tasks, one an element", beside, singles, arrays, aim=1.2)
    chunks, arrays = in_turn(turns, lambda: _swept(far, MANY, tasks_per_job=MANY // 16), bare)
    yield _comparison(f"sweep, {MANY} tasks in 16 elements", beside, chunks, arrays, aim=1.0)


def _swept(far: Far, count: int, tasks_per_job: int = 1) -> None:
    points = jf.grid(number=range(count))
    found = far.machine.sweep(seven_times, points, partition="debug", tasks_per_job=tasks_per_job)
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
