"""``jobferry release``."""

from __future__ import annotations

from jobferry import JobState, api
from jobferry.cli._acting import act
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import Selection, selection


@declare(
    "release",
    examples=(
        "jobferry release 01hx",
        "jobferry release --all",
    ),
)
@selection
@dry_run_option
def command(selected: Selection, dry_run: bool) -> None:
    """Let held jobs start."""
    act(selected.jobs(states=[JobState.HELD]), "release", api.release, dry_run=dry_run)
