"""``jobferry machine add``."""

from __future__ import annotations

import click

from jobferry import api
from jobferry.cli import _completion, _output
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import read_pairs


@declare(
    "add",
    examples=(
        "jobferry machine add gaia gaia",
        "jobferry machine add narval me@narval.example.org --scheduler slurm \\",
        "    --root '$SCRATCH/jobferry' --account def-prof \\",
        "    --setup 'module load python/3.11' --default time=1h --default mem=4G",
        "jobferry machine add narval-gpu --extends narval --account rrg-prof",
    ),
)
@click.argument("name")
@click.argument("host", required=False)
@click.option("--scheduler", metavar="NAME", help="slurm, direct, ...; found by `check` if not given.")
@click.option("--root", metavar="DIR", help="Folder for jobs over there; ~ and $NAME are expanded there.")
@click.option("--account", metavar="NAME", help="Account that jobs are charged to.")
@click.option("--partition", metavar="NAME", help="Partition of jobs.")
@click.option("--qos", metavar="NAME", help="Quality of service of jobs.")
@click.option(
    "--setup", metavar="LINE", multiple=True, help="Shell line run at the start of every job. Repeatable."
)
@click.option("--python", metavar="PROGRAM", help="The Python over there.")
@click.option("--ssh", metavar="WORDS", help="ssh client to run, with its options if need be.")
@click.option("--poll-interval", metavar="TIME", help="Ask the batch system at most so often: 30s.")
@click.option(
    "--max-jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Leave so many jobs and tasks at most to the batch system.",
)
@click.option(
    "--trusted/--not-trusted",
    default=None,
    help="Whether results of Python functions there may be anything, or plain data only.",
)
@click.option("--transport", metavar="NAME", help="openssh or local.")
@click.option(
    "--extends", metavar="M", shell_complete=_completion.machines, help="Machine to take the rest from."
)
@click.option(
    "--default",
    "defaults",
    metavar="K=V",
    multiple=True,
    help="Resource where a job asks for none. Repeatable.",
)
@dry_run_option
def command(name: str, defaults: tuple[str, ...], dry_run: bool, **values: object) -> None:
    """Add a machine to the configuration.

    HOST is whatever ssh accepts; without it the machine is this computer. Passwords are not kept anywhere.
    """
    resources = {key.replace("-", "_"): value for key, value in read_pairs(defaults).items()}
    # in the order in which one would write them
    ordered = {"extends": values["extends"], "host": values["host"], **values}
    path = (api.settings.check_new if dry_run else api.settings.add)(name, ordered, resources)
    _output.talk(f"{'would write' if dry_run else 'wrote'} [machines.{name}] to {path}")
