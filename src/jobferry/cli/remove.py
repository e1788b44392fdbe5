"""``jobferry remove``."""

from __future__ import annotations

import click

from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import Selection, job_words, selection


@declare(
    "remove",
    examples=(
        "jobferry remove 01hx",
        "jobferry remove --all --remote --dry-run",
    ),
)
@selection
@click.option("--remote", is_flag=True, help="Also delete their folders over there.")
@dry_run_option
def command(selected: Selection, remote: bool, dry_run: bool) -> None:
    """Forget jobs that have ended.

    Outputs that were fetched stay where they are.
    """
    jobs = selected.jobs(unfinished=False)
    if not dry_run:
        jobs, _ = api.refresh(jobs)
        api.remove(jobs, remote=remote)
    for job in jobs:
        folder = " and delete its folder over there" if remote else ""
        done = "removed" if not dry_run else "would remove"
        _output.talk(f"{done} {job_words(job)}{folder if dry_run else ''}")
