"""What is known from outside about a job: three witnesses, and which of their words concern which task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobferry.model.status import Failure
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
        unheard: whether accounting was asked and did not answer.
        cancelled: whether one of us asked for its end.
        supervised: whether the launch script is the batch system: what runs is then told by records alone.
        requeue_exits: exit codes after which the batch system starts a job again by itself.
    """

    queue: Observation | None = None
    history: Observation | None = None
    unheard: bool = False
    started: Started | None = None
    finished: Finished | None = None
    cancelled: bool = False
    supervised: bool = False
    requeue_exits: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """All that one poll brought about one job.

    Attributes:
        numbers: which submissions of the job counted when this was asked.
        runs: which run of each task counts now; what is not in it is in its first.
        queue: what the queue said, empty when it knows nothing; None when it was not asked.
        history: what accounting said; None when it was not asked.
        unheard: whether it was asked and did not answer, which is no answer.
        records: the job's own records; None when they were not read.
        hopeful: whether a job it depends on is tried again, so that it need not give up.
    """

    numbers: tuple[int, ...] = (1,)
    runs: Mapping[int | None, int] = field(default_factory=dict)
    queue: Said | None
    history: Said | None = None
    unheard: bool = False
    records: Records | None = None
    cancelled: bool = False
    supervised: bool = False
    requeue_exits: Sequence[int] = ()
    hopeful: bool = False

    def about(self, task: int | None) -> Evidence:
        """Pick what concerns one task, or the job itself."""
        return Evidence(
            queue=_pick(self.queue, task),
            history=_pick(self.history, task),
            unheard=self.unheard,
            started=self.started(task),
            finished=self.finished(task),
            cancelled=self.cancelled or (self.records is not None and self.records.cancelled),
            supervised=self.supervised,
            requeue_exits=self.requeue_exits,
        )

    def started(self, task: int | None) -> Started | None:
        """Return the record of a task's beginning, in the run that counts."""
        seen = self.records.started.get(task) if self.records else None
        return seen if seen is not None and seen.run == self.runs.get(task, 1) else None

    def finished(self, task: int | None) -> Finished | None:
        """Return the record of a task's end, or of the array's where that tells why it never began."""
        if self.records is None:
            return None
        run = self.runs.get(task, 1)
        seen = self.records.finished.get(task)
        if seen is not None and seen.run == run:
            return seen
        whole = self.records.wholes.get(run)
        # the success of the whole says nothing about a task that left no record
        return replace(whole, started_at=None) if whole and (whole.stopped or whole.cause) else None

    def want_history(self, tasks: Iterable[int | None]) -> bool:
        """Whether accounting is worth asking: a task has left the queue, and its end needs explaining.

        Args:
            tasks: those that have not ended, None for a job without tasks.
        """
        return any(self._is_unexplained(task) for task in tasks)

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


def _pick(said: Said | None, task: int | None) -> Observation | None:
    return said.get(task, said.get(None)) if said else None
