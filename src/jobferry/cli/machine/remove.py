"""``jobferry machine remove``."""

from __future__ import annotations

from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, machine_argument


@declare("remove", examples=("jobferry machine remove narval",))
@machine_argument
@dry_run_option
def command(machine: str, dry_run: bool) -> None:
    """Take a machine out of the configuration.

    Its jobs stay known, and stay on it.
    """
    do = api.settings.file_of if dry_run else api.settings.remove
    path = do(machine)
    _output.talk(f"{'would remove' if dry_run else 'removed'} [machines.{machine}] from {path}")
