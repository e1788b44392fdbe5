"""``jobferry cancel``."""

from __future__ import annotations

from jobferry import api
from jobferry.cli._acting import act
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import Selection, selection


@declare(
    "cancel",
    examples=(
        "jobferry cancel 01hx",
        "jobferry cancel --name 'train-*' --dry-run",
        "jobferry cancel --all",
    ),
)
@selection
@dry_run_option
def command(selected: Selection, dry_run: bool) -> None:
    """Cancel jobs.

    Those that have ended stay as they are; `--all` means every unfinished one.
    """
    act(selected.jobs(unfinished=True), "cancel", api.cancel, dry_run=dry_run)
