"""``jobferry config edit``."""

from __future__ import annotations

from jobferry import api
from jobferry.cli._editor import edit
from jobferry.cli._group import declare


@declare("edit", examples=("jobferry config edit", "EDITOR=nano jobferry config edit"))
def command() -> int:
    """Open the configuration file in an editor.

    $VISUAL or $EDITOR is used; what is wrong with the file afterwards is told.
    """
    return edit(api.settings.files()[0])
