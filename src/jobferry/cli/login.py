"""``jobferry login``."""

from __future__ import annotations

import jobferry
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, machine_argument


@declare("login", examples=("jobferry login narval",))
@machine_argument
@dry_run_option
def command(machine: str, dry_run: bool) -> None:
    """Open the shared connection to a machine, answering its questions.

    Passwords and codes are asked for by ssh itself, on the terminal; the connection then serves all commands.
    """
    place = jobferry.machine(machine)
    if dry_run:
        _output.talk(f"would connect to {place.host or 'this computer'}")
        return
    place.login()
    _output.notice(f"{place.name}: connected")
