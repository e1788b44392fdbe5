"""What is known about a job: its state, its cause of death, and where the knowledge came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands, whatever batch system it is on."""

    CREATED = "CREATED"
    STAGING = "STAGING"
    SUBMITTING = "SUBMITTING"
    QUEUED = "QUEUED"
    HELD = "HELD"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"

    @property
    def final(self) -> bool:
        """Whether nothing can change this state any more."""
        return self in FINAL_STATES

    @property
    def submitted(self) -> bool:
        """Whether the batch system has, or had, the job."""
        return self not in (JobState.CREATED, JobState.STAGING, JobState.SUBMITTING)


FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.LOST})


class Failure(StrEnum):
    """Why a job did not complete."""

    EXIT_CODE = "EXIT_CODE"
    SIGNAL = "SIGNAL"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    DEPENDENCY = "DEPENDENCY"
    REJECTED = "REJECTED"
    LAUNCH = "LAUNCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """One job, or one task of an array, as last seen.

    Attributes:
        native_state: the batch system's own word, as printed.
        reason: why it waits or why it died, in the batch system's or our words.
        exit_code: the command's own exit code; None unless it ended by itself.
        signal: number of the signal that ended it.
        restarts: how many times the batch system has started it again.
        observed_at: our clock, when this was learnt; UTC.
        missing_since: when it was first seen neither in the queue nor in a record of its end.
        misses: how many times in a row it was looked for in vain since that had settled.
        finishing_since: when its finished record was first seen while the queue still held it.
    """

    state: JobState = JobState.CREATED
    native_state: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    failure: Failure | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    nodes: tuple[str, ...] = ()
    restarts: int = 0
    observed_at: datetime | None = None
    missing_since: datetime | None = None
    misses: int = 0
    finishing_since: datetime | None = None
