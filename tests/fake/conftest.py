"""A client, a store, a clock and a fake cluster."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobferry import polling
from jobferry.client import Client
from jobferry.config import Config
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.options import Work
from jobferry.store import Store
from jobferry.testing import FakeClock, FakeCluster, FakeTransport
from jobferry.transports.local import LocalTransport


class Site:
    """Everything a test needs; `runs` counts what really ran."""

    def __init__(self, folder: Path, cluster: FakeCluster, **fields: Any) -> None:
        self.folder = folder
        self.cluster = cluster
        self.clock = FakeClock()
        self.link = FakeTransport(over=LocalTransport(), environment=cluster.environment, clock=self.clock)
        self.counter = folder / "runs"
        self.clients: list[Client] = []
        self.client = self.new_client()
        self.machine: Machine = cluster.machine(self.client, transport=self.link, **fields)
        self.client.open(self.machine).probe()

    def new_client(self) -> Client:
        """Make another client of the same store and clock: another process, as it were."""
        client = Client(store=Store(self.folder / "jobs.db"), clock=self.clock, config=Config())
        self.clients.append(client)
        return client

    def other_client(self) -> Client:
        """Make another client that reaches the cluster by a link of its own."""
        client = self.new_client()
        self.cluster.machine(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def counted(self, script: str = "") -> str:
        """Write a script that counts its runs, and then does what is asked."""
        return f"echo ran >>'{self.counter}'\n{script}"

    def submit(self, script: str = "", **options: Any) -> Job:
        """Submit a job that counts its runs."""
        return self.machine.submit(self.counted(script), **options)

    def draft(self, work: Work, **changes: Any) -> JobRecord:
        """Store a job as a client leaves it that is killed before it has sent anything."""
        drafted = owned_by(self.client.draft(self.machine, work, {}), dead_process())
        record = replace(drafted, **changes)
        self.client.store.add([record])
        return record

    @property
    def runs(self) -> int:
        return len(self.counter.read_text().splitlines()) if self.counter.exists() else 0

    @property
    def only_job(self) -> JobRecord:
        """The store's one job, as last seen."""
        (record,) = self.client.store.find()
        return record

    def look(self, after: float = 0.0) -> JobRecord:
        """Let time pass, look at the one job, and ask the queue whatever was asked before."""
        self.clock.advance(after)
        return self.client.refresh([self.only_job], force=True)[0]

    def look_at_all(self, after: float = 0.0) -> list[JobRecord]:
        """Let time pass, and look at all jobs as far as one may."""
        self.clock.advance(after)
        return self.client.refresh(self.client.store.find(unfinished=True))

    def wait(self) -> JobRecord:
        """Wait for the end of the one job."""
        return self.client.wait([self.only_job])[0]


class Sites:
    """Makes sites, and closes them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def __call__(self, *, max_jobs: int | None = None, **settings: Any) -> Site:
        """Make a site; `max_jobs` is the machine's own, the rest is as for `FakeCluster`."""
        cluster = FakeCluster(self._folder / "cluster", **settings)
        site = Site(self._folder, self._stack.enter_context(cluster), max_jobs=max_jobs)
        self._stack.callback(site.close)
        return site


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait over there takes real time, which the clock of these tests does not see."""
    monkeypatch.setattr(polling, "WATCH_SECONDS", 2)


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(tmp_path, stack)


@pytest.fixture
def site(make_site: Sites) -> Site:
    """A cluster that starts jobs at once."""
    return make_site()


@pytest.fixture
def idle(make_site: Sites) -> Site:
    """A cluster that starts jobs when it is told to."""
    return make_site(autostart=False)


def owned_by(record: JobRecord, owner: str) -> JobRecord:
    """Return a job whose submission another process is at work on."""
    return record.with_submissions(*(replace(entry, owner=owner) for entry in record.submissions))


def dead_process() -> str:
    """Name a process of this machine that is no more, as the owner of a submission."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert child.pid != os.getpid()
    return f"{platform.node()}:{child.pid}"
