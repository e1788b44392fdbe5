"""The verbs: where what is decided meets what is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jobferry.clock import Clock, SystemClock
from jobferry.config import Config, load_config
from jobferry.control import Controller, check_ended
from jobferry.delivery import Delivery
from jobferry.drafts import DependencyFailed, awaited_ids, draft
from jobferry.errors import JobNotFound, TransportError
from jobferry.looking import Lookout, unfinished_of
from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import Resources
from jobferry.opened import OpenMachine
from jobferry.options import Work
from jobferry.parts import unsuccessful
from jobferry.polling import Poller
from jobferry.resuming import retry
from jobferry.store import Store, Swept, default_store_path
from jobferry.submission import Outcome
from jobferry.watch import Notice, OnChange, Waiter


class Client:
    """All that Jobferry does, for one configuration and one store; nothing is opened before it is needed."""

    def __init__(
        self, *, config: Config | None = None, store: Store | None = None, clock: Clock | None = None
    ) -> None:
        self._config = config
        self.store = store or Store(default_store_path())
        self.clock = clock or SystemClock()
        self._open: dict[Machine, OpenMachine] = {}
        self._lookout = Lookout(self.store, self.clock, self.machine_of, self._delivery)

    @property
    def config(self) -> Config:
        """The configuration, read once."""
        if self._config is None:
            self._config = load_config(Path.cwd(), os.environ)
        return self._config

    def open(self, machine: Machine) -> OpenMachine:
        """Return a machine with its connection; the same each time, for a handle or its plain description."""
        key = machine.plain()
        if key in self._open:
            return self._open[key]
        # a job knows which batch system was found where none was named
        unnamed = self._open.get(replace(key, scheduler=None))
        if unnamed is not None and unnamed.scheduler.name == key.scheduler:
            return unnamed
        # of threads that come at once all get the first one's; nothing of the others' has been opened
        return self._open.setdefault(key, OpenMachine(key, self.store, self.clock))

    def machine_of(self, record: JobRecord) -> OpenMachine:
        """Return the machine a job is on, as it is configured today where it still is."""
        then, today = record.machine, self.config.machines.get(record.machine.name)
        if today is None or today.host != then.host:
            return self.open(then)
        if today.root == then.root and today.scheduler in (None, then.scheduler):
            return self.open(today)
        # the way there may have changed; where the job is has not
        return self.open(replace(today, root=then.root, scheduler=then.scheduler))

    def close(self) -> None:
        """End what is held open; jobs go on."""
        for machine in list(self._open.values()):
            machine.connection.close()
        self._open.clear()
        self.store.close()

    # -- submitting

    def draft(self, machine: Machine, work: Work, options: Mapping[str, Any]) -> JobRecord:
        """Make a job's record without storing or sending anything.

        Raises:
            SpecError: the job cannot be run.
        """
        record = draft(machine, work, options, self.clock.now())
        # what `@last` or a prefix stands for is settled now, not when the job is sent
        named = [
            replace(entry, job_id=self.store.resolve(entry.job_id).id) for entry in record.spec.dependencies
        ]
        return replace(record, spec=replace(record.spec, dependencies=tuple(named)))

    def submit(
        self, machine: Machine, drafts: Sequence[JobRecord], *, swept: Swept | None = None, **how: Any
    ) -> list[JobRecord]:
        """Submit jobs in one request.

        Args:
            swept: tasks of a sweep that the first of them runs; ``progress`` is told of bytes on their way.

        Raises:
            SpecError: before anything is stored, when a job cannot be run there.
            JobferryError: the first thing that went wrong; its ``job_id`` tells which job.
        """
        opened = self.open(machine)
        ids = mint_ids(self.clock.now(), len(drafts))
        drafts = [replace(record, id=job_id) for record, job_id in zip(drafts, ids, strict=True)]
        delivery = self._delivery(opened)
        records = delivery.prepare(drafts)
        self.store.add(records, swept)
        outcomes = delivery.send(records, **how)
        self.store.calls.drop(o.record.spec.function for o in outcomes if o.record.placed)
        # another process may have cancelled one while it was on its way
        late = [o.record for o in outcomes if o.record.cancelled_at and not o.record.state.final]
        Controller(opened, self.store, self.clock).cancel(late)
        return _records_of(outcomes)

    def _delivery(self, opened: OpenMachine) -> Delivery:
        return Delivery(opened, self.store, self.clock, partial(_dependencies, self.store, self._lookout))

    # -- looking

    def refresh(self, records: Iterable[JobRecord], *, force: bool = False) -> list[JobRecord]:
        """Look at jobs, one request a machine; the batch system is asked when its time has come, or forced.

        Raises:
            TransportError: a machine was not reached; what was known stays.
        """
        return self._lookout.refresh(records, force=force)

    def is_reachable(self, records: Iterable[JobRecord]) -> bool:
        """Whether a connection to the machine of each job is open already; none is made."""
        machines = self._lookout.by_machine(unfinished_of(records))
        return all(opened.connection.is_open() for opened in machines)

    def wait(
        self,
        records: Sequence[JobRecord],
        timeout: timedelta | None = None,
        *,
        on_change: OnChange | None = None,
        notice: Notice | None = None,
    ) -> list[JobRecord]:
        """Wait until jobs have ended.

        Raises:
            WaitTimeout: the time is over; the jobs go on.
            TransportError: a machine was not reached in the first place.
        """
        return self.waiter(notice).wait(records, timeout, on_change)

    def follow(
        self, records: Sequence[JobRecord], timeout: timedelta | None = None
    ) -> Iterator[list[JobRecord]]:
        """Yield jobs as they stand after each look, until all have ended; see `wait`."""
        return self.waiter().follow(records, timeout)

    def waiter(self, notice: Notice | None = None, **how: int) -> Waiter:
        """Make what waits for jobs of this client; see `Waiter`."""
        return Waiter(self._lookout.refresh, self.watch, self.is_reachable, self.clock, notice, **how)

    def watch(self, records: Sequence[JobRecord], seconds: int) -> list[JobRecord]:
        """Wait over there for news of the records; several machines are watched in short turns."""
        current = {record.id: record for record in records}
        groups = self._lookout.by_machine(unfinished_of(records))
        turn = seconds if len(groups) < 2 else 1
        for opened, mine in groups.items():
            seen = Poller(opened, self.store, self.clock).watch(mine, turn)
            current.update({record.id: record for record in seen})
        return list(current.values())

    # -- acting

    def cancel(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Cancel jobs, one request a machine; those that have ended stay as they are.

        Raises:
            SchedulerError: the batch system refused.
        """
        on_their_way = [record for record in records if record.unsent and not _is_kept_back(record)]
        settled = {record.id: record for record in self.refresh(on_their_way)}
        return self._control([settled.get(record.id, record) for record in records], Controller.cancel)

    def retry(self, records: Sequence[JobRecord], asked: Resources | None = None) -> list[JobRecord]:
        """Start anew what has ended without success, of arrays only such tasks; the rest stays as it is.

        Args:
            asked: resources to ask for in place of those it had.

        Raises:
            SpecError: it cannot be run there with these.
        """
        current = {record.id: record for record in self.refresh(records)}
        for opened, mine in self._lookout.by_machine(current.values()).items():
            ended = [record for record in mine if unsuccessful(record)]
            Controller(opened, self.store, self.clock).uncancel(ended)
            current.update({r.id: r for r in retry(self._delivery(opened), ended, asked or Resources())})
        return list(current.values())

    def hold(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Keep waiting jobs from starting."""
        return self._control(records, Controller.hold)

    def release(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Let held jobs start."""
        return self._control(records, Controller.release)

    def remove(self, records: Sequence[JobRecord], *, remote: bool) -> None:
        """Forget jobs that have ended; with `remote`, delete their folders over there first.

        Raises:
            SpecError: a job has not ended.
        """
        for record in records:
            check_ended(record)
        if remote:
            for opened, mine in self._lookout.by_machine(records).items():
                Controller(opened, self.store, self.clock).remove_folders(mine)
        self.store.remove([record.id for record in records])
        self.store.calls.remove_all(record.spec.function for record in records)

    def _control(self, records: Sequence[JobRecord], verb: Any) -> list[JobRecord]:
        current = {record.id: record for record in records}
        for opened, mine in self._lookout.by_machine(unfinished_of(records)).items():
            done = verb(Controller(opened, self.store, self.clock), mine)
            current.update({record.id: record for record in done})
        with suppress(TransportError):
            return self.refresh(current.values(), force=True)
        return list(current.values())


def _dependencies(store: Store, lookout: Lookout, record: JobRecord) -> Mapping[str, Sequence[str]]:
    if not record.spec.dependencies or any(entry.status.started_at for entry in record.attempts):
        # what it waited for was met when it first began
        return {}
    try:
        named = [store.resolve(entry.job_id) for entry in record.spec.dependencies]
    except JobNotFound as error:
        raise DependencyFailed(f"a job it depends on is not known any more: {error}") from error
    looked_at = {other.id: other for other in lookout.look_at(named)}
    return awaited_ids(record, [looked_at[other.id] for other in named])


def _records_of(outcomes: Iterable[Outcome]) -> list[JobRecord]:
    """Return the jobs, or raise what went wrong first."""
    records = []
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        records.append(outcome.record)
    return records


def _is_kept_back(record: JobRecord) -> bool:
    return all(entry.waits is not None for entry in record.unsent)


_default: tuple[int, Client] | None = None


def default_client() -> Client:
    """Return this process's client; a forked child gets one of its own."""
    global _default
    if _default is None or _default[0] != os.getpid():
        _default = (os.getpid(), Client())
    return _default[1]
