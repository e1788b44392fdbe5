"""``jobferry get``."""

from __future__ import annotations

import click

import jobferry
from jobferry.cli import _output
from jobferry.cli._completion import files
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, exclude_option, machine_argument


@declare(
    "get",
    examples=(
        "jobferry get narval logs here/",
        "jobferry get narval 'results/*.csv'",
    ),
)
@machine_argument
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="[DEST]", default="", shell_complete=files)
@exclude_option
@dry_run_option
def command(machine: str, source: str, destination: str, exclude: tuple[str, ...], dry_run: bool) -> None:
    """Copy files from a machine.

    SRC is a file, a folder or a pattern, and starts at the login folder; DEST is here.
    """
    place = jobferry.machine(machine)
    if dry_run:
        _output.talk(f"would copy {place.name}:{source} to {destination or '.'}")
        return
    with _output.progress(source) as progress:
        place.get(source, destination, exclude=exclude, progress=progress)
