"""``jobferry machine``."""

from __future__ import annotations

from jobferry.cli._group import LazyGroup

SECTIONS = {
    "Commands": {
        "list": "List the machines that are configured.",
        "add": "Add a machine to the configuration.",
        "show": "Show how a machine is configured.",
        "edit": "Open the file a machine is configured in.",
        "remove": "Take a machine out of the configuration.",
    }
}

command = LazyGroup(
    "machine",
    __name__,
    SECTIONS,
    help="List, add, show, edit and remove machines.",
    examples=(
        "jobferry machine add narval me@narval.example.org --scheduler slurm",
        "jobferry machine list",
    ),
)
