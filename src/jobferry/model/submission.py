"""What was handed to the batch system for a job, and the runs of it that came to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobferry.model.spec import Resources
from jobferry.model.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One hand-over of a job, or of some tasks of it, to the batch system: one native job at most.

    Attributes:
        number: counts a job's submissions from 1; names its launch script and its lock over there.
        run: 1, or its own number when it tries again what failed: each run keeps records of its own.
        tasks: of an array, the task numbers it covers; empty for all of them.
        offset: what is added to the batch system's index to get the task number.
        resources: what it asks for in place of the job's own resources.
        exclude: nodes that it must not run on.
        native_id: the batch system's id; never an identity, these are reused.
        twins: ids of other native jobs that were taken for the same submission, late and unseen; each task is
            run by the one that came first to it.
        attempt: number of the try to hand it over; one more only after the last was certainly not taken.
        owner: the process that hands it over, as ``host:pid``.
        claimed_at: when that process took it on.
        sent: whether it may have left this machine.
        waits: why it is kept back here; whichever process comes next sends it when it can.
        doubted_since: when it was first left without a clear answer.
        submitted_at: when the batch system's id came back.
    """

    number: int = 1
    run: int = 1
    tasks: tuple[int, ...] = ()
    offset: int = 0
    resources: Resources | None = None
    exclude: tuple[str, ...] = ()
    native_id: str | None = None
    twins: tuple[str, ...] = ()
    attempt: int = 1
    owner: str = ""
    claimed_at: datetime | None = None
    sent: bool = False
    waits: str | None = None
    doubted_since: datetime | None = None
    submitted_at: datetime | None = None

    @property
    def key(self) -> str:
        """Name this try over there: ``1``, the second try of it ``2``; of the third submission ``3.1``."""
        return f"{self.attempt}" if self.number == 1 else f"{self.number}.{self.attempt}"

    def unsent(self, waits: str | None = None) -> Submission:
        """Describe the same hand-over as one that was not made: what it is, and nothing of how it went."""
        return Submission(
            number=self.number,
            run=self.run,
            tasks=self.tasks,
            offset=self.offset,
            resources=self.resources,
            exclude=self.exclude,
            waits=waits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A run that failed and was followed by another; `task` is None for a job without tasks."""

    run: int
    task: int | None = None
    native_id: str | None = None
    status: JobStatus
