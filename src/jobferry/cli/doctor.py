"""``jobferry doctor``."""

from __future__ import annotations

import click

from jobferry import api
from jobferry.cli._findings import tell
from jobferry.cli._group import declare
from jobferry.cli._options import format_option

_CODES = {"config": 2, "store": 6}


@declare("doctor", examples=("jobferry doctor", "jobferry doctor --connect"))
@click.option("--connect", is_flag=True, help="Also reach every machine.")
@format_option
def command(connect: bool, form: str) -> int:
    """Look Jobferry over on this computer.

    The exit code is 0 when nothing is bad, 2 for the configuration, 6 for the store, 3 for ssh and machines.
    """
    return tell(api.diagnose(connect=connect), form, codes=_CODES, other=3)
