"""Looking at jobs: who may ask what of a machine, and what is gone on with on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from jobferry.clock import Clock
from jobferry.control import Controller
from jobferry.delivery import Delivery
from jobferry.errors import JobNotFound, TransportError
from jobferry.model.record import JobRecord
from jobferry.opened import OpenMachine
from jobferry.ownership import is_abandoned
from jobferry.polling import Poller
from jobferry.resuming import find_out, send_left
from jobferry.store import Store
from jobferry.submission import Outcome


class Lookout:
    """Looks at jobs, one request a machine.

    Args:
        machine_of: finds the machine a job is on.
        delivery: makes what hands jobs over to a machine.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        machine_of: Callable[[JobRecord], OpenMachine],
        delivery: Callable[[OpenMachine], Delivery],
    ) -> None:
        self._store = store
        self._clock = clock
        self._machine_of = machine_of
        self._delivery = delivery

    def refresh(
        self, records: Iterable[JobRecord], *, force: bool = False, seen: bool = False
    ) -> list[JobRecord]:
        """Look at jobs; the batch system is asked when its time has come, or forced.

        When it is asked, it is asked about all unfinished jobs there, whoever submitted them: one process
        asks for all. What waits here or was left half submitted is gone on with. Records that have just been
        `seen` are read again only when the batch system is asked.

        Raises:
            TransportError: a machine was not reached; what was known stays.
            JobNotFound: a job was removed meanwhile.
        """
        current = self._as_stored(records)
        for opened, mine in self.by_machine(unfinished_of(current.values())).items():
            try:
                looked_at = self._look(opened, mine, force=force, seen=seen)
            except TransportError as error:
                self._note_trouble(opened, error)
                raise
            current.update({record.id: record for record in looked_at if record.id in current})
        return list(current.values())

    def look_at(self, records: Iterable[JobRecord]) -> list[JobRecord]:
        """Look at the records of jobs; nothing is sent and no batch system is asked."""
        current = self._as_stored(records)
        for opened, mine in self.by_machine(unfinished_of(current.values())).items():
            seen = Poller(opened, self._store, self._clock).poll(mine, ask_queue=False)
            current.update({record.id: record for record in seen})
        return list(current.values())

    def _as_stored(self, records: Iterable[JobRecord]) -> dict[str, JobRecord]:
        """Read jobs anew: a handle may have been made long ago.

        Raises:
            JobNotFound: one that had not ended was removed meanwhile.
        """
        given = {record.id: record for record in records}
        going_on = [record.id for record in unfinished_of(given.values())]
        there = {record.id: record for record in self._store.find_all(going_on)}
        if gone := [job_id for job_id in going_on if job_id not in there]:
            raise JobNotFound(f"{gone[0]} was removed meanwhile, by another process", job_id=gone[0])
        return {**given, **there}

    def by_machine(self, records: Iterable[JobRecord]) -> dict[OpenMachine, list[JobRecord]]:
        """Group jobs by the machine they are on."""
        groups: dict[OpenMachine, list[JobRecord]] = {}
        for record in records:
            groups.setdefault(self._machine_of(record), []).append(record)
        return groups

    def _look(
        self, opened: OpenMachine, mine: Sequence[JobRecord], *, force: bool, seen: bool
    ) -> Iterable[JobRecord]:
        poller = Poller(opened, self._store, self._clock)
        may_ask = poller.claim() or force
        current = {record.id: record for record in (self._all_of(opened) if may_ask else ())}
        current.update({record.id: record for record in mine})
        now = self._clock.now()
        left = [record for record in unfinished_of(current.values()) if _is_left(record, now)]
        delivery = self._delivery(opened)
        current.update(self._cancelled(opened, find_out(delivery, left, look_up=may_ask) if left else ()))
        if may_ask or not seen:
            current.update({r.id: r for r in poller.poll(list(current.values()), ask_queue=may_ask)})
        # last: what has just ended makes room, and what has just failed may be tried again
        left = [record for record in unfinished_of(current.values()) if _is_left(record, now)]
        current.update(self._cancelled(opened, send_left(delivery, left, may_try=may_ask) if left else ()))
        return current.values()

    def _all_of(self, opened: OpenMachine) -> list[JobRecord]:
        found = self._store.find(machine=opened.machine.name, unfinished=True)
        return [record for record in found if self._machine_of(record) is opened]

    def _cancelled(self, opened: OpenMachine, outcomes: Iterable[Outcome]) -> dict[str, JobRecord]:
        """Take what came of submissions; those that were cancelled on their way are cancelled over there."""
        done = [outcome.record for outcome in outcomes]
        late = [record for record in done if record.cancelled_at and not record.state.final]
        cancelled = Controller(opened, self._store, self._clock).cancel(late)
        return {record.id: record for record in [*done, *cancelled]}

    def _note_trouble(self, opened: OpenMachine, error: TransportError) -> None:
        self._store.machines.note_unreachable(
            opened.machine.name, error.message, self._clock.now(), needs_person=not error.transient
        )


def unfinished_of(records: Iterable[JobRecord]) -> list[JobRecord]:
    """Pick the jobs that have not ended."""
    return [record for record in records if not record.state.final]


def _is_left(record: JobRecord, now: datetime) -> bool:
    """Whether something of it is to be handed over that nobody is at work on."""
    return any(is_abandoned(entry, now) for entry in record.unsent)
