"""``jobferry hold``."""

from __future__ import annotations

from jobferry import JobState, api
from jobferry.cli._acting import act
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import Selection, selection


@declare(
    "hold",
    examples=(
        "jobferry hold 01hx",
        "jobferry hold --label sweep=7",
    ),
)
@selection
@dry_run_option
def command(selected: Selection, dry_run: bool) -> None:
    """Keep waiting jobs from starting."""
    act(selected.jobs(states=[JobState.QUEUED]), "hold", api.hold, dry_run=dry_run)
