"""A client, a clock that it believes, and a real Slurm that brings jobs to every end there is."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobferry import api
from jobferry.client import Client
from jobferry.config import Config
from jobferry.explain import Explanation
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState, JobStatus
from jobferry.opened import preamble
from jobferry.store import Store
from jobferry.testing import FakeClock, FakeTransport
from jobferry.transports.connection import Connection
from jobferry.transports.local import LocalTransport
from tests.rigs.daemons import wait_until
from tests.rigs.slurm import SlurmRig

ALIVE = {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD"} | {
    "SPECIAL_EXIT"
}
FOREVER = "sleep 600"
EATS_MEMORY = "head -c 400000000 /dev/zero | tail -c 400000000 >/dev/null"
RUNS_TWICE = "echo $JOBFERRY_RESTARTS; [ $JOBFERRY_RESTARTS != 0 ] || sleep 600"
SETTLED = 20.0


class Site:
    """One client of a rig; real time is Slurm's, and ours goes on only when it is told to."""

    def __init__(self, rig: SlurmRig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.clock = FakeClock()
        self.client = Client(store=Store(folder / "jobs.db"), clock=self.clock, config=Config())
        link = FakeTransport(over=LocalTransport(), environment=rig.environment)
        self._connection = Connection(link, preamble(), self.clock)
        self._names = (f"rig-{number}" for number in itertools.count())
        self._last = ""

    def submit(self, script: str = FOREVER, **options: Any) -> Job:
        # a job can only follow one of its own machine
        machine = self.machine(self._last if "after" in options else next(self._names))
        return machine.submit(script, **{"time": "10m", **options})

    def machine(self, name: str) -> Machine:
        """Make the rig another machine: who looks at a job looks at all of its machine's."""
        self._last = name
        fields = {"transport": "local", "scheduler": "slurm", "root": str(self.folder / "root")}
        made = Machine(client=self.client, name=name, **fields)  # type: ignore[arg-type]
        self.client.open(made).connection = self._connection
        return made

    def start(self, script: str = FOREVER, **options: Any) -> Job:
        """Submit a job, and wait until its own lines are at work and it is seen running."""
        job = self.submit(f"touch begun; {script}", **options)
        begun = self.folder_of(job) / "work" / "begun"
        wait_until(begun.exists, limit=30, what=f"start of {job.id}")
        self.until(job, JobState.RUNNING)
        return job

    def folder_of(self, job: Job) -> Path:
        return self.folder / "root" / "jobs" / job.id

    # -- looking

    def look(self, job: Job, after: float = 0.0) -> JobStatus:
        """Let our time pass, and ask the batch system whatever was asked before."""
        self.clock.advance(after)
        before = self.client.store.resolve(job.id)
        status = self.client.refresh([before], force=True)[0].status
        assert status.state is not JobState.COMPLETED or status.exit_code == 0
        assert not before.state.final or before.status == status
        return status

    def until(self, job: Job, *states: JobState, limit: float = 30.0) -> JobStatus:
        """Look until the job is in one of these states, without a moment of our time."""
        wanted = f"{job.id} {' or '.join(states)}"
        wait_until(lambda: self.look(job).state in states, limit=limit, what=wanted)
        return self.look(job)

    def stays_unfinished(self, job: Job) -> JobStatus:
        """Look again and again over what is a long time to us."""
        status = self.look(job)
        for _ in range(3):
            assert not status.state.final, status
            status = self.look(job, SETTLED)
        assert not status.state.final, status
        return status

    def end(self, job: Job, limit: float = 60.0) -> JobStatus:
        """Wait until Slurm is done with the job, and then, in our time, until we say how it ended."""
        wait_until(lambda: self.is_over(job), limit=limit, what=f"end of {job.id}")
        return self.settle(job)

    def settle(self, job: Job) -> JobStatus:
        """Look as often as it takes to believe what is not to be seen."""
        status = self.look(job)
        for _ in range(5):
            if not status.state.final:
                status = self.look(job, SETTLED)
        return status

    def is_over(self, job: Job) -> bool:
        """Whether Slurm shows the job no more, or its end; where there is accounting, there too."""
        assert job.native_id is not None
        shown = self.rig.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", job.native_id)
        if ALIVE & set(shown.stdout.split()):
            return False
        words = self.accounted(job.native_id)
        return words is None or (bool(words) and not ALIVE & {word.split(" ")[0] for word in words})

    def accounted(self, native_id: str) -> list[str] | None:
        """Say what accounting says; None when it does not answer."""
        if not self.rig.layout.accounting:
            return None
        said = self.rig.run("sacct", "-nPX", "-o", "State,JobName", "-j", native_id)
        if said.returncode != 0:
            return None
        rows = [line.partition("|") for line in said.stdout.splitlines()]
        # when a job's end is heard of before its beginning, it has this name for some seconds
        return [] if any(name == "allocation" for _, _, name in rows) else [state for state, _, _ in rows]

    # -- acting as Slurm's administrator

    def scontrol(self, *words: str) -> None:
        done = self.rig.run("scontrol", *words)
        assert done.returncode == 0, done.stderr

    def start_now(self, job: Job) -> None:
        """Let a job that was put back into the queue start soon, not after two minutes."""
        self.rig.start_again(str(job.native_id))

    # -- telling

    def why(self, job: Job) -> Explanation:
        """Ask as another process would, on another day; each witness must have something to say."""
        with self.elsewhere():
            try:
                told = api.why(api.job(job.id))
            finally:
                api.close()
        memory = "accounting" if self.rig.layout.accounting else "the batch system's memory"
        assert ["queue", memory, "its records"] == [witness for witness, _ in told.evidence]
        assert all(said for _, said in told.evidence)
        return told

    def why_in_the_terminal(self, job: Job) -> str:
        with self.elsewhere():
            words = [sys.executable, "-m", "jobferry", "why", job.id]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Be a process that finds this list of jobs, and this rig, in its environment."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.rig.environment.items():
                patch.setenv(name, value)
            patch.setenv("JOBFERRY_STORE", str(self.folder / "jobs.db"))
            patch.setenv("JOBFERRY_CONFIG", str(self.folder / "none.toml"))
            yield

    def clear(self) -> None:
        """End what runs, and wait until the nodes are as they were."""
        self.client.close()
        self.rig.run("scancel", "-u", self.rig.layout.user)
        self.rig.recover()
