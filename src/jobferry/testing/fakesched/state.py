"""All that the fake batch system knows: one file, changed by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

WAITING, RUNNING, ENDED = "waiting", "running", "ended"
OWN, TOGETHER, REST = "own", "together", "rest"

Said = tuple[str, str, int]
"""What a program says: output, errors, exit code."""


class Dependency(TypedDict):
    """What a job waits for: a submission or one task of it, whatever job has its id by then."""

    kind: str
    native_id: str
    submission: int
    task: int | None


class Job(TypedDict):
    """A job, or one task of an array.

    `submission` counts them for ever, while a `native_id` may be used again. `array` is the native id of the
    whole; `asked` are the options it was submitted with. `free` says whether it may start, `cause` what ended
    it from outside, `word` what is shown in the place of the truth, `in_queue` and `in_books` who still
    remembers it. `any_of` says whether one of the dependencies is enough, `row` how a task is shown that was
    cancelled before it began: in a row of its own, together with others, or as the rest of its array.
    `runner` is the process that keeps it.
    """

    submission: int
    native_id: int
    array: int | None
    task: int | None
    limit: int | None
    name: str
    folder: str
    output: str
    asked: dict[str, str]
    node: str
    dependencies: list[Dependency]
    any_of: bool
    free: bool
    held: bool
    phase: str
    code: int
    signal: int
    cause: str
    reason: str
    word: str
    row: str
    submitted: float
    started: float
    ended: float
    restarts: int
    requeued: bool
    runner: int
    in_queue: bool
    in_books: bool


class Fault(TypedDict):
    """What goes wrong; see `faults.py`."""

    kind: str
    programs: list[str]
    left: int | None
    taken: bool
    words: str


class Limits(TypedDict):
    """What the site allows a user; None is no limit."""

    max_array_size: int
    max_submit: int | None
    max_jobs_running: int | None


class Bucket(TypedDict):
    """How many calls the controller still answers: `tokens`, of which time brings new ones up to `burst`."""

    tokens: float
    burst: int
    per_minute: float
    filled: float
    refused: int


class State(TypedDict):
    """Everything. `books` is what accounting knows while it lags; `hung` the programs that hang.

    `nodes` are all there are, `down` those that take no jobs. `signals` are for processes, by their ids, and
    sent when all else is written down: who asks may be among those that die of them.
    """

    next_id: int
    submissions: int
    autostart: bool
    accounting: str
    partitions: list[str]
    nodes: list[str]
    down: list[str]
    limits: Limits
    bucket: Bucket | None
    jobs: list[Job]
    faults: list[Fault]
    books: list[Job] | None
    hung: list[int]
    signals: list[tuple[int, int]]


def beginning(
    *,
    autostart: bool,
    accounting: str,
    partitions: list[str],
    nodes: list[str],
    limits: Limits,
    bucket: Bucket | None,
) -> State:
    """Make a state without jobs."""
    return State(
        next_id=1,
        submissions=0,
        autostart=autostart,
        accounting=accounting,
        partitions=partitions,
        nodes=nodes,
        down=[],
        limits=limits,
        bucket=bucket,
        jobs=[],
        faults=[],
        books=None,
        hung=[],
        signals=[],
    )


def create(folder: Path, state: State) -> None:
    """Write the first state; the queue, accounting and the list of calls begin anew."""
    (folder / "lock").touch()
    (folder / "calls").write_bytes(b"")
    _write(folder, state)


@contextmanager
def locked(folder: Path) -> Iterator[State]:
    """Give the state to read and change; what was changed is kept unless an error comes."""
    with (folder / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            state: State = json.loads((folder / "state.json").read_text("utf-8"))
            yield state
            signals, state["signals"] = state["signals"], []
            _write(folder, state)
            for process, number in signals:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
        finally:
            # said aloud: a process started meanwhile holds the file too
            fcntl.flock(lock, fcntl.LOCK_UN)


def _write(folder: Path, state: State) -> None:
    (folder / "state.json.new").write_text(json.dumps(state), "utf-8")
    (folder / "state.json.new").replace(folder / "state.json")


def note_call(folder: Path, argv: list[str]) -> None:
    """Write down a call, also one that will never answer."""
    line = json.dumps(argv).encode() + b"\n"
    file = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND)
    os.write(file, line)
    os.close(file)


def read_calls(folder: Path) -> list[list[str]]:
    """Read all calls, the oldest first."""
    return [json.loads(line) for line in (folder / "calls").read_text("utf-8").splitlines()]


def find(state: State, native_id: str, jobs: list[Job] | None = None) -> list[Job]:
    """Find what an id means: a job, all tasks of an array, or one as ``7_3``; of reused ids, the newest."""
    whole, _, task = native_id.partition("_")
    if not whole.isdecimal() or (task and not task.isdecimal()):
        return []
    number = int(whole)
    found = [
        job
        for job in (state["jobs"] if jobs is None else jobs)
        if number in (job["array"], None if task else job["native_id"])
        and (not task or job["task"] == int(task))
    ]
    newest = max((job["submission"] for job in found), default=0)
    return [job for job in found if job["submission"] == newest]


def never_began(job: Job) -> bool:
    """Whether a job is a task of an array that waits for its first start."""
    return job["array"] is not None and job["phase"] == WAITING and not job["restarts"]
