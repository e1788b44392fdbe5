"""``jobferry check``."""

from __future__ import annotations

import click

import jobferry
from jobferry.cli import _completion
from jobferry.cli._findings import tell
from jobferry.cli._group import declare
from jobferry.cli._options import format_option

_CODES = {"batch system": 4}


@declare("check", examples=("jobferry check", "jobferry check narval --format json"))
@click.argument("machine", metavar="[M]", required=False, shell_complete=_completion.machines)
@format_option
def command(machine: str | None, form: str) -> int:
    """Look a machine over: what works, what does not, what to do.

    The exit code is 0 when nothing is bad, 3 for the connection and what it needs, 4 for the batch system.
    """
    return tell(jobferry.machine(machine).check(), form, codes=_CODES, other=3)
