"""What any batch system does with jobs: wait, start, hold, end, start again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jobferry.testing.fakesched import runner
from jobferry.testing.fakesched.dependencies import NEVER, is_split, standing
from jobferry.testing.fakesched.nodes import choose_node, why_no_node
from jobferry.testing.fakesched.state import (
    ENDED,
    OWN,
    REST,
    RUNNING,
    TOGETHER,
    WAITING,
    Dependency,
    Job,
    State,
    find,
    never_began,
)

# a signal to the keeper of a job: end it as a batch system does, or as the death of its node does
GENTLY, AT_ONCE = signal.SIGUSR1, signal.SIGUSR2


def submit(
    state: State,
    folder: Path,
    *,
    script: bytes,
    name: str,
    output: str,
    held: bool,
    indices: Sequence[int] | None,
    limit: int | None,
    dependencies: tuple[list[Dependency], bool],
    asked: dict[str, str],
) -> int:
    """Take a job, keep its script and environment, and start it if it may; return its id."""
    native_id = state["next_id"]
    state["submissions"] += 1
    tasks = [None] if indices is None else list(indices)
    state["next_id"] += len(tasks)
    runner.spool(folder, state["submissions"], script)
    # as in Slurm, the last task of an array to start has the number of the whole
    numbers = [*range(native_id + 1, native_id + len(tasks)), native_id]
    for number, task in zip(numbers, tasks, strict=True):
        state["jobs"].append(
            Job(
                submission=state["submissions"], native_id=number,
                array=None if task is None else native_id, task=task, limit=limit, name=name,
                folder=str(Path.cwd()), output=output, asked=asked, node="", dependencies=dependencies[0],
                any_of=dependencies[1], row=OWN,
                free=state["autostart"], held=held, phase=WAITING, code=0, signal=0, cause="",
                reason="JobHeldUser" if held else "", word="",
                submitted=time.time(), started=0.0, ended=0.0, restarts=0, requeued=False, runner=0,
                in_queue=True, in_books=True,
            )
        )  # fmt: skip
    schedule(state, folder)
    return native_id


def schedule(state: State, folder: Path) -> None:
    """Start what may start; end what waits for something that cannot come any more."""
    running = Counter(job["submission"] for job in state["jobs"] if job["phase"] == RUNNING)
    allowed = state["limits"]["max_jobs_running"]
    stood: dict[tuple[int, int | None], str] = {}
    for index, job in enumerate(state["jobs"]):
        if job["phase"] != WAITING or job["held"]:
            continue
        key = (job["submission"], job["task"] if is_split(job) else None)
        stands = stood[key] = stood[key] if key in stood else standing(state, job)
        # what is started again may not begin at once
        job["reason"] = "Dependency" if stands else "BeginTime" if job["restarts"] else ""
        if stands == NEVER:
            job["reason"] = "DependencyNeverSatisfied"
            if job["asked"].get("kill-on-invalid-dep") == "yes":
                cancel_together(state, [job])
        elif not stands and job["free"]:
            if job["limit"] is not None and running[job["submission"]] >= job["limit"]:
                job["reason"] = "JobArrayTaskLimit"
                continue
            if allowed is not None and running.total() >= allowed:
                job["reason"] = "QOSMaxJobsPerUserLimit"
                continue
            job["node"] = choose_node(state, job["asked"])
            if not job["node"]:
                job["reason"] = why_no_node(state)
                continue
            running[job["submission"]] += 1
            job["phase"], job["started"], job["reason"] = RUNNING, time.time(), ""
            job["runner"] = runner.start(folder, index, job, note_end)


def free(state: State, folder: Path, ids: Sequence[str]) -> None:
    """Let jobs start, these or all that wait; they may still be held or depend on others."""
    jobs = [job for native_id in ids for job in find(state, native_id)] if ids else state["jobs"]
    for job in jobs:
        job["free"] = True
    schedule(state, folder)


def hold(job: Job) -> None:
    """Keep a waiting job from starting."""
    job["held"], job["reason"] = True, "JobHeldUser"


def release(state: State, folder: Path, jobs: Sequence[Job]) -> None:
    """Let held jobs go."""
    for job in jobs:
        job["held"], job["reason"] = False, ""
    schedule(state, folder)


def end(state: State, job: Job, cause: str, *, how: signal.Signals = GENTLY) -> None:
    """End a job for a cause; one that runs is ended by its keeper, or dies with its node."""
    if job["phase"] == ENDED:
        return
    job["cause"], job["requeued"] = cause, False
    if job["phase"] == RUNNING:
        _signal(state, job, how)
        if how is GENTLY:
            return
    job["phase"], job["ended"], job["runner"] = ENDED, time.time(), 0


def cancel_together(state: State, jobs: Sequence[Job]) -> None:
    """Cancel a job, or all of an array at once: its tasks that never began go on sharing a row."""
    for job in jobs:
        if never_began(job):
            job["row"] = TOGETHER
        end(state, job, "CANCELLED")


def cancel_task(state: State, job: Job) -> None:
    """Cancel a task by its own id; one that never began is forgotten, unless it was the last to wait.

    What is left of an array of which nothing waits any more is a row by the array's own id.
    """
    others = [
        other for other in state["jobs"] if other["submission"] == job["submission"] and other is not job
    ]
    if never_began(job):
        job["row"] = REST
        job["in_queue"] = job["in_books"] = not any(map(never_began, others))
    end(state, job, "CANCELLED")


def requeue(state: State, folder: Path, job: Job) -> None:
    """Start a job again: at once when it has ended, or else when its present run has been ended."""
    job["requeued"] = True
    if job["phase"] == RUNNING:
        _signal(state, job, GENTLY)
        return
    again(state, job)
    schedule(state, folder)


def again(state: State, job: Job) -> None:
    """Make a job wait for its next start."""
    job["restarts"] += 1
    job["started"], job["ended"], job["node"], job["row"] = 0.0, 0.0, "", OWN
    job["phase"], job["requeued"], job["free"] = WAITING, False, state["autostart"]
    job["code"], job["signal"], job["cause"], job["runner"] = 0, 0, "", 0
    job["reason"] = "BeginTime"


def note_end(state: State, folder: Path, index: int, status: int) -> None:
    """Write down how a job's process ended; called by its keeper."""
    job = state["jobs"][index]
    if job["phase"] != RUNNING or job["runner"] != os.getpid():
        return
    if job["requeued"]:
        again(state, job)
    else:
        code = os.waitstatus_to_exitcode(status)
        job["code"], job["signal"] = max(code, 0), max(-code, 0)
        job["phase"], job["ended"], job["runner"] = ENDED, time.time(), 0
    schedule(state, folder)


def warn(state: State, job: Job) -> None:
    """Send a running job's batch shell the signal it asked for."""
    if job["phase"] == RUNNING:
        _signal(state, job, runner.WARNING)


def _signal(state: State, job: Job, number: int) -> None:
    if job["runner"]:
        state["signals"].append((job["runner"], number))
