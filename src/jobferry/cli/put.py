"""``jobferry put``."""

from __future__ import annotations

import click

import jobferry
from jobferry.cli import _output
from jobferry.cli._completion import files
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option, exclude_option, machine_argument


@declare(
    "put",
    examples=(
        "jobferry put narval data inputs/",
        "jobferry put narval data/ inputs --exclude '*.tmp'",
    ),
)
@machine_argument
@click.argument("source", metavar="SRC", shell_complete=files)
@click.argument("destination", metavar="[DEST]", default="")
@exclude_option
@dry_run_option
def command(machine: str, source: str, destination: str, exclude: tuple[str, ...], dry_run: bool) -> None:
    """Copy a file or folder to a machine.

    As with rsync, `data/` is what is in the folder, `data` the folder itself. DEST starts at the
    login folder.
    """
    place = jobferry.machine(machine)
    if dry_run:
        _output.talk(f"would copy {source} to {place.name}:{destination or '~'}")
        return
    with _output.progress(source) as progress:
        place.put(source, destination, exclude=exclude, progress=progress)
