"""What the store keeps of a job: the whole of it, so that any process can go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from jobferry.model.machine import Machine
from jobferry.model.spec import JobSpec
from jobferry.model.status import JobState, JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as stored.

    Attributes:
        id: ours; the store's key, the remote folder's name, part of the batch system's job name.
        machine: the machine as it was configured at submission.
        root: absolute path of the machine's root; empty until it was first reached.
        base: the local folder it was submitted from, where relative results go.
        tasks: of an array, what is known of each task.
        native_id: the batch system's id; never an identity, these are reused.
        owner: the process that submits it, as ``host:pid``.
        attempt: number of the submission under way; one more only after the last was certainly not taken.
        doubted_since: when a submission was first left without a clear answer.
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
    native_id: str | None = None
    created_at: datetime
    submitted_at: datetime | None = None
    owner: str = ""
    attempt: int = 1
    doubted_since: datetime | None = None
    cancelled_at: datetime | None = None
    fetched_at: datetime | None = None
    revision: int = 0

    @property
    def state(self) -> JobState:
        """The job's state; of an array, the one that says most about all its tasks."""
        return self.status.state

    @property
    def native_name(self) -> str:
        """The job's name in the batch system: unique, because it holds the id."""
        return f"{self.spec.name}-{self.id}"
