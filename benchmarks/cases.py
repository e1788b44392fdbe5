"""The cases: each measures what a user does beside the least that it could cost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.bed import NEVER_RUNS, Bed, Far
from benchmarks.measure import Comparison, Figure, Result, in_turn
from benchmarks.sweeps import adding, sweep

Case = Callable[[Bed, int, int], Iterator[Result]]
"""A bed, milliseconds of round trip and a number of runs -> what was measured."""

BATCH = 20
SBATCH = f"sbatch --parsable -p {NEVER_RUNS} -o /dev/null --wrap true"
FILES, FILE_SIZE = 2000, 4096
HUGE = 2 << 30
HUGE_MEMORY_MB = 100
HUGE_RUNS = 3
WAIT_RUNS = 5


def command(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """A command on a warm connection: a round trip, where a session of its own costs two."""
    far = bed.far(rtt)
    ours, bare = in_turn(3 * runs, lambda: far.machine.exec("true"), lambda: far.bare("true"))
    yield _comparison("command", far, "exec", "ssh true", ours, bare)
    if rtt:
        ours, trip = in_turn(3 * runs, lambda: far.machine.exec("true"), far.round_trip)
        yield _comparison("command", far, "exec", "one round trip", ours, trip, aim=1.15)


def submit(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """One job, from a program that stays and from a command line that begins anew."""
    far = bed.far(rtt)
    far.cli("submit", "-m", "far", "--", "true")
    api, cli, bare = in_turn(
        2 * runs,
        lambda: far.machine.submit(["true"]),
        lambda: far.cli("submit", "-m", "far", "--", "true"),
        lambda: far.bare(SBATCH),
    )
    yield _comparison("submit", far, "submit, 1 job", "ssh sbatch", api, bare, aim=0.8)
    yield _comparison("submit", far, "jobferry submit", "ssh sbatch", cli, bare)
    far.clear_queue()


def submit_many(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """Twenty jobs in one call, beside one session that runs sbatch twenty times."""
    far = bed.far(rtt)
    loop = f"for i in $(seq {BATCH}); do {SBATCH}; done"
    ours, bare = in_turn(runs, lambda: far.jobs(BATCH), lambda: far.bare(loop))
    what = f"submit_all, {BATCH} jobs"
    yield _comparison("submit-many", far, what, f"ssh, loop of {BATCH} sbatch", ours, bare, aim=1.0)
    far.clear_queue()


def status(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """The state of twenty jobs: a round trip and one question to the batch system."""
    far = bed.far(rtt)
    far.clear_queue()
    records = [job.record for job in far.jobs(BATCH)]
    ours, bare = in_turn(
        2 * runs,
        lambda: far.client.refresh(records, force=True),
        lambda: far.bare("squeue --me --noheader --states=all"),
    )
    yield _comparison("status", far, f"refresh, {BATCH} jobs", "ssh squeue", ours, bare, aim=0.8)
    far.clear_queue()


def files(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """Many small files there and back, beside tar through ssh."""
    far = bed.far(rtt)
    tree = far.folder / "tree"
    _make_tree(tree)
    at = f"{bed.slurm.work}/files{rtt}"
    far.bare(f"mkdir {at}")
    turn = count()
    what = f"{FILES} files of {FILE_SIZE // 1024} KB"

    def bare_put() -> None:
        to = f"{at}/{next(turn)}"
        far.piped(f"tar cf - -C {tree} . | $SSH 'mkdir {to} && tar xf - -C {to}'")

    def bare_get() -> None:
        to = far.folder / f"home{next(turn)}"
        to.mkdir()
        far.piped(f"$SSH 'tar cf - -C {at}/0 .' | tar xf - -C {to}")

    ours, bare = in_turn(runs, lambda: far.machine.put(f"{tree}/", f"{at}/{next(turn)}"), bare_put)
    yield _comparison("files", far, f"put, {what}", "tar through ssh", ours, bare, aim=1.2)
    ours, bare = in_turn(
        runs, lambda: far.machine.get(f"{at}/0/", far.folder / f"home{next(turn)}"), bare_get
    )
    yield _comparison("files", far, f"get, {what}", "tar through ssh", ours, bare, aim=1.2)
    far.bare(f"rm -rf {at}")


def huge_file(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """A file larger than any memory it may take; only where no delay hides what is ours."""
    if rtt:
        return
    far = bed.far(rtt)
    source = far.folder / "huge"
    with source.open("wb") as file:
        file.truncate(HUGE)
    there = f"{bed.slurm.work}/huge"
    home = far.folder / "huge-home"
    peaks: dict[str, list[float]] = {"put": [], "get": []}

    def measured(verb: str, *words: str) -> None:
        peaks[verb].append(_peak_of(far, verb, *words))
        home.unlink(missing_ok=True)

    turns = min(runs, HUGE_RUNS)
    size = f"{HUGE >> 30} GB"
    ours, bare = in_turn(
        turns,
        lambda: measured("put", str(source), there),
        lambda: far.piped(f"cat {source} | $SSH 'cat >{there}.bare'"),
    )
    yield _comparison("huge-file", far, f"put, {size}", "cat through ssh", ours, bare)
    ours, bare = in_turn(
        turns,
        lambda: measured("get", there, str(home)),
        lambda: far.piped(f"$SSH 'cat {there}.bare' | cat >{home}.bare"),
    )
    yield _comparison("huge-file", far, f"get, {size}", "cat through ssh", ours, bare)
    for verb, megabytes in peaks.items():
        what = f"peak memory of {verb}, {size}"
        yield Figure(
            case="huge-file", what=what, rtt=rtt, values=tuple(megabytes), unit="MB", aim=HUGE_MEMORY_MB
        )
    far.bare(f"rm -f {there} {there}.bare")


def startup(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """What each call costs before it does anything; no machine takes part."""
    if rtt:
        return
    python = [sys.executable, "-c"]
    program = str(Path(sys.executable).with_name("jobferry"))
    wanted: Mapping[str, tuple[list[str], float]] = {
        "jobferry --help": ([program, "--help"], 6.0),
        "jobferry --version": ([program, "--version"], 6.0),
        "import jobferry": ([*python, "import jobferry"], 4.0),
    }
    for what, (argv, aim) in wanted.items():
        ours, bare = in_turn(5 * runs, partial(_quiet, argv), lambda: _quiet([*python, "pass"]))
        yield Comparison(
            case="startup",
            ours=what,
            bare="python -c pass",
            rtt=None,
            our_seconds=ours,
            bare_seconds=bare,
            aim=aim,
        )


def wait(bed: Bed, rtt: int, runs: int) -> Iterator[Result]:
    """From the job's last line to the return of what waits for it, and what the batch system was asked."""
    far = bed.far(rtt)
    last_line = "sleep 2; date +%s.%N"
    ours, our_calls, bare, bare_calls = [], [], [], []
    bed.shims.place()
    for turn in range(min(runs, WAIT_RUNS)):
        job = far.machine.submit(last_line, partition="debug")
        bed.shims.forget()
        job.wait()
        returned = time.time()
        our_calls.append(float(bed.shims.calls().total()))
        ours.append(returned - float(job.stdout()))

        clock = f"{bed.slurm.work}/end{rtt}.{turn}"
        native_id = far.bare(f"sbatch --parsable -o /dev/null --wrap '{last_line} >{clock}'").strip()
        bed.shims.forget()
        far.bare(f"while squeue -h -j {native_id} | grep -q .; do sleep 0.1; done")
        returned = time.time()
        bare_calls.append(float(bed.shims.calls().total()))
        bare.append(returned - float(far.bare(f"cat {clock}")))
    bed.shims.remove()
    limit = 1.0 + rtt / 1000
    yield _comparison("wait", far, "end of job to wait()", "squeue every 0.1 s", tuple(ours), tuple(bare))
    yield _figure("wait", far, "end of job to wait()", tuple(ours), "s", limit)
    yield _figure("wait", far, "scheduler calls of wait()", tuple(our_calls), "calls", 1)
    yield _figure("wait", far, "scheduler calls of squeue every 0.1 s", tuple(bare_calls), "calls", None)


def _comparison(
    case: str,
    far: Far,
    ours: str,
    bare: str,
    our_seconds: tuple[float, ...],
    bare_seconds: tuple[float, ...],
    *,
    aim: float | None = None,
) -> Comparison:
    return Comparison(
        case=case,
        ours=ours,
        bare=bare,
        rtt=far.rtt,
        our_seconds=our_seconds,
        bare_seconds=bare_seconds,
        # the aims of latency are about a network; without one, two processes on one machine are compared
        aim=aim if far.rtt or case == "files" else None,
    )


def _figure(
    case: str, far: Far, what: str, values: tuple[float, ...], unit: str, aim: float | None
) -> Figure:
    return Figure(case=case, what=what, rtt=far.rtt, values=values, unit=unit, aim=aim)


def _make_tree(tree: Path) -> None:
    for number in range(FILES):
        folder = tree / f"{number % BATCH:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.dat").write_bytes(number.to_bytes(4, "big") * (FILE_SIZE // 4))


def _peak_of(far: Far, verb: str, source: str, destination: str) -> float:
    """Transfer in a process of its own and tell the memory it took at most, in MB."""
    argv = [
        sys.executable,
        "-m",
        "benchmarks.transfer",
        far.host,
        far.ssh,
        far.root,
        verb,
        source,
        destination,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _quiet(argv: list[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


CASES: Mapping[str, Case] = {
    "startup": startup,
    "command": command,
    "submit": submit,
    "submit-many": submit_many,
    "status": status,
    "wait": wait,
    "files": files,
    "huge-file": huge_file,
    "sweep": sweep,
    "adding": adding,
}
