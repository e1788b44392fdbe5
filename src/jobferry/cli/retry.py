"""``jobferry retry``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobferry import Job, JobState, api
from jobferry.cli import _output
from jobferry.cli._acting import act
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, resource_options
from jobferry.cli._select import Selection, job_words, selection
from jobferry.errors import SubmitRefused

_FAILED = (JobState.FAILED, JobState.LOST)
_ENDED = (*_FAILED, JobState.CANCELLED)


@declare(
    "retry",
    examples=(
        "jobferry retry 01hx",
        "jobferry retry 01hx --mem 16G --time 4h",
        "jobferry retry --failed --dry-run",
    ),
)
@selection
@click.option("--failed", is_flag=True, help="Only jobs that have failed; without JOB, all of them.")
@resource_options
@dry_run_option
def command(selected: Selection, failed: bool, dry_run: bool, **resources: Any) -> None:
    """Start anew what has ended without success.

    It runs in the same folder, with the resources it had or those given here; of an array only the tasks that
    failed run again. Every attempt is kept, with its logs and records.
    """
    if failed and selected.is_empty:
        selected = selected.all()
    jobs = selected.jobs(states=_FAILED)
    if failed:
        jobs = [job for job in jobs if job.record.state in _FAILED]
    if dry_run:
        act([job for job in jobs if _has_ended(job)], "retry", api.retry, dry_run=True)
        _tell_left([job for job in jobs if not _has_ended(job)])
        return
    again = api.retry(jobs, **resources) if jobs else []
    fresh = [job for job, before in zip(again, jobs, strict=True) if _runs(job) != _runs(before)]
    refused = [(job, words) for job in fresh if (words := api.refusal(job)) is not None]
    taken = [job for job in fresh if api.refusal(job) is None]
    if taken or not jobs:
        act(taken, "retry", lambda done: done, dry_run=False)
    _tell_left([job for job in again if job not in fresh])
    for job, words in refused[1:]:
        _output.error(f"{job_words(job)} was not taken: {words}")
    if refused:
        job, words = refused[0]
        raise SubmitRefused(
            f"{job_words(job)} was not taken: {words}", hint=f"`jobferry show {job.id}`", job_id=job.id
        )


def _has_ended(job: Job) -> bool:
    """Whether something of it has ended without success; an array may go on meanwhile."""
    statuses = (job.record.status, *job.record.tasks.values())
    return any(status.state in _ENDED for status in statuses)


def _runs(job: Job) -> int:
    return len(job.record.attempts)


def _tell_left(jobs: Sequence[Job]) -> None:
    for job in jobs:
        _output.talk(f"{job_words(job)} is left alone: it is {job.record.state.value.lower()}")
