"""``jobferry sweep``."""

from __future__ import annotations

from typing import Any

import click

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import WorkCommand, dry_run_option, sweep_options


@declare(
    "sweep",
    cls=WorkCommand,
    examples=(
        "jobferry sweep -p lr=0.1,0.2 -p seed=1..5 -- ./train {lr} {seed}",
        "jobferry sweep --zip -p a=1..3 -p b=x,y,z --concurrency 2 -- echo {a} {b}",
        "jobferry sweep -n fits -p i=1..9 --output 'fit-{i}.txt' -- ./fit {i}",
    ),
)
@click.option(
    "-p", "--param", "params", metavar="NAME=VALUES", multiple=True, help="Values: 0.1,0.2 or 1..5."
)
@click.option("--zip", "zipped", is_flag=True, help="First with first, second with second; not all with all.")
@click.option("--concurrency", metavar="N", type=click.IntRange(min=1), help="So many run at a time.")
@click.option(
    "--tasks-per-job",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="So many share one element of the array; needs Python there.",
)
@click.option("--force", is_flag=True, help="Run all tasks anew.")
@sweep_options
@dry_run_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def command(
    machine: str | None,
    params: tuple[str, ...],
    zipped: bool,
    dry_run: bool,
    words: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a command over many parameters, as one array.

    Each combination of values is a task; the id of the array is printed.
    {NAME} in the command, in --input and in --output stands for the parameter's value. With --name it is the
    same sweep each time: what has run is not run again, and new values only add.
    """
    if not words:
        raise click.UsageError("what is to be run? put a command after `--`", click.get_current_context())
    values = api.parse_parameters(params)
    points = (jobferry.zipped if zipped else jobferry.grid)(**values)
    given = {name: value for name, value in options.items() if value not in (None, (), "")}
    if dry_run:
        for line in api.preview_sweep(jobferry.machine(machine), [*words], points, **given):
            _output.data(line)
        return
    sweep = jobferry.machine(machine).sweep([*words], points, **given)
    for job in sweep.jobs:
        _output.data(job.id)
