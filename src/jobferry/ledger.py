"""What becomes of submissions, written down step by step: the store knows before anything else happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from jobferry.clock import Clock
from jobferry.errors import JobferryError
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Submission
from jobferry.ownership import may_send, owner
from jobferry.parts import cut, end_parts, restate
from jobferry.store import Store

Part = tuple[str, int]
"""One submission: the job's id and the submission's number."""

Change = Callable[[Submission], Submission]


class Ledger:
    """Writes the steps of submissions into the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def staging(self, part: Part) -> JobRecord:
        """Its inputs are on their way."""
        return self._change([part], lambda old, mine: _in_phase(old, JobState.STAGING))[0]

    def sent(
        self, parts: Iterable[Part], root: str, scheduler: str
    ) -> tuple[list[JobRecord], frozenset[Part]]:
        """They are about to be sent, to that root and batch system; also returns which are ours to send.

        Those that another process has taken on are left to it.
        """
        now = self._clock.now()
        claimed: set[Part] = set()

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            taken = [entry for entry in mine if may_send(entry, now)]
            if not taken:
                return old
            claimed.update((old.id, entry.number) for entry in taken)
            sent = (replace(entry, sent=True, waits=None, owner=owner(), claimed_at=now) for entry in taken)
            machine = replace(old.machine, scheduler=scheduler)
            record = replace(old.with_submissions(*sent), root=root, machine=machine)
            return self._restate(_in_phase(record, JobState.SUBMITTING))

        return self._change(parts, change), frozenset(claimed)

    def accepted(self, native_ids: Mapping[Part, str]) -> list[JobRecord]:
        """The batch system has them, under these ids."""
        now = self._clock.now()

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            taken = [
                replace(
                    entry,
                    native_id=native_ids[old.id, entry.number],
                    submitted_at=now,
                    doubted_since=None,
                    waits=None,
                    sent=True,
                )
                for entry in mine
            ]
            record = old.with_submissions(*taken)
            # what was given up here has been taken over there all the same
            back = {task for entry in mine for task in old.tasks_of(entry)}
            kept = {task: status for task, status in old.tasks.items() if task not in back}
            record = replace(record, tasks=kept, placed=True)
            if old.spec.array is None or len(old.submissions) == 1:
                status = JobStatus(state=JobState.QUEUED, observed_at=now)
                record = replace(record, status=status)
            return restate(record, now) if len(record.submissions) > 1 else record

        # they are there, whatever another process made of them here meanwhile
        return self._change(native_ids, change, also_ended=True)

    def doubted(self, parts: Iterable[Part]) -> list[JobRecord]:
        """There was no clear answer."""
        now = self._clock.now()
        return self._change(
            parts, _each(lambda entry: replace(entry, doubted_since=entry.doubted_since or now))
        )

    def again(self, part: Part, attempt: int) -> JobRecord:
        """The attempt before this one was certainly not taken: this one may be made."""
        change = _each(
            lambda entry: replace(entry, attempt=attempt, doubted_since=None, owner="", claimed_at=None)
        )
        return self._change([part], change)[0]

    def unsent(self, parts: Iterable[Part], waits: str | None) -> list[JobRecord]:
        """They have certainly not left: they wait on for the same reason, or are as they were made."""

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            kept = (replace(entry, sent=False, waits=waits, doubted_since=None) for entry in mine)
            return self._restate(_in_phase(old.with_submissions(*kept), JobState.CREATED))

        return self._change(parts, change)

    def read(self, job_id: str) -> JobRecord:
        """Read a job as it stands."""
        return self._store.get(job_id)

    def waiting(self, parts: Iterable[Part], reason: str) -> list[JobRecord]:
        """They were certainly not taken, and are kept here until there is room."""

        def keep(entry: Submission) -> Submission:
            attempt = entry.attempt + 1 if entry.sent else entry.attempt
            return replace(entry, attempt=attempt, waits=reason, doubted_since=None)

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            # its answer came from its folder
            placed = old.placed or any(entry.sent for entry in mine)
            record = replace(old.with_submissions(*map(keep, mine)), placed=placed)
            kept = replace(old.status, state=JobState.CREATED, reason=reason)
            return self._restate(replace(record, status=kept) if _is_whole(record) else record)

        return self._change(parts, change)

    def cut(
        self, part: Part, size: int, reason: str, largest: int | None, *, own_runs: bool = False
    ) -> JobRecord:
        """A part is too large: its first `size` tasks and the rest go on their own."""

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            return self._restate(cut(old, part[1], size, reason, largest=largest, own_runs=own_runs))

        return self._change([part], change)[0]

    def refused(self, parts: Iterable[Part], error: JobferryError) -> list[JobRecord]:
        """They were certainly not taken, and never will be."""
        return self.ended(parts, JobState.FAILED, error.message, Failure.REJECTED)

    def ended(
        self, parts: Iterable[Part], state: JobState, reason: str, failure: Failure | None = None
    ) -> list[JobRecord]:
        """It is over before the batch system had them."""
        now = self._clock.now()
        status = JobStatus(state=state, reason=reason, failure=failure, ended_at=now, observed_at=now)

        def change(old: JobRecord, mine: Sequence[Submission]) -> JobRecord:
            settled = old.with_submissions(
                *(replace(entry, doubted_since=None, waits=None) for entry in mine)
            )
            return end_parts(settled, {entry.number: status for entry in mine}, now)

        return self._change(parts, change)

    def _restate(self, record: JobRecord) -> JobRecord:
        return record if _is_whole(record) else restate(record, self._clock.now())

    def _change(
        self,
        parts: Iterable[Part],
        change: Callable[[JobRecord, Sequence[Submission]], JobRecord],
        *,
        also_ended: bool = False,
    ) -> list[JobRecord]:
        """Change jobs, save what another process has brought further meanwhile."""
        numbers: dict[str, list[int]] = {}
        for job_id, number in parts:
            numbers.setdefault(job_id, []).append(number)

        def step(old: JobRecord) -> JobRecord:
            mine = [
                entry
                for entry in old.submissions
                if entry.number in numbers[old.id] and entry.native_id is None
            ]
            return change(old, mine) if mine and (also_ended or not old.state.final) else old

        return self._store.update_all(list(numbers), step)


def _each(change: Change) -> Callable[[JobRecord, Sequence[Submission]], JobRecord]:
    return lambda old, mine: old.with_submissions(*map(change, mine))


def _is_whole(record: JobRecord) -> bool:
    """Whether a job's status is its own, and not that of many tasks which went different ways."""
    return record.spec.array is None or (len(record.submissions) == 1 and not record.tasks)


def _in_phase(record: JobRecord, state: JobState) -> JobRecord:
    if not _is_whole(record):
        return record
    return replace(record, status=replace(record.status, state=state))
