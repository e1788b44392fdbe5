"""``jobferry machine list``."""

from __future__ import annotations

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option


@declare("list", examples=("jobferry machine list", "jobferry machine list --format json"))
@format_option
def command(form: str) -> None:
    """List the machines that are configured."""
    default = jobferry.machine().name
    machines = [*api.machines().values()]
    rows = [
        (
            found.name,
            found.host or "",
            found.scheduler or "",
            found.root,
            "default" if found.name == default else "",
        )
        for found in machines
    ]
    content = [{**api.settings.table(found), "default": found.name == default} for found in machines]
    _output.listing(
        "machines", content, _output.Table(("name", "host", "scheduler", "root", "note"), rows), form
    )
