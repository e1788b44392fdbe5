"""The model's world: clients with links of their own, one store, one batch system, one clock."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import ConnectError, JobferryError
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.store import Store
from jobferry.testing import FakeClock, FakeTransport
from tests.faults.chances import Kill, Trouble
from tests.faults.clients import Killed, MortalStore, OrderlyTransport, PatientClock, dead_process
from tests.faults.model import Files, Truth, with_owner
from tests.faults.quick import QuickCluster


class World(RuleBasedStateMachine):
    """Everything there is, before anything happens."""

    def make_world(self, accounting: str, clients: int) -> None:
        """Make it, with so many clients that look at the same store."""
        self.folder = Path(tempfile.mkdtemp(prefix="jobferry-model-", dir=_fast_place()))
        self.clock = PatientClock()
        self.cluster = QuickCluster(self.folder / "cluster", self.clock, accounting).__enter__()
        self.files = Files(self.folder / "cluster" / "root")
        self.truth = Truth(self.cluster)
        self.store = Store(self.folder / "jobs.db")
        self.places: list[tuple[Client, FakeTransport, OrderlyTransport, Machine]] = []
        for _ in range(clients):
            self.places.append(self._new_place(Store(self.folder / "jobs.db")))
        self.places[0][0].open(self.places[0][3]).probe()

    def unmake_world(self) -> None:
        """End all processes and delete all files."""
        for client, *_ in self.places:
            client.close()
        self.store.close()
        self.cluster.close()
        shutil.rmtree(self.folder)

    def _new_place(self, store: Store) -> tuple[Client, FakeTransport, OrderlyTransport, Machine]:
        client = Client(store=store, clock=self.clock, config=Config())
        over = OrderlyTransport(lambda: self.cluster.hung)
        link = self.cluster.link(over)
        return client, link, over, self.cluster.machine(client, transport=link)

    @contextmanager
    def _acting(self, pick: int, trouble: Trouble, kill: Kill = None) -> Iterator[tuple[Client, Machine]]:
        """Let a client do something, in spite of a trouble with its link; it may be killed while it does."""
        self.cluster.failed.clear()
        place = self.places[pick % len(self.places)] if pick >= 0 else self.places[-1]
        if kill is not None:
            calls, after = kill
            place = self._new_place(MortalStore.of(Store(self.folder / "jobs.db"), calls, after=after))
        client, link, over, machine = place
        if trouble is not None:
            _upset(link, self.clock, trouble)
        with suppress(JobferryError, Killed):
            yield client, machine
        if trouble is not None or kill is not None or self.cluster.hung:
            # what still goes on over there comes to its end, save what hangs
            link.cut()
            over.settle()
        if kill is not None:
            client.close()
            for record in self.store.find():
                self.store.update(record.id, lambda old: with_owner(old, dead_process()))

    @property
    def _records(self) -> list[JobRecord]:
        return self.store.find()

    def _some(self, pick: int) -> list[JobRecord]:
        """Pick a job, or all of them; none when there are none."""
        records = self._records
        return records if pick == 0 or not records else [records[pick % len(records)]]

    def _numbers(self, phase: str) -> list[int]:
        return [number for number, job in enumerate(self.cluster.truth) if job["phase"] == phase]


def _upset(link: FakeTransport, clock: FakeClock, trouble: tuple[str, int]) -> None:
    kind, size = trouble
    if kind == "fail":
        link.cut()
        link.fail_next(size, ConnectError("no route to host"))
    elif kind == "cut":
        link.cut()
        link.cut_after(size)
    else:
        link.down(clock.now(), clock.now() + timedelta(seconds=size))


def _fast_place() -> str | None:
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None
