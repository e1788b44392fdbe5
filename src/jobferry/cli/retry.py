"""``jobferry retry``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from jobferry import JobState, api
from jobferry.cli._acting import act
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, resource_options
from jobferry.cli._select import Selection, selection

_FAILED = (JobState.FAILED, JobState.LOST)


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
    act(jobs, "retry", partial(api.retry, **resources), dry_run=dry_run)
