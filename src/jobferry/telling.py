"""What can be told of one job or of a sweep, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobferry import retrying
from jobferry.client import default_client
from jobferry.job_handle import Job

if TYPE_CHECKING:
    from jobferry.explain import Explanation
    from jobferry.machine_handle import Machine


def summary(job: Job) -> dict[str, object]:
    """Tell a job in a few fields, ready for JSON."""
    from jobferry.model.serialize import job_summary

    return job_summary(job.record)


def details(job: Job) -> dict[str, object]:
    """Tell all that is known of a job, ready for JSON."""
    from jobferry.details import job_details

    return job_details(job.record)


def asked_for(job: Job) -> dict[str, str]:
    """Tell in words what a job asks for; what it does not ask for is empty."""
    from jobferry.details import asked_for

    return asked_for(job.record)


def elapsed(job: Job) -> timedelta | None:
    """Tell how long a job has been running, or took; None before it began."""
    status = job.record.status
    if status.started_at is None:
        return None
    return (status.ended_at or default_client().clock.now()) - status.started_at


def refusal(job: Job) -> str | None:
    """Tell why the run that was to be a job's next will never begin; None when it may."""
    return retrying.refusal(job.record)


def why(job: Job) -> Explanation:
    """Say why a job waits or why it died, with what each witness says."""
    from jobferry.explain import explain

    return explain(default_client(), job.record)


def preview_sweep(
    machine: Machine, words: Sequence[str], points: Iterable[Mapping[str, Any]], **options: Any
) -> list[str]:
    """Write the command line of each task that a sweep would submit; nothing is connected or stored.

    Args:
        options: as for ``Machine.sweep``.

    Raises:
        SpecError: it cannot be run there.
    """
    from jobferry.functions.sweeping import preview
    from jobferry.render.shell import join

    return [join(each) for each in preview(machine, words, points, **options)]


def parse_parameters(entries: Iterable[str]) -> dict[str, list[str]]:
    """Read parameters with their values as they are typed: ``lr=0.1,0.2``, ``seed=1..5``.

    Raises:
        SpecError: not of that form.
    """
    from jobferry.functions.ranges import parse_parameters

    return parse_parameters(entries)
