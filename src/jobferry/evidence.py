"""What is known from outside about a job: three witnesses, and which of their words concern which task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.render.records import Finished, Records, Started
from jobferry.schedulers.base import Observation

Said = Mapping[int | None, Observation]
"""Task number (None for the job as a whole) -> what queue or accounting said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the three witnesses say of one job or task; None is silence.

    Attributes:
        queue: what the queue says; it was asked and did answer.
        history: what accounting says, where it was asked.
        cancelled: whether one of us asked for its end.
        supervised: whether the launch script is the batch system: what runs is then told by records alone.
    """

    queue: Observation | None = None
    history: Observation | None = None
    started: Started | None = None
    finished: Finished | None = None
    cancelled: bool = False
    supervised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """All that one poll brought about one job.

    Attributes:
        queue: what the queue said, empty when it knows nothing; None when it was not asked.
        history: what accounting said; None when it was not asked.
        records: the job's own records; None when they were not read.
    """

    queue: Said | None
    history: Said | None = None
    records: Records | None = None
    cancelled: bool = False
    supervised: bool = False

    def about(self, task: int | None) -> Evidence:
        """Pick what concerns one task, or the job itself."""
        return Evidence(
            queue=_pick(self.queue, task),
            history=_pick(self.history, task),
            started=self.records.started.get(task) if self.records else None,
            finished=self.finished(task),
            cancelled=self.cancelled or (self.records is not None and self.records.cancelled),
            supervised=self.supervised,
        )

    def finished(self, task: int | None) -> Finished | None:
        """Return the record of a task's end, or of the array's where that tells why it never began."""
        if self.records is None:
            return None
        if task in self.records.finished:
            return self.records.finished[task]
        whole = self.records.finished.get(None)
        # the success of the whole says nothing about a task that left no record
        return replace(whole, started_at=None) if whole and (whole.stopped or whole.cause) else None

    def want_history(self, record: JobRecord) -> bool:
        """Whether accounting is worth asking: a task has left the queue, and its end needs explaining."""
        return any(self._is_unexplained(task) for task, _ in unfinished(record))

    def _is_unexplained(self, task: int | None) -> bool:
        finished = self.finished(task)
        if finished is not None and (self.supervised or finished.signal is None):
            return False
        # by a signal ends what was cancelled, out of time or memory, or preempted alike
        seen = _pick(self.queue, task)
        if seen is not None and finished is not None:
            return False
        if seen is None:
            return True
        # the queue knows that its command failed, and accounting how
        return seen.failure is Failure.EXIT_CODE and seen.exit_code is None


def unfinished(record: JobRecord) -> list[tuple[int | None, JobStatus]]:
    """List what is still to be judged: the job itself, or the tasks of an array that have not ended."""
    if record.spec.array is None:
        return [] if record.state.final else [(None, record.status)]
    return [(task, status) for task, status in all_tasks(record).items() if not status.state.final]


def all_tasks(record: JobRecord) -> dict[int, JobStatus]:
    """Return the statuses of all tasks of an array; one that has not been seen yet waits."""
    indices = record.spec.array.indices if record.spec.array is not None else ()
    waiting = JobStatus(state=JobState.QUEUED)
    return {task: record.tasks.get(task, waiting) for task in indices}


def _pick(said: Said | None, task: int | None) -> Observation | None:
    return said.get(task, said.get(None)) if said else None
