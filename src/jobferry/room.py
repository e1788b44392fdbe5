"""How many jobs a machine takes at a time: what the user set, and what its refusals have taught."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from jobferry.clock import Clock
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.parts import live_count
from jobferry.store import Store

# limits are changed, and other people's jobs come and go: what was learnt is doubted after this time
_BELIEVED = timedelta(minutes=10)


class Room:
    """The places that are left on one machine."""

    def __init__(self, machine: Machine, store: Store, clock: Clock) -> None:
        self._machine = machine
        self._store = store
        self._clock = clock
        self._given: int | None = None

    def heed(self, records: Iterable[JobRecord]) -> None:
        """Keep to the limit that jobs were submitted with, where the configuration of today names none."""
        given = [record.machine.max_jobs for record in records if record.machine.max_jobs is not None]
        self._given = min(given, default=None)

    def live(self) -> int:
        """Count the jobs and tasks of ours that the machine has and that have not ended."""
        found = self._store.find(machine=self._machine.name, unfinished=True)
        return sum(live_count(record) for record in found)

    def left(self) -> int | None:
        """Count the places that are left; None where nothing is known of a limit."""
        limits = [limit for limit in (self._own(), self._learnt()) if limit is not None]
        return max(0, min(limits) - self.live()) if limits else None

    def note_full(self) -> None:
        """Remember that the machine takes no more than it has now."""
        self._store.machines.note_room(self._machine.name, self.live(), self._clock.now())

    def _own(self) -> int | None:
        return self._given if self._machine.max_jobs is None else self._machine.max_jobs

    def _learnt(self) -> int | None:
        known = self._store.machines.room(self._machine.name)
        if known is None or self._clock.now() - known[1] > _BELIEVED:
            return None
        return known[0]
