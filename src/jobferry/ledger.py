"""What becomes of submissions, written down step by step: the store knows before anything else happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from jobferry.clock import Clock
from jobferry.errors import JobferryError
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.ownership import owner
from jobferry.store import Store


class Ledger:
    """Writes the steps of submissions into the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def staging(self, record: JobRecord) -> JobRecord:
        """Its inputs are on their way."""
        return self._change(
            [record], lambda old: replace(old, status=replace(old.status, state=JobState.STAGING))
        )[0]

    def sent(self, records: Sequence[JobRecord], root: str, scheduler: str) -> list[JobRecord]:
        """They are about to be sent, to that root and batch system."""

        def change(record: JobRecord) -> JobRecord:
            machine = replace(record.machine, scheduler=scheduler)
            status = replace(record.status, state=JobState.SUBMITTING)
            return replace(record, root=root, machine=machine, status=status, owner=owner())

        return self._change(records, change)

    def accepted(self, records: Sequence[JobRecord], native_ids: Mapping[str, str]) -> list[JobRecord]:
        """The batch system has them, under these ids."""
        now = self._clock.now()
        status = JobStatus(state=JobState.QUEUED, observed_at=now)

        def change(old: JobRecord) -> JobRecord:
            if old.native_id is not None:
                return old
            # it is there, whatever another process made of it here meanwhile
            native_id = native_ids[old.id]
            return replace(old, status=status, native_id=native_id, submitted_at=now, doubted_since=None)

        return self._store.update_all([record.id for record in records], change)

    def doubted(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """There was no clear answer."""
        now = self._clock.now()
        return self._change(records, lambda old: replace(old, doubted_since=old.doubted_since or now))

    def again(self, record: JobRecord) -> JobRecord:
        """The last attempt was certainly not taken: the next one may be made."""
        attempt = record.attempt + 1
        return self._change([record], lambda old: replace(old, attempt=attempt, doubted_since=None))[0]

    def refused(self, records: Sequence[JobRecord], error: JobferryError) -> list[JobRecord]:
        """They were certainly not taken, and never will be."""
        return [self.ended(record, JobState.FAILED, error.message, Failure.REJECTED) for record in records]

    def ended(
        self, record: JobRecord, state: JobState, reason: str, failure: Failure | None = None
    ) -> JobRecord:
        """It is over before the batch system had it."""
        now = self._clock.now()
        status = JobStatus(state=state, reason=reason, failure=failure, ended_at=now, observed_at=now)
        return self._change([record], lambda old: replace(old, status=status, doubted_since=None))[0]

    def _change(
        self, records: Sequence[JobRecord], change: Callable[[JobRecord], JobRecord]
    ) -> list[JobRecord]:
        """Change jobs, save those that another process has brought further meanwhile."""
        ids = [record.id for record in records]
        return self._store.update_all(ids, lambda old: old if old.state.submitted else change(old))
