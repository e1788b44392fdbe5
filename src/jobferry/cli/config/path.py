"""``jobferry config path``."""

from __future__ import annotations

import click

from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare


@declare("path", examples=("jobferry config path", "jobferry config path --all"))
@click.option("--all", "every", is_flag=True, help="Every file that counts, low to high.")
def command(every: bool) -> None:
    """Print the path of the configuration file."""
    paths = api.settings.files()
    for path in paths if every else paths[:1]:
        _output.data(str(path))
