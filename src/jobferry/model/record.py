"""What the store keeps of a job: the whole of it, so that any process can go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from jobferry.model.identity import native_name
from jobferry.model.machine import Machine
from jobferry.model.spec import Array, JobSpec
from jobferry.model.status import JobState, JobStatus
from jobferry.model.submission import Attempt, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as stored.

    Attributes:
        id: ours; the store's key, the remote folder's name, part of the batch system's job name.
        machine: the machine as it was configured at submission.
        root: absolute path of the machine's root; empty until it was first reached.
        base: the local folder it was submitted from, where relative results go.
        tasks: of an array, what is known of each task.
        submissions: what was or will be handed to the batch system, by number; one, unless the job is split
            or tried again.
        attempts: the runs that failed and were followed by another.
        placed: whether its folder is over there for certain.
        cancelled_at: when a cancel was asked for.
        fetched_at: when its outputs last came home whole.
        revision: counts the changes of this record; owned by the store.
    """

    id: str
    spec: JobSpec
    machine: Machine
    root: str = ""
    base: Path = Path()
    status: JobStatus = field(default_factory=JobStatus)
    tasks: Mapping[int, JobStatus] = field(default_factory=dict)
    submissions: tuple[Submission, ...] = (Submission(),)
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime
    placed: bool = False
    cancelled_at: datetime | None = None
    fetched_at: datetime | None = None
    revision: int = 0

    @property
    def state(self) -> JobState:
        """The job's state; of an array, the one that says most about all its tasks."""
        return self.status.state

    @property
    def current(self) -> tuple[Submission, ...]:
        """The submissions that count: those with a task that no later one covers."""
        if len(self.submissions) == 1 or self.spec.array is None:
            return self.submissions[-1:]
        counted = {id(entry) for entry in self.covering().values()}
        return tuple(entry for entry in self.submissions if id(entry) in counted)

    @property
    def unsent(self) -> tuple[Submission, ...]:
        """The submissions that the batch system is not known to have, and that are not given up."""
        if self.spec.array is None:
            return tuple(entry for entry in self.current if entry.native_id is None)
        return tuple(entry for entry in self.current if entry.native_id is None and not self._is_over(entry))

    @property
    def native_id(self) -> str | None:
        """The batch system's id, of a job in several parts the first one's; never an identity."""
        return next(iter(self.native_ids), None)

    @property
    def native_ids(self) -> tuple[str, ...]:
        """The batch system's ids of what counts now."""
        return tuple(
            native_id
            for entry in self.current
            if entry.native_id is not None
            for native_id in (entry.native_id, *entry.twins)
        )

    @property
    def submitted_at(self) -> datetime | None:
        """When the batch system first had it."""
        moments = [entry.submitted_at for entry in self.submissions if entry.submitted_at]
        return min(moments, default=None)

    @property
    def next_number(self) -> int:
        """The number of the next submission."""
        return self.submissions[-1].number + 1

    def past(self) -> dict[int | None, list[Attempt]]:
        """List for each task, or None for a job without tasks, its runs that were followed by another."""
        found: dict[int | None, list[Attempt]] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.task, []).append(attempt)
        return found

    def native_name(self, submission: Submission) -> str:
        """Name a submission in the batch system."""
        return native_name(self.spec.name, self.id, submission.number)

    def tasks_of(self, submission: Submission) -> tuple[int, ...]:
        """List the tasks a submission was made for; none for a job without tasks."""
        if self.spec.array is None:
            return ()
        return submission.tasks or self.spec.array.indices

    def covering(self) -> dict[int | None, Submission]:
        """Tell for each task, or None for a job without tasks, the submission that counts."""
        if self.spec.array is None:
            return {None: self.submissions[-1]}
        # a later submission stands over an earlier one
        return {task: entry for entry in self.submissions for task in self.tasks_of(entry)}

    def spec_of(self, submission: Submission) -> JobSpec:
        """Describe the native job of one submission: its part of the array, and what it asks for.

        Nodes to stay away from are not in it: only a dialect can say that.
        """
        spec = replace(self.spec, resources=submission.resources or self.spec.resources)
        if spec.array is None or not (submission.tasks or submission.offset):
            return spec
        indices = tuple(task - submission.offset for task in self.tasks_of(submission))
        return replace(spec, array=Array(indices=indices, limit=spec.array.limit))

    def _is_over(self, submission: Submission) -> bool:
        statuses = [self.tasks.get(task) for task in self.tasks_of(submission)]
        return bool(statuses) and all(status is not None and status.state.final for status in statuses)

    def with_submissions(self, *changed: Submission) -> JobRecord:
        """Put submissions in the place of those of the same number; new numbers are added."""
        by_number = {entry.number: entry for entry in (*self.submissions, *changed)}
        return replace(self, submissions=tuple(by_number[number] for number in sorted(by_number)))
