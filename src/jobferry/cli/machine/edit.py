"""``jobferry machine edit``."""

from __future__ import annotations

from jobferry import api
from jobferry.cli._editor import edit
from jobferry.cli._group import declare
from jobferry.cli._options import machine_argument


@declare("edit", examples=("jobferry machine edit narval", "EDITOR=nano jobferry machine edit narval"))
@machine_argument
def command(machine: str) -> int:
    """Open the file a machine is configured in.

    $VISUAL or $EDITOR is used; what is wrong with the file afterwards is told.
    """
    return edit(api.settings.file_of(machine))
