"""``jobferry machine show``."""

from __future__ import annotations

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option, machine_argument


@declare("show", examples=("jobferry machine show narval",))
@machine_argument
@format_option
def command(machine: str, form: str) -> None:
    """Show how a machine is configured."""
    table = api.settings.table(jobferry.machine(machine).plain())
    if form == "json":
        _output.document("machine", table)
    elif form == "ids":
        _output.data(machine)
    else:
        _output.sheet("", [(name, _output.cell(value)) for name, value in table.items()])
