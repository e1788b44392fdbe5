"""Going on with submissions that were left: by a process that died, by a broken link, or to wait for room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from jobferry.delivery import Delivery, ready
from jobferry.drafts import DependencyFailed, NotSubmitted
from jobferry.finding import find
from jobferry.model.record import JobRecord
from jobferry.model.spec import Resources
from jobferry.model.status import JobState
from jobferry.model.submission import Submission
from jobferry.ownership import is_abandoned
from jobferry.parts import unsuccessful
from jobferry.payload import make_payload
from jobferry.retrying import retry_now
from jobferry.submission import CANCELLED_EARLY, FolderGone, NotPlaced, Outcome


def find_out(delivery: Delivery, records: Sequence[JobRecord], *, look_up: bool) -> list[Outcome]:
    """Find out what became of what was sent without an answer; what was never taken can then be sent.

    Args:
        look_up: whether the batch system may be asked about those without a clear answer.
    """
    outcomes = {record.id: Outcome(record) for record in records}
    doubts = [(r, entry) for r in records for entry in r.unsent if entry.doubted_since is not None]
    if doubts and look_up:
        for outcome in find(delivery.machine, delivery.ledger, delivery.clock, doubts):
            outcomes[outcome.record.id] = outcome
    for outcome in _ask_again(delivery, [outcome.record for outcome in outcomes.values()]):
        outcomes[outcome.record.id] = outcome
    return list(outcomes.values())


def send_left(delivery: Delivery, records: Sequence[JobRecord], *, may_try: bool) -> list[Outcome]:
    """Send what waits here or was never sent; what was cancelled meanwhile ends instead.

    Args:
        may_try: whether a refusal may be risked where the last try met the machine's limit.
    """
    waiting = [record for record in records if ready(record)]
    kept = [record for record in waiting if not record.cancelled_at]
    return [*_cancelled(delivery, waiting), *delivery.send_waiting(kept, may_try=may_try)]


def retry(delivery: Delivery, records: Sequence[JobRecord], asked: Resources) -> list[JobRecord]:
    """Put back what has ended without success, and send it.

    Raises:
        SpecError: it cannot be run there with these resources; nothing is changed.
        TransferError: the folder of one is gone, which has failed with that.
    """
    now = delivery.clock.now()
    for record in records:
        planned = retry_now(record, unsuccessful(record), asked, now)
        make_payload(planned, planned.unsent, delivery.machine.scheduler, {})

    def change(old: JobRecord) -> JobRecord:
        # another process may have been faster
        tasks = unsuccessful(old)
        return retry_now(old, tasks, asked, now) if tasks else old

    stored = delivery.store.update_all([record.id for record in records], change)
    outcomes = delivery.send_waiting(stored, may_try=True)
    sent = {outcome.record.id: outcome.record for outcome in outcomes}
    if gone := {o.record.id: o.error for o in outcomes if isinstance(o.error, FolderGone)}:
        for job_id, error in gone.items():
            parts = [(job_id, entry.number) for entry in sent[job_id].unsent]
            delivery.ledger.refused(parts, error)
        raise next(iter(gone.values()))
    return [sent.get(record.id, record) for record in stored]


def _ask_again(delivery: Delivery, records: Sequence[JobRecord]) -> list[Outcome]:
    """Ask over there what became of what was sent without an answer, one request for all."""
    now = delivery.clock.now()
    payloads = []
    for record in records:
        left = _unanswered(record, now)
        try:
            awaited = delivery.awaited(record) if left else {}
        except NotSubmitted:
            # what it waits for is on its way anew; this can be asked when that is there
            continue
        except DependencyFailed as error:
            payload = make_payload(record, left, delivery.machine.scheduler, {})
            payloads.append(replace(payload, never=error.message))
        else:
            payloads += [make_payload(record, left, delivery.machine.scheduler, awaited)] if left else []
    outcomes = []
    for outcome in delivery.submitter.ask_again(payloads) if payloads else ():
        if isinstance(outcome.error, NotPlaced):
            parts = [(outcome.record.id, entry.number) for entry in _unanswered(outcome.record, now)]
            outcome = Outcome(delivery.ledger.unsent(parts, None)[0])
        outcomes.append(outcome)
    return outcomes


def _unanswered(record: JobRecord, now: datetime) -> list[Submission]:
    """List what was sent by a process that is no more, and whose answer nobody has read."""
    return [
        entry
        for entry in record.unsent
        if entry.sent and entry.waits is None and entry.doubted_since is None and is_abandoned(entry, now)
    ]


def _cancelled(delivery: Delivery, records: Sequence[JobRecord]) -> list[Outcome]:
    """End what was cancelled before anything of it was taken."""
    outcomes = []
    for record in records:
        if record.cancelled_at:
            parts = [(record.id, entry.number) for entry in ready(record)]
            (ended,) = delivery.ledger.ended(parts, JobState.CANCELLED, CANCELLED_EARLY)
            outcomes.append(Outcome(ended))
    return outcomes
