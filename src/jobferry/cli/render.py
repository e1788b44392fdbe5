"""``jobferry render``."""

from __future__ import annotations

from typing import Any

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import WorkCommand, job_options, read_work, work_argument


@declare(
    "render",
    cls=WorkCommand,
    examples=(
        "jobferry render -m narval --time 10m -- python3 train.py",
        "jobferry render --array 0-9%2 -- ./task > job.sh",
    ),
)
@job_options
@work_argument
def command(machine: str | None, words: tuple[str, ...], **options: Any) -> None:
    """Print the launch script of a job; nothing is sent."""
    work = read_work(words, options)
    _output.data(api.render(work, jobferry.machine(machine), **options).rstrip("\n"))
