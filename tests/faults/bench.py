"""A cluster, a store and many clients of it, one after the other; and what became of the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError, JobNotFound, SchedulerBusy, TransportError
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState
from jobferry.store import Store
from jobferry.testing import FakeClock, FakeCluster
from jobferry.verdict import SETTLE
from tests.fake.conftest import dead_process, owned_by
from tests.faults.breaks import Break, Traffic
from tests.faults.link import BreakingLink

AFTER_SETTLING = SETTLE.total_seconds() + 1
# native ids of one width, so that an answer is of one length
FIRST_ID = 100_000
_LOOKS = 10


@dataclass
class Figures:
    """What a room found; all but the points must be zero."""

    points: int = 0
    jobs: int = 0
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[str]]:
        """What should not have been; empty when all is well."""
        named = {
            "duplicates": self.duplicates,
            "lost": self.lost,
            "wrong": self.wrong,
            "spoilt": self.spoilt,
        }
        return {name: found for name, found in named.items() if found}

    @property
    def counts(self) -> dict[str, int]:
        """The figures as numbers."""
        return {
            "points": self.points,
            "jobs": self.jobs,
            "duplicates": len(self.duplicates),
            "lost": len(self.lost),
            "wrong": len(self.wrong),
            "spoilt": len(self.spoilt),
        }


@dataclass(slots=True)
class Try:
    """One thing a user asked for while something broke.

    Attributes:
        key: names the jobs of it, and the file in which they count their runs.
        where: what was broken.
        error: what the user was told; None when all went well.
    """

    key: str
    where: str
    error: JobferryError | None = None

    @property
    def was_refused(self) -> bool:
        """Whether the user heard that nothing was taken, and not merely that it is not known."""
        return self.error is not None and not isinstance(self.error, SchedulerBusy)


class Bench:
    """Everything a room needs.

    Attributes:
        cluster: a batch system that starts jobs at once.
        figures: what has been found so far.
    """

    def __init__(self, folder: Path, cluster: FakeCluster, figures: Figures, **machine: Any) -> None:
        self.folder = folder
        self.cluster = cluster
        self.figures = figures
        self.clock = FakeClock()
        self.tally = folder / "tally"
        self.tally.mkdir(exist_ok=True)
        self.tries: dict[str, Try] = {}
        self._fields = machine
        self._clients: list[Client] = []
        self._links: list[BreakingLink] = []
        self._final: dict[str, JobState] = {}
        cluster.reuse_id(str(FIRST_ID))
        client, made = self.connect()
        client.open(made).probe()
        self.hang_up()

    # -- clients

    def connect(self, breaks: Break | None = None) -> tuple[Client, Machine]:
        """Make a client of the one store, as another process would, and a link of its own for it."""
        client = Client(store=Store(self.folder / "jobs.db"), clock=self.clock, config=Config())
        link = BreakingLink(self.cluster.environment, breaks)
        self._clients.append(client)
        self._links.append(link)
        return client, self.cluster.machine(client, transport=link, **self._fields)

    @property
    def link(self) -> BreakingLink:
        """The link of the client made last."""
        return self._links[-1]

    def hang_up(self) -> None:
        """End all clients; what they began over there comes to its end."""
        for client in self._clients:
            client.close()
        for link in self._links:
            link.settle()
        self._clients.clear()
        self._links.clear()

    @property
    def seconds(self) -> float:
        """How far the clock has gone."""
        return (self.clock.now() - FakeClock().now()).total_seconds()

    def on_the_second(self) -> None:
        """Let the clock reach a whole second, so that a record is always of one length."""
        spare = self.clock.now().microsecond
        if spare:
            self.clock.advance(timedelta(microseconds=1_000_000 - spare))

    # -- jobs

    def counted(self, key: str, script: str = "") -> str:
        """Write a job that counts its runs, and then does what is asked."""
        return f'echo "$SLURM_JOB_ID" >>{self.tally}/{key}.${{JOBFERRY_ARRAY_INDEX:-job}}\n{script}'

    def runs(self, name: str, task: str = "job") -> int:
        """Count the runs of a job, or of a task."""
        with suppress(FileNotFoundError):
            return len((self.tally / f"{name}.{task}").read_text().split())
        return 0

    def attempt(self, key: str, where: object, act: Callable[[], object]) -> Try:
        """Do what a user does, and keep what he is told."""
        tried = self.tries[key] = Try(key, str(where))
        self.figures.points += 1
        try:
            act()
        except JobferryError as error:
            tried.error = error
        self.note_final()
        return tried

    def disown(self) -> None:
        """Let the process that submitted be one that is no more."""
        self.hang_up()
        dead = dead_process()
        store = Store(self.folder / "jobs.db")
        for record in store.find():
            store.update(record.id, lambda old: owned_by(old, dead))
        store.close()

    def find(self) -> list[JobRecord]:
        """Read all jobs of the store."""
        store = Store(self.folder / "jobs.db")
        try:
            return store.find()
        finally:
            store.close()

    def note_final(self) -> None:
        """Remember what is called final, and whether that has changed."""
        for record in self.find():
            before = self._final.get(record.id)
            if before is not None and record.state is not before:
                self.figures.wrong.append(f"{self._about(record)}: {before} became {record.state}")
            if record.state.final:
                self._final[record.id] = record.state

    def carry_on(self, after: float = AFTER_SETTLING, act: Callable[[Client], object] | None = None) -> None:
        """Let a new client over a sound link bring everything to its end."""
        self.hang_up()
        self.clock.advance(after)
        client, _ = self.connect()
        if act is not None:
            act(client)
        for _ in range(_LOOKS):
            with suppress(TransportError):
                if all(record.state.final for record in client.refresh(client.store.find(), force=True)):
                    break
            # jobs take their time, whatever the clock says; what is settled by waiting is not waited for
            self.cluster.wait_for(
                lambda cluster: "RUNNING" not in {job.state for job in cluster.jobs}, limit=60
            )
            self.clock.advance(AFTER_SETTLING)
        self.note_final()
        self.hang_up()

    def wait_until_idle(self) -> None:
        """Wait, in real time, until nothing runs."""
        self.cluster.wait_for(lambda cluster: "RUNNING" not in {job.state for job in cluster.jobs}, limit=60)

    # -- judging

    def judge(self, expected: JobState = JobState.COMPLETED) -> None:
        """Count what became of each job that was to run to a good end."""
        for record in self.find():
            self.figures.jobs += 1
            tasks = record.spec.array.indices if record.spec.array is not None else ("job",)
            for task in tasks:
                self._judge(record, str(task), expected)

    def _judge(self, record: JobRecord, task: str, expected: JobState) -> None:
        runs, about = self.runs(record.spec.name, task), f"{self._about(record)}: task {task}"
        status = record.tasks[int(task)] if task != "job" and record.tasks else record.status
        words = f"{status.state} ({status.reason}), {runs} runs"
        tried = self.tries.get(record.spec.name.partition("-")[0])
        if runs > 1:
            self.figures.duplicates.append(f"{about}: {words}")
        if status.state is JobState.FAILED and status.failure is Failure.REJECTED:
            if runs:
                self.figures.wrong.append(f"{about}: {words}")
            elif tried is None or not tried.was_refused:
                self.figures.lost.append(f"{about}: {words}; told: {tried and tried.error}")
        elif not status.state.final or (not runs and status.state is not JobState.COMPLETED):
            self.figures.lost.append(f"{about}: {words}")
        elif status.state is not expected or not runs:
            self.figures.wrong.append(f"{about}: {words}")

    def _about(self, record: JobRecord) -> str:
        tried = self.tries.get(record.spec.name.partition("-")[0])
        return f"{record.spec.name} [{tried.where if tried else '-'}]"


def measure(bench: Bench, act: Callable[[Client, Machine], object]) -> list[Traffic]:
    """Do something over a sound link, and return what went through each process."""
    bench.on_the_second()
    client, machine = bench.connect()
    act(client, machine)
    traffic = bench.link.traffic
    bench.hang_up()
    return traffic


def forgotten(client: Client, ids: Iterable[str]) -> list[str]:
    """List the jobs that a store does not know."""
    unknown = []
    for job_id in ids:
        try:
            client.store.get(job_id)
        except JobNotFound:
            unknown.append(job_id)
    return unknown
