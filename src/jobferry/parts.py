"""A job in parts: the tasks of an array, and the submissions that cover them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from jobferry.errors import SpecError
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState, JobStatus
from jobferry.model.submission import Attempt, Submission
from jobferry.verdict import summarise


def all_tasks(record: JobRecord) -> dict[int, JobStatus]:
    """Return the statuses of all tasks of an array; one that has not been seen yet waits, there or here."""
    if record.spec.array is None:
        return {}
    queued = JobStatus(state=JobState.QUEUED)
    if len(record.submissions) == 1 and record.native_id is not None:
        return {task: record.tasks.get(task, queued) for task in record.spec.array.indices}
    covering = record.covering()
    here = {entry.number: _kept_back(entry) for entry in record.submissions if entry.native_id is None}
    return {
        task: record.tasks.get(task) or here.get(covering[task].number, queued)
        for task in record.spec.array.indices
    }


def _kept_back(submission: Submission) -> JobStatus:
    # one that was refused for want of room has been sent, and waits here all the same
    in_doubt = submission.sent and submission.waits is None
    state = JobState.SUBMITTING if in_doubt else JobState.CREATED
    return JobStatus(state=state, reason=submission.waits)


def unfinished(record: JobRecord) -> list[tuple[int | None, JobStatus]]:
    """List what is still to be judged: the job itself, or the tasks of an array that have not ended."""
    if record.spec.array is None:
        return [] if record.state.final else [(None, record.status)]
    return [(task, status) for task, status in all_tasks(record).items() if not status.state.final]


def unsuccessful(record: JobRecord) -> list[int | None]:
    """List what has ended without success: the job itself, or tasks of an array."""
    if record.spec.array is None:
        return [None] if record.state.final and record.state is not JobState.COMPLETED else []
    return [
        task
        for task, status in all_tasks(record).items()
        if (status.state.final or record.state.final) and status.state is not JobState.COMPLETED
    ]


def live_count(record: JobRecord) -> int:
    """Count what a job takes of the batch system's room: tasks that it has and that have not ended."""
    covering = record.covering()
    return sum(covering[task].native_id is not None for task, _ in unfinished(record))


def restate(record: JobRecord, now: datetime) -> JobRecord:
    """Say of an array what its tasks say together."""
    if record.spec.array is None:
        return record
    return replace(record, status=summarise(all_tasks(record).values(), now))


def end_parts(record: JobRecord, ends: Mapping[int, JobStatus], now: datetime) -> JobRecord:
    """End what certain submissions cover, by their numbers, that had not ended; the rest of the job goes on.

    A later run that never began leaves standing how the run before it failed.
    """
    if record.spec.array is None or (len(record.submissions) == 1 and not record.tasks):
        (status,) = ends.values()
        return replace(record, status=_with_past(record.past().get(None), status))
    past = record.past()
    over = {
        task: _with_past(past.get(task), ends[entry.number])
        for task, entry in record.covering().items()
        if entry.number in ends and task is not None
    }
    tasks = {**over, **{task: status for task, status in record.tasks.items() if status.state.final}}
    return restate(replace(record, tasks={**record.tasks, **tasks}), now)


def _with_past(past: Sequence[Attempt] | None, status: JobStatus) -> JobStatus:
    if not past or status.state is JobState.CANCELLED:
        return status
    # it is still for the first cause that it failed
    return replace(past[-1].status, reason=f"{status.reason} (when it was tried again)")


def split(record: JobRecord, largest: int | None) -> JobRecord:
    """Divide a new array into the parts that a batch system takes; `largest` is one above its last index.

    Raises:
        SpecError: it takes no arrays.
    """
    array = record.spec.array
    if array is None or largest is None or array.indices[-1] < largest:
        return record
    if largest < 1:
        raise SpecError(f"{record.machine.name} takes no arrays (MaxArraySize is 0)")
    first = record.submissions[0]
    parts = [
        replace(first, number=number, tasks=tasks, offset=offset_of(tasks, largest))
        for number, tasks in enumerate(chunks(array.indices, largest), 1)
    ]
    return replace(record, submissions=tuple(parts))


def chunks(tasks: Sequence[int], largest: int | None) -> list[tuple[int, ...]]:
    """Divide ascending task numbers so that each part, counted from its first, stays below `largest`."""
    if largest is None or not tasks or tasks[-1] < largest:
        return [tuple(tasks)] if tasks else []
    found = []
    begin = 0
    while begin < len(tasks):
        end = bisect_left(tasks, tasks[begin] + largest)
        found.append(tuple(tasks[begin:end]))
        begin = end
    return found


def offset_of(tasks: Sequence[int], largest: int | None) -> int:
    """Return what must be taken off task numbers so that the batch system takes them."""
    return 0 if largest is None or tasks[-1] < largest else tasks[0]


def cut(
    record: JobRecord,
    number: int,
    size: int,
    waits: str,
    *,
    largest: int | None = None,
    own_runs: bool = False,
) -> JobRecord:
    """Divide a submission that was certainly not taken: the first `size` tasks, and those behind them.

    What was refused keeps its number for ever; its parts get numbers of their own.
    """
    old = next(entry for entry in record.submissions if entry.number == number)
    tasks = record.tasks_of(old)
    numbers = [record.next_number, record.next_number + 1] if old.sent else [number, record.next_number]
    fresh = replace(old, sent=False, attempt=1, waits=waits, doubted_since=None)
    parts = [
        replace(fresh, number=new, tasks=some, offset=offset_of(some, largest))
        for new, some in zip(numbers, (tasks[:size], tasks[size:]), strict=True)
    ]
    if old.run > 1 or own_runs:
        # where a launch script runs the whole of an array, each part is a whole with records of its own
        parts = [replace(part, run=part.number) for part in parts]
    kept = replace(
        record, submissions=tuple(e for e in record.submissions if e.number != number) or (parts[0],)
    )
    return kept.with_submissions(*parts)
