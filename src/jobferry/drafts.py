"""From what a user asks for to a job's record, before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jobferry.dependencies import is_refused
from jobferry.errors import SpecError
from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import DependencyKind, JobSpec
from jobferry.model.submission import Submission
from jobferry.options import Work, make_spec
from jobferry.ownership import owner
from jobferry.retrying import check_retry
from jobferry.schedulers.slurm_script import honour_directives


def draft(machine: Machine, work: Work, options: Mapping[str, Any], now: datetime) -> JobRecord:
    """Make a job's record.

    Raises:
        SpecError: the job cannot be run.
    """
    spec, _ = describe(work, options)
    spec = replace(spec, resources=machine.resources(spec.resources))
    check_retry(spec)
    return JobRecord(
        id=mint_ids(now)[0],
        spec=spec,
        machine=machine.plain(),
        base=Path.cwd(),
        created_at=now,
        submissions=(Submission(owner=owner(), claimed_at=now),),
    )


def describe(work: Work, options: Mapping[str, Any]) -> tuple[JobSpec, tuple[str, ...]]:
    """Build a specification; a script's own directives count. Also returns what has no effect.

    Raises:
        SpecError: an option or a directive that cannot be read.
    """
    spec = make_spec(work, options)
    if spec.script is None:
        return spec, ()
    return honour_directives(spec, named=bool(options.get("name")))


def awaited_ids(record: JobRecord, others: Sequence[JobRecord]) -> Mapping[str, Sequence[str]]:
    """Return the native ids a job waits for, by kind; what has ended as wanted is left out.

    Args:
        others: the jobs its dependencies name, in the same order, as they stand now.

    Raises:
        NotSubmitted: one of them waits here to be submitted.
        DependencyFailed: one of them has ended otherwise.
        SpecError: a dependency that cannot be met.
    """
    wanted: dict[str, list[str]] = {}
    for dependency, other in zip(record.spec.dependencies, others, strict=True):
        if other.machine.name != record.machine.name:
            raise SpecError(
                f"{other.id} is on {other.machine.name}: a job can only wait for jobs of its own machine",
                hint=f"`jobferry wait {other.id}` first, then submit",
            )
        if other.state.final:
            _check_outcome(other, dependency.kind)
        elif other.unsent or (dependency.kind is DependencyKind.AFTEROK and _has_failed_in_part(other)):
            raise NotSubmitted(
                f"waits here until {other.id} has been submitted", hint=f"`jobferry why {other.id}`"
            )
        else:
            ids = other.native_ids
            if dependency.kind is DependencyKind.AFTEROK and other.spec.array is None:
                # a twin leaves without success; the one that counts is the one that runs
                ids = ids[:1]
            wanted.setdefault(dependency.kind.value, []).extend(ids)
    return wanted


class NotSubmitted(SpecError):
    """A job that is waited for is not in the batch system's hands itself."""


class DependencyFailed(SpecError):
    """A job that is waited for has not ended as it should have."""


def _has_failed_in_part(other: JobRecord) -> bool:
    """Whether a native array of which tasks failed still counts, so that `afterok` of it is never met."""
    failed = {(attempt.run, attempt.native_id) for attempt in other.attempts if attempt.task is not None}
    return any((entry.run, entry.native_id) in failed for entry in other.current)


def _check_outcome(other: JobRecord, kind: DependencyKind) -> None:
    if is_refused(other, kind):
        raise DependencyFailed(
            f"{other.id} ({other.spec.name}), which this was to wait for, has ended as "
            f"{other.state.value.lower()}: {kind.value} cannot be met",
            hint=f"`jobferry why {other.id}`",
        )
