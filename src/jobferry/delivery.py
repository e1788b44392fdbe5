"""What is sent when: new jobs at once, others as soon as there is room, by whichever process comes next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jobferry.clock import Clock
from jobferry.drafts import DependencyFailed, NotSubmitted
from jobferry.errors import JobferryError, SpecError, SubmitLimit, SubmitRefused
from jobferry.ledger import Ledger
from jobferry.model.record import JobRecord
from jobferry.model.spec import Dependency
from jobferry.model.status import Failure, JobState
from jobferry.model.submission import Submission
from jobferry.opened import OpenMachine
from jobferry.parts import split
from jobferry.payload import Awaited, Payload, check_inputs, make_payload
from jobferry.room import Room
from jobferry.staging.progress import Progress
from jobferry.store import Store
from jobferry.submission import NO_ROOM, Outcome, Submitter

logger = logging.getLogger(__name__)

Dependencies = Callable[[JobRecord], Awaited]
Batch = Mapping[str, tuple[int, ...]]
"""What goes in one request: jobs by their ids, and the numbers of their submissions."""

# many jobs may follow the same ones, and each look at those is a request
_Known = dict[tuple[Dependency, ...], Awaited | NotSubmitted]
# a batch system whose limit is not known is felt for by halves: that ends long before this
_MOST_STEPS = 64


class Delivery:
    """Sends the jobs of one machine."""

    def __init__(self, machine: OpenMachine, store: Store, clock: Clock, dependencies: Dependencies) -> None:
        self.machine = machine
        self.store = store
        self.clock = clock
        self.ledger = Ledger(store, clock)
        self.submitter = Submitter(machine, store, clock)
        self._room = Room(machine.machine, store, clock)
        self._dependencies = dependencies
        self._awaited: dict[str, Awaited] = {}

    def prepare(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Divide jobs as the machine needs it, and look for all that can be wrong before they are stored.

        Raises:
            SpecError: a job cannot be run there.
        """
        ready = []
        known: _Known = {}
        for record in records:
            check_inputs(record.spec)
            divided = split(record, self.machine.facts.max_array_size)
            make_payload(divided, divided.submissions, self.machine.scheduler, {})
            ready.append(self._after_others(divided, known))
        return ready

    def send(self, records: Sequence[JobRecord], progress: Progress | None = None) -> list[Outcome]:
        """Send jobs, as many as there is room for; the others wait here.

        Raises:
            JobferryError: it failed before anything was sent; the jobs are certainly not taken.
        """
        outcomes = {record.id: Outcome(record) for record in records}
        self._room.heed(records)
        size = self._first_size(records)
        felt, stuck = False, set[str]()
        for step in range(_MOST_STEPS):
            batch = self._next_batch([o.record for o in outcomes.values() if o.record.id not in stuck], size)
            if not batch:
                break
            try:
                done = self._hand_over(batch, progress)
            except JobferryError as error:
                if not step:
                    raise
                logger.warning("%s: %s", self.machine.machine.name, error)
                break
            for outcome in done:
                outcomes[outcome.record.id] = _joined(outcomes[outcome.record.id], outcome)
            # those in other hands, and those that wait for a job that is not sent itself
            stuck |= batch.keys() - {outcome.record.id for outcome in done if not outcome.stuck}
            full = [_places(outcome.record, number) for outcome in done for number in outcome.full]
            felt = felt or bool(full)
            size = self._next_size(size, full, felt=felt)
            outcomes = {outcome.record.id: outcome for outcome in self._kept_back(outcomes.values())}
            if size == 0:
                break
        kept = self._kept_back(outcomes.values())
        return [replace(o, error=None) if isinstance(o.error, SubmitLimit) else o for o in kept]

    # -- what goes next

    def _next_batch(self, records: Iterable[JobRecord], size: int | None) -> Batch:
        """Choose what goes next, oldest first, `size` jobs and tasks at most; divide what is too large."""
        numbers: dict[str, tuple[int, ...]] = {}
        taken = 0
        for record in records:
            for entry in ready(record):
                places = _places(record, entry.number)
                if size is not None and taken + places > size:
                    if taken or size < 1:
                        return numbers
                    return self._part_of(record, entry, size)
                numbers[record.id] = (*numbers.get(record.id, ()), entry.number)
                taken += places
                if record.spec.array is not None and record.spec.array.limit is not None:
                    # the next part of it starts after this one, whose id must be known
                    break
        return numbers

    def _part_of(self, record: JobRecord, entry: Submission, size: int) -> Batch:
        largest = self.machine.facts.max_array_size
        waits = entry.waits or NO_ROOM
        supervised = self.machine.scheduler.capabilities.supervised
        part = (record.id, entry.number)
        after = self.ledger.cut(part, size, waits, largest, own_runs=supervised)
        first = next(e for e in after.submissions if _places(after, e.number) == size and e.waits)
        return {record.id: (first.number,)}

    def _first_size(self, records: Sequence[JobRecord]) -> int | None:
        """Decide how much is tried first: all, what there is room for, or one where there was none before."""
        left = self._room.left()
        if left is None and any(_met_limit(record) for record in records):
            return 1
        return left

    def _next_size(self, size: int | None, full: Sequence[int], *, felt: bool) -> int | None:
        """Decide how much is tried next: half after a refusal, twice as much while there is none."""
        if full and min(full) == 1:
            self._room.note_full()
            return 0
        if full:
            return min(full) // 2
        left = self._room.left()
        return left if left is not None or size is None or felt else 2 * size

    # -- sending

    def _hand_over(self, batch: Batch, progress: Progress | None) -> list[Outcome]:
        payloads, outcomes = [], []
        for job_id, numbers in batch.items():
            record = self.store.get(job_id)
            parts = [(job_id, number) for number in numbers]
            try:
                payloads.append(self._payload(record, numbers))
            except NotSubmitted as error:
                outcomes.append(Outcome(self.ledger.unsent(parts, error.message)[0], stuck=True))
            except DependencyFailed as error:
                ended = self.ledger.ended(parts, JobState.FAILED, error.message, Failure.DEPENDENCY)
                outcomes.append(Outcome(ended[0]))
            except SpecError as error:
                outcomes.append(Outcome(self.ledger.refused(parts, error)[0], error))
        sent = self.submitter.send(payloads, progress) if payloads else []
        return [*outcomes, *map(self._doubt_of_limit, sent)]

    def _doubt_of_limit(self, outcome: Outcome) -> Outcome:
        """Take a refusal of unclear reason as final, unless jobs of ours may be what fills the machine."""
        error = outcome.error
        if not isinstance(error, SubmitLimit) or error.certain or self._room.live():
            return outcome
        parts = [(outcome.record.id, number) for number in outcome.full]
        final = SubmitRefused(error.message, hint=error.hint, machine=error.machine, job_id=error.job_id)
        return Outcome(self.ledger.refused(parts, final)[0], final)

    def _payload(self, record: JobRecord, numbers: Sequence[int]) -> Payload:
        # what was found out while the job was looked over is not asked twice
        found = self._awaited.pop(record.id, None)
        awaited = dict(self._dependencies(record) if found is None else found)
        chosen = [entry for entry in record.submissions if entry.number in numbers]
        array = record.spec.array
        if array is not None and array.limit is not None and record.native_ids:
            # so many at a time holds for the array as a whole: its parts follow each other
            awaited["afterany"] = [*awaited.get("afterany", ()), *record.native_ids]
        return make_payload(record, chosen, self.machine.scheduler, awaited, _calls(self.store, record))

    def send_waiting(self, records: Sequence[JobRecord], *, may_try: bool) -> list[Outcome]:
        """Send what waits here, if there may be room; what goes wrong on the way leaves it waiting.

        Args:
            may_try: whether a refusal may be risked where the last try met the machine's limit.
        """
        # where a limit was met before, another try costs a refusal: not more often than one may ask
        self._room.heed(records)
        may_try = may_try or not any(_met_limit(record) for record in records)
        if not records or self._room.left() == 0 or not (may_try or self._room.left()):
            return []
        try:
            return self.send(records)
        except JobferryError as error:
            # nobody is there who asked for it: it waits on
            return [Outcome(self.store.get(record.id), error) for record in records]

    def awaited(self, record: JobRecord) -> Awaited:
        """Tell what a job waits for over there.

        Raises:
            NotSubmitted, DependencyFailed: it is not there, or has ended otherwise.
        """
        return self._dependencies(record)

    def _kept_back(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Mark what found no room, so that any process sends it later; a refusal holds for all of a job."""
        kept = []
        for outcome in outcomes:
            record, error = outcome.record, outcome.error
            parts = [(record.id, entry.number) for entry in ready(record) if entry.waits is None]
            if parts and isinstance(error, SubmitRefused) and not isinstance(error, SubmitLimit):
                record = self.ledger.refused(parts, error)[0]
            elif parts:
                record = self.ledger.unsent(parts, NO_ROOM)[0]
            kept.append(replace(outcome, record=record))
        return kept

    def _after_others(self, record: JobRecord, known: _Known) -> JobRecord:
        """Keep a job back that follows one which the batch system does not have yet."""
        others = record.spec.dependencies
        if others not in known:
            try:
                known[others] = self._dependencies(record)
            except NotSubmitted as error:
                known[others] = error
        found = known[others]
        if isinstance(found, NotSubmitted):
            parts = (replace(entry, waits=found.message) for entry in record.submissions)
            return record.with_submissions(*parts)
        self._awaited[record.id] = found
        return record


def _calls(store: Store, record: JobRecord) -> Path | None:
    """Find the file with a job's calls, while it has still to be sent."""
    if record.spec.function is None or record.placed or record.native_ids:
        return None
    path = store.calls.file(record.spec.function)
    if not path.exists():
        raise SpecError(f"the calls of {record.id} are gone: {path}", hint="submit it anew")
    return path


def _places(record: JobRecord, number: int) -> int:
    entry = next(entry for entry in record.submissions if entry.number == number)
    return len(record.tasks_of(entry)) or 1


def ready(record: JobRecord) -> list[Submission]:
    """List what may be sent: nothing for as long as it is not known what became of something before."""
    unsent = record.unsent
    if any(entry.sent and entry.waits is None for entry in unsent):
        return []
    return list(unsent)


def _met_limit(record: JobRecord) -> bool:
    return any(entry.waits is not None and entry.waits.startswith(NO_ROOM) for entry in record.unsent)


def _joined(before: Outcome, after: Outcome) -> Outcome:
    return replace(after, error=after.error or before.error)
