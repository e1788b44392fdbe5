"""``jobferry submit``."""

from __future__ import annotations

from typing import Any

from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import WorkCommand, dry_run_option, job_options, work_argument
from jobferry.cli._plan import render, submit


@declare(
    "submit",
    cls=WorkCommand,
    examples=(
        "jobferry submit -m narval --time 10m -- python3 train.py --lr 0.1",
        "jobferry submit -m narval --time 1h --mem 4G train.sh first second",
        "id=$(jobferry submit --output 'model/*' -- make model); jobferry wait $id",
        "jobferry submit --after @last -- ./evaluate",
    ),
)
@job_options
@dry_run_option
@work_argument
def command(machine: str | None, dry_run: bool, words: tuple[str, ...], **options: Any) -> None:
    """Submit a job and print its id.

    After `--` stands a command. A script is taken as it is: its own #SBATCH lines are honoured, unless an
    option here says otherwise. FILE.json is a job file.
    """
    if dry_run:
        render(machine, words, options)
        return
    job = submit(machine, words, options)
    reasons = [entry.waits for entry in job.record.unsent if entry.waits]
    if reasons:
        # parts of an array wait for the same: the longest says what the machine said of it
        some = "a part of " if job.record.native_ids else ""
        _output.warning(f"{some}{job.id} {max(reasons, key=len)}")
    _output.data(job.id)
