"""``jobferry doctor``."""

from __future__ import annotations

import click

import jobferry
from jobferry import api
from jobferry.cli import _completion, _output
from jobferry.cli._findings import tell
from jobferry.cli._group import declare
from jobferry.cli._options import format_option

_CODES = {"config": 2, "store": 6}


@declare(
    "doctor",
    examples=("jobferry doctor", "jobferry doctor --connect", "jobferry doctor --rebuild narval"),
)
@click.option("--connect", is_flag=True, help="Also reach every machine.")
@click.option(
    "--rebuild",
    metavar="M",
    shell_complete=_completion.machines,
    help="Put the jobs whose folders stand on M back into the list of jobs.",
)
@format_option
def command(connect: bool, rebuild: str | None, form: str) -> int:
    """Look Jobferry over on this computer.

    The exit code is 0 when nothing is bad, 2 for the configuration, 6 for the store, 3 for ssh and machines.
    """
    if rebuild is not None:
        return _rebuild(rebuild, form)
    return tell(api.diagnose(connect=connect), form, codes=_CODES, other=3)


def _rebuild(machine: str, form: str) -> int:
    found = api.rebuild(jobferry.machine(machine))
    rows = [(record.id, record.spec.name, record.state.value.lower()) for record in found.added]
    content = [{"id": record.id, "name": record.spec.name, "state": record.state} for record in found.added]
    _output.listing("jobs", content, _output.Table(("id", "name", "state"), rows), form)
    for words in found.unread:
        _output.warning(words)
    _output.notice(f"{len(found.added)} jobs put back, {found.known} were known")
    return 0
