"""A `FakeCluster` made quick: its programs are answered by this process, its jobs go on only when told to.

What the programs say is the fake cluster's own. Each is a few lines of ``sh`` that hand the call over by a
FIFO: a millisecond's work. The clock over there is the test's. A job runs its real launch script, and its
command then waits for the word it is to end with: after every step nothing moves by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobferry.testing import FakeClock
from jobferry.testing.fakesched import engine, runner, slurm
from jobferry.testing.fakesched.state import ENDED, RUNNING, WAITING, Job, State, locked
from tests.faults.clients import LIMIT, wait_until
from tests.faults.programs import AnsweredCluster

MIN_JOB_AGE = 300.0
"""Seconds after which the queue forgets a job that has ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """One time that a job's command really ran, as the command itself wrote down."""

    job_id: str
    task: int | None
    submission: int
    restarts: int


class QuickCluster(AnsweredCluster):
    """Jobs are named by their number, the first one taken being 0: native ids may be used again."""

    def __init__(self, folder: Path, clock: FakeClock, accounting: str) -> None:
        super().__init__(folder, clock, accounting)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ended: dict[int, float] = {}
        self._runs = folder / "runs"

    def __enter__(self) -> Self:
        super().__enter__()
        self._runs.touch()
        return self

    def close(self) -> None:
        for process in self._processes.values():
            _kill(process, signal.SIGKILL)
            process.wait(LIMIT)
        super().close()

    @property
    def script(self) -> str:
        """A job's command: it writes down that it runs, and ends as it is told."""
        line = '"$JOBFERRY_JOB ${JOBFERRY_ARRAY_INDEX:-job} $MODEL_SUBMISSION $JOBFERRY_RESTARTS"'
        return f'echo {line} >>\'{self._runs}\'\nread -r word <"$MODEL_ORDERS"\neval "$word"\n'

    # -- the jobs

    @property
    def truth(self) -> list[Job]:
        """All jobs and tasks ever taken, as they truly are."""
        with locked(self.folder) as state:
            return state["jobs"]

    @property
    def runs(self) -> list[Run]:
        lines = (line.split() for line in self._runs.read_text().splitlines())
        return [
            Run(job_id, None if task == "job" else int(task), int(submission), int(restarts))
            for job_id, task, submission, restarts in lines
        ]

    def is_running(self, number: int) -> bool:
        """Whether a process of the job is there, whatever the queue shows."""
        process = self._processes.get(number)
        return process is not None and process.poll() is None

    def start(self, number: int) -> None:
        """Start a job that may start, and see its command run, or its launch script leave."""
        with locked(self.folder) as state:
            job = state["jobs"][number]
            if job["phase"] != WAITING or job["held"] or job["reason"].startswith("Dependency"):
                return
            job["phase"], job["started"], job["reason"] = RUNNING, time.time(), ""
        before = len(self.runs)
        self._processes[number] = process = self._begin_job(number, job)
        wait_until(lambda: len(self.runs) > before or process.poll() is not None)
        self._take_end(number)

    def _begin_job(self, number: int, job: Job) -> subprocess.Popen[bytes]:
        orders = self.folder / "orders" / f"{number}.{job['restarts']}"
        os.mkfifo(orders)
        given = {name.decode(): value.decode() for name, value in runner._variables(job).items()}
        words = {"MODEL_ORDERS": str(orders), "MODEL_SUBMISSION": str(job["submission"])}
        log = job["output"].replace("%a", str(job["task"]))
        with (Path(job["folder"]) / log).open("ab") as out:
            return subprocess.Popen(
                [str(self.folder / "spool" / str(job["submission"]))],
                cwd=job["folder"],
                env={**os.environ, **self.environment, **given, **words},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def finish(self, number: int, word: str) -> None:
        """Let a running job's command end with a shell's word, such as ``exit 3``."""
        job = self.truth[number]
        if not self.is_running(number):
            return
        with (self.folder / "orders" / f"{number}.{job['restarts']}").open("w") as orders:
            orders.write(f"{word}\n")
        self._processes[number].wait(LIMIT)
        self._take_end(number)

    def end(self, number: int, cause: str, *, requeue: bool = False) -> None:
        """End a job from outside for a cause, as the batch system would; it may start it again."""
        with locked(self.folder) as state:
            job = state["jobs"][number]
            if job["phase"] == ENDED:
                return
            runs = job["phase"] == RUNNING
            engine.end(state, job, cause, how=engine.AT_ONCE if cause in slurm.AT_ONCE else engine.GENTLY)
            job["requeued"] = requeue and runs
        process = self._processes.get(number)
        if process is not None:
            _kill(process, signal.SIGKILL if cause in slurm.AT_ONCE else signal.SIGTERM)
            process.wait(LIMIT)
        self._take_end(number)

    def start_again(self, number: int) -> None:
        """Put a job that has ended back into the queue, as an administrator may."""
        with locked(self.folder) as state:
            job = state["jobs"][number]
            if job["phase"] == ENDED and job["in_queue"]:
                self._again(state, number)

    def deliver(self) -> None:
        """Let what was cancelled by `scancel` really end."""
        for number, job in enumerate(self.truth):
            if job["phase"] == RUNNING and job["cause"]:
                _kill(self._processes[number], signal.SIGTERM)
                self._processes[number].wait(LIMIT)
                self._take_end(number)

    def _take_end(self, number: int) -> None:
        process = self._processes.get(number)
        with locked(self.folder) as state:
            job = state["jobs"][number]
            if process is not None and process.poll() is not None and job["phase"] == RUNNING:
                code = process.returncode
                job["code"], job["signal"] = max(code, 0), max(-code, 0)
                job["phase"], job["ended"] = ENDED, time.time()
            if job["phase"] == ENDED:
                self._ended[number] = self._clock.monotonic()
                if job["requeued"]:
                    self._again(state, number)
            engine.schedule(state, self.folder)

    def _again(self, state: State, number: int) -> None:
        engine.again(state, state["jobs"][number])
        self._ended.pop(number, None)

    def forget_old(self) -> None:
        """Let the queue forget what ended long ago."""
        with locked(self.folder) as state:
            for number, job in enumerate(state["jobs"]):
                since = (
                    self._ended.setdefault(number, self._clock.monotonic()) if job["phase"] == ENDED else None
                )
                if since is not None and self._clock.monotonic() - since > MIN_JOB_AGE:
                    job["in_queue"] = False

    def change(self, number: int, **fields: object) -> None:
        """Change what the batch system shows or remembers of a job."""
        with locked(self.folder) as state:
            state["jobs"][number].update(fields)  # type: ignore[typeddict-item]


def _kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
