"""What a scheduler is here: a dialect. It translates words both ways and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.spec import JobSpec
from jobferry.model.status import Failure, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What queue or accounting says of one job, or of one task of an array.

    `state` is None for a word that is not in the dialect's table: the last known state stays.
    `native_name` tells the job from a later one that was given the same id; None where ids are never reused.
    """

    state: JobState | None
    native_state: str
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    failure: Failure | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    nodes: tuple[str, ...] = ()
    restarts: int | None = None
    native_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a batch system can do, and how dear it is to ask.

    Attributes:
        poll_seconds: how often it may be asked, unless the machine says otherwise.
        supervised: whether the launch script itself keeps limits and runs arrays, for want of a batch system;
            then a waiting and a running task are told apart by their records alone.
    """

    history: bool
    hold: bool
    poll_seconds: float
    supervised: bool = False


Answer = Mapping[str, Mapping[int | None, Observation]]
"""native id -> task number (None for the job as a whole) -> what was seen."""


class Scheduler(Protocol):
    """A dialect. It never opens, waits, logs, retries or stores anything; its commands are run by others."""

    name: str
    prefix: str
    capabilities: Capabilities

    def directives(self, spec: JobSpec, native_name: str) -> tuple[str, ...]:
        """Write the launch script's directive lines, without the prefix, `spec.native` last.

        Raises:
            SpecError: a field this batch system cannot honour.
        """
        ...

    def exclude_flags(self, nodes: Sequence[str], native: Sequence[str]) -> tuple[str, ...]:
        """Write the flags that keep a job away from nodes; `native` are its own flags, which come before.

        Empty where that cannot be said.
        """
        ...

    def submit_command(self, script: str, job_id: str, dependencies: Mapping[str, Sequence[str]]) -> Command:
        """Submit `script` from the job's folder; `dependencies` maps a kind (``afterok``) to native ids."""
        ...

    def parse_submit(self, result: CommandResult) -> str:
        """Find the native id in what the submission said.

        Raises:
            SubmitRefused: it was certainly not taken.
            SubmitLimit: likewise, because so many jobs are there already; later it may be.
            SchedulerBusy: it may or may not have been taken.
            ParseError: it says it was taken, but names no id.
        """
        ...

    def status_command(self, native_ids: Sequence[str]) -> Command: ...

    def parse_status(self, result: CommandResult, native_ids: Sequence[str]) -> Answer:
        """Map the asked ids that were seen to what the queue says; absent ids are absent.

        Raises:
            SchedulerBusy: the query failed, so it says nothing about any job.
            ParseError: no line of it can be read.
        """
        ...

    def history_command(self, native_ids: Sequence[str], facts: MachineFacts) -> Command | None: ...

    def parse_history(self, result: CommandResult, native_ids: Sequence[str]) -> Answer: ...

    def find_command(self, native_names: Sequence[str], facts: MachineFacts) -> Command:
        """Look jobs up by their unique names, in the queue and in accounting where there is one."""
        ...

    def parse_find(self, result: CommandResult, native_names: Sequence[str]) -> Mapping[str, str | None]:
        """Map names to the native ids found, and to None when they are certainly unknown.

        Where the look-up failed in part, what is not known is not in the answer.

        Raises:
            SchedulerBusy: the look-up failed, or cannot be read, and found nothing.
        """
        ...

    def cancel_command(self, native_ids: Sequence[str]) -> Command: ...

    def hold_command(self, native_ids: Sequence[str]) -> Command: ...

    def release_command(self, native_ids: Sequence[str]) -> Command: ...

    def probe_command(self) -> Command: ...

    def parse_probe(self, result: CommandResult) -> MachineFacts:
        """Read version, limits and whether there is accounting.

        Raises:
            SchedulerError: this batch system is not there, in its own words.
        """
        ...

    def explain(self, reason: str) -> str | None:
        """Say a pending reason or a cause of death in words; None if it is not known."""
        ...
