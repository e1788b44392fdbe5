"""``jobferry config show``."""

from __future__ import annotations

import click

from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option


@declare("show", examples=("jobferry config show", "jobferry config show --origin"))
@click.option("--origin", is_flag=True, help="Also tell the file and line of each.")
@format_option
def command(origin: bool, form: str) -> None:
    """Show every value that is set."""
    found = api.settings.rows()
    content = [
        {"key": key, "value": value, **({"origin": where} if origin else {})} for key, value, where in found
    ]
    columns = ("key", "value", "origin") if origin else ("key", "value")
    rows = [(key, _output.cell(value), *([where] if origin else [])) for key, value, where in found]
    _output.listing("config", content, _output.Table(columns, rows), form)
