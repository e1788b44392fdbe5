"""Every decision about a job's state: queue x accounting x the job's own records.

The rule behind all of them: a job is called done only by its own finished record, or by accounting; a query
that failed, a word that is not known and a job that is merely not to be seen change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from jobferry.evidence import Evidence
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.render.records import Finished
from jobferry.schedulers.base import Observation

SETTLE = timedelta(seconds=30)
"""How long files and accounting may lag behind before absence means anything."""
PATIENCE = timedelta(days=1)
"""How long accounting that gives no answer is waited for; after that it is as if there were none."""
FINISHING = timedelta(seconds=0.5)
"""How long the queue may go on showing a job that has written its last record."""

# what the launch script ends with when it leaves its task to another native job; see data/launch.sh
_LEFT = 118
# causes that only the batch system knows; they stand over what the command itself reported
_OUTSIDE = frozenset({Failure.OUT_OF_MEMORY, Failure.TIMEOUT, Failure.NODE_FAIL, Failure.PREEMPTED})
# SIGKILL and SIGTERM: what memory, time and preemption end with
_KILLS = (9, 15)
# ends after which a batch system may start the job again by itself
_REQUEUED = frozenset({Failure.NODE_FAIL, Failure.PREEMPTED})


def judge(status: JobStatus, evidence: Evidence, now: datetime) -> JobStatus:
    """Decide what a job's status is, given what was known and what is now seen."""
    if status.state.final:
        return status
    evidence = _of_this_run(status, evidence)
    queue = evidence.queue
    if queue is not None and queue.state is None and not (evidence.supervised and evidence.finished):
        return replace(status, native_state=queue.native_state, reason=queue.reason, observed_at=now)
    if queue is not None and queue.state is not None and not queue.state.final:
        return _live(status, queue, evidence, now)
    word = _word(queue, _final(evidence.history))
    finished = _of_last_run(evidence.finished, word)
    if evidence.unheard and word is None and not evidence.cancelled and _needs_cause(finished):
        since = status.missing_since or now
        if now - since < PATIENCE:
            # a failed query is not an answer: accounting may know what became of it
            return replace(status, missing_since=since, observed_at=now)
    if finished is not None:
        return _ended(status, finished, word, evidence.cancelled, now)
    if word is not None and word.exit_code != _LEFT:
        return _by_word(status, word, evidence, now)
    if evidence.history is not None:
        # accounting lags, and still shows it as waiting or running: not a word of its end
        return replace(status, missing_since=status.missing_since or now, observed_at=now)
    return _missing(status, evidence, now)


def _of_last_run(finished: Finished | None, word: Observation | None) -> Finished | None:
    """Pass over the record of a run that was stopped, and followed by one that ended before it began."""
    if finished is None or not (finished.stopped or finished.warned) or word is None:
        return finished
    return finished if word.nodes or finished.started_at is None else None


def _needs_cause(finished: Finished | None) -> bool:
    return finished is None or (finished.signal is not None and not finished.cause and not finished.oom_kills)


def _of_this_run(status: JobStatus, evidence: Evidence) -> Evidence:
    """Leave out the records of runs before the batch system put the job back into the queue."""
    if evidence.finished is not None and evidence.finished.restarts < status.restarts:
        evidence = replace(evidence, finished=None)
    if evidence.started is not None and evidence.started.restarts < status.restarts:
        evidence = replace(evidence, started=None)
    return evidence


def _word(queue: Observation | None, history: Observation | None) -> Observation | None:
    """Take the batch system's last word: the queue's, or accounting's where that knows how it failed."""
    if queue is None:
        return history
    vague = queue.failure is Failure.EXIT_CODE and queue.exit_code is None
    if history is None or not vague:
        return queue
    return replace(history, reason=queue.reason or history.reason)


def judge_records(status: JobStatus, evidence: Evidence, now: datetime) -> JobStatus:
    """Decide between two polls, by the records alone, with the queue as it was last seen."""
    evidence = _of_this_run(status, evidence)
    finished, started = evidence.finished, evidence.started
    if status.state.final or finished is None:
        if started is not None and status.state is JobState.QUEUED:
            return replace(
                status,
                state=JobState.RUNNING,
                reason=None,
                started_at=started.started_at,
                restarts=started.restarts,
                observed_at=now,
            )
        return status
    return _finishing(status, finished, evidence, now)


def _live(status: JobStatus, queue: Observation, evidence: Evidence, now: datetime) -> JobStatus:
    waits = queue.state in (JobState.QUEUED, JobState.HELD)
    ran = evidence.started or evidence.finished
    is_new = ran is not None and (status.state in _WAITING or ran.restarts > status.restarts)
    if ran and is_new and waits and queue.restarts is None:
        # this run began after the queue was asked; or it is back in the queue, which the next look tells
        fresh = replace(status, state=JobState.QUEUED, restarts=ran.restarts, finishing_since=None)
        return judge_records(fresh, evidence, now)
    if evidence.finished is not None and not waits:
        return _finishing(status, evidence.finished, evidence, now)
    state = queue.state or status.state
    started_at = queue.started_at
    if evidence.started is not None and state is JobState.RUNNING:
        started_at = evidence.started.started_at or started_at
    if evidence.supervised and state is JobState.RUNNING and evidence.started is None:
        state = JobState.QUEUED
    # of one that waits and has run before, the next run is one more
    restarts = ran.restarts + (waits and not evidence.supervised) if ran else status.restarts
    return JobStatus(
        state=state,
        native_state=queue.native_state,
        reason=queue.reason,
        started_at=started_at if state not in (JobState.QUEUED, JobState.HELD) else None,
        nodes=queue.nodes or ((evidence.started.host,) if evidence.started else ()),
        restarts=restarts if queue.restarts is None else queue.restarts,
        observed_at=now,
    )


def _finishing(status: JobStatus, finished: Finished, evidence: Evidence, now: datetime) -> JobStatus:
    since = status.finishing_since or now
    # a batch system may start again what it stopped or warned, or what ended so, and knows why it killed
    told = finished.stopped or finished.warned or finished.exit_code in evidence.requeue_exits
    is_over = evidence.cancelled or not (told or finished.signal in _KILLS)
    if evidence.supervised or (is_over and now - since >= FINISHING):
        return _ended(status, finished, None, evidence.cancelled, now)
    return replace(
        status,
        state=JobState.RUNNING,
        reason="finishing",
        started_at=finished.started_at or status.started_at,
        finishing_since=since,
        missing_since=None,
        misses=0,
        observed_at=now,
    )


def _ended(
    status: JobStatus, finished: Finished, word: Observation | None, cancelled: bool, now: datetime
) -> JobStatus:
    state, failure, reason = _outcome(finished, word, cancelled)
    return JobStatus(
        state=state,
        native_state=word.native_state if word else status.native_state,
        reason=reason,
        exit_code=finished.exit_code if finished.started_at else None,
        signal=finished.signal if finished.started_at else None,
        failure=failure,
        started_at=finished.started_at,
        ended_at=finished.ended_at,
        nodes=(word.nodes if word else ()) or (finished.host,),
        restarts=finished.restarts,
        observed_at=now,
    )


def _outcome(
    finished: Finished, word: Observation | None, cancelled: bool
) -> tuple[JobState, Failure | None, str | None]:
    """Return state, cause and words for a job whose finished record is there."""
    said = word.failure if word else None
    if said is Failure.OUT_OF_MEMORY or finished.oom_kills:
        return JobState.FAILED, Failure.OUT_OF_MEMORY, "part of the job was killed for memory"
    if finished.exit_code == 0 and finished.cause is None:
        return JobState.COMPLETED, None, None
    if said in _OUTSIDE:
        return JobState.FAILED, said, word.reason if word else None
    if finished.cause is not None and finished.cause in Failure.__members__:
        return JobState.FAILED, Failure[finished.cause], _CAUSES.get(finished.cause)
    # a task of an array can be cancelled alone; its launch script then says so
    alone = finished.cause == "CANCELLED"
    by = "by jobferry" if cancelled or alone else "from outside"
    by_us = alone or (cancelled and (finished.stopped or finished.signal))
    if by_us or (word is not None and word.state is JobState.CANCELLED):
        return JobState.CANCELLED, None, f"cancelled {by}"
    if finished.signal is not None:
        outside = f"SIG{finished.stopped} came from outside" if finished.stopped else None
        return JobState.FAILED, Failure.SIGNAL, outside
    return JobState.FAILED, Failure.EXIT_CODE, None


_CAUSES = {
    "TIMEOUT": "it reached its time limit",
    "DEPENDENCY": "a job it depends on did not end as it should",
    "LAUNCH": "the shell over there ended before the job's first line: see its start-up files",
}


def _by_word(status: JobStatus, word: Observation, evidence: Evidence, now: datetime) -> JobStatus:
    """Take the batch system's word where the job left no record of its end."""
    settled, doubted = _doubt(status, now)
    # a record can lag behind the queue, accounting behind both, and what a node's death ended may go on
    vague = word.failure is Failure.EXIT_CODE and word.exit_code is None
    lagging = word.state is JobState.COMPLETED or word.failure in _REQUEUED or vague
    if lagging and not settled:
        return replace(doubted, native_state=word.native_state)
    # a code of 0 beside any other end is what was there when nobody had ended by himself
    by_itself = word.state is JobState.COMPLETED or word.failure in (Failure.EXIT_CODE, Failure.LAUNCH)
    return JobStatus(
        state=word.state or status.state,
        native_state=word.native_state,
        reason=word.reason,
        exit_code=word.exit_code if by_itself else None,
        signal=word.signal,
        failure=word.failure,
        started_at=word.started_at or (evidence.started.started_at if evidence.started else None),
        ended_at=word.ended_at,
        nodes=word.nodes,
        restarts=status.restarts,
        observed_at=now,
    )


def _missing(status: JobStatus, evidence: Evidence, now: datetime) -> JobStatus:
    settled, doubted = _doubt(status, now)
    if not settled:
        return doubted
    if evidence.cancelled:
        return replace(_without_doubt(doubted), state=JobState.CANCELLED, reason="cancelled by jobferry")
    never = "it left no record of a beginning, or was ended before it"
    began = f"it began on {evidence.started.host}" if evidence.started else never
    reason = f"in no queue, in no accounting and without a record of its end; {began}"
    return replace(_without_doubt(doubted), state=JobState.LOST, reason=reason)


def _doubt(status: JobStatus, now: datetime) -> tuple[bool, JobStatus]:
    """Count a look in vain; settled is the second one after the settle time."""
    since = status.missing_since or now
    misses = status.misses + 1 if now - since >= SETTLE else status.misses
    doubted = replace(status, missing_since=since, misses=misses, observed_at=now)
    return misses >= 2, doubted


def _without_doubt(status: JobStatus) -> JobStatus:
    return replace(status, missing_since=None, misses=0, finishing_since=None)


def _final(seen: Observation | None) -> Observation | None:
    return seen if seen is not None and seen.state is not None and seen.state.final else None


# -- whole jobs


def summarise(tasks: Iterable[JobStatus], now: datetime) -> JobStatus:
    """Say of an array in one status what its tasks' statuses say together."""
    all_tasks = list(tasks)
    counts = Counter(status.state for status in all_tasks)
    worst = next((s for s in all_tasks if s.state is JobState.FAILED), None)
    state = _array_state(counts)
    starts = [status.started_at for status in all_tasks if status.started_at]
    ends = [status.ended_at for status in all_tasks if status.ended_at]
    waiting = next((s.reason for s in all_tasks if s.state in _WAITING and s.reason), None)
    tally = ", ".join(f"{count} {name.lower()}" for name, count in counts.items())
    return JobStatus(
        state=state,
        reason=f"{tally}: {waiting}" if waiting else tally,
        exit_code=(0 if state is JobState.COMPLETED else worst.exit_code if worst else None),
        signal=worst.signal if worst and state.final else None,
        failure=worst.failure if worst and state.final else None,
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if state.final else None,
        restarts=max((status.restarts for status in all_tasks), default=0),
        observed_at=now,
    )


_WAITING = (JobState.QUEUED, JobState.HELD, JobState.SUBMITTING, JobState.STAGING, JobState.CREATED)


def _array_state(counts: Counter[JobState]) -> JobState:
    open_states = [state for state in counts if not state.final]
    if not open_states:
        ends = (JobState.LOST, JobState.FAILED, JobState.CANCELLED)
        return next((state for state in ends if counts[state]), JobState.COMPLETED)
    if counts[JobState.RUNNING] or len(open_states) < len(counts):
        return JobState.RUNNING
    return next((state for state in (JobState.SUSPENDED, *_WAITING) if counts[state]), open_states[0])
