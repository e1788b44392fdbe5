"""``jobferry config``."""

from __future__ import annotations

from jobferry.cli._group import LazyGroup

SECTIONS = {
    "Commands": {
        "show": "Show every value that is set.",
        "edit": "Open the configuration file in an editor.",
        "path": "Print the path of the configuration file.",
    }
}

command = LazyGroup(
    "config",
    __name__,
    SECTIONS,
    help="Show or edit the configuration.",
    examples=("jobferry config show --origin", "jobferry config edit"),
)
