"""The common shape of commands that act on jobs: say what would be done, or do it and say what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobferry import Job
from jobferry.cli import _output
from jobferry.cli._select import job_words


def act(
    jobs: Sequence[Job],
    verb: str,
    do: Callable[[Sequence[Job]], Sequence[Job]],
    *,
    dry_run: bool,
) -> None:
    """Do something to jobs and tell how they stand then."""
    if not jobs:
        _output.notice(f"there is no job to {verb}")
    elif dry_run:
        for job in jobs:
            _output.talk(f"would {verb} {job_words(job)}, {job.record.state.value.lower()}")
    else:
        for job in do(jobs):
            asked = "" if job.record.state.final or job.record.cancelled_at is None else ", asked to end"
            _output.talk(f"{job_words(job)}: {job.record.state.value.lower()}{asked}")
