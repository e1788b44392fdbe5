"""``jobferry wait``."""

from __future__ import annotations

import click

from jobferry import Job, api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._select import Selection, selection
from jobferry.errors import JobError


@declare(
    "wait",
    examples=(
        "jobferry wait 01hx 01hy",
        "jobferry wait --all --timeout 1h",
        "jobferry wait @last && jobferry fetch @last",
    ),
)
@selection
@click.option("--timeout", metavar="TIME", help="Stop waiting after: 90 (minutes), 30s, 10m, 2h.")
def command(selected: Selection, timeout: str | None) -> None:
    """Wait until jobs have ended.

    The exit code is 0, that of the first job that failed, or 124 when the time is over.
    """
    jobs = selected.jobs(unfinished=True)
    done = api.wait(jobs, timeout, on_change=_tell, notice=_output.warning)
    failures = [error for job in done if (error := _failure(job)) is not None]
    for failure in failures[1:]:
        _output.error(failure.message, hint=failure.hint)
    if failures:
        raise failures[0]


def _tell(job: Job) -> None:
    _output.notice(f"{job.id}: {job.record.state.value.lower()}")


def _failure(job: Job) -> JobError | None:
    try:
        job.check()
    except JobError as error:
        return error
    return None
