"""Options that several commands share, and the reading of what is to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from jobferry.cli import _completion
from jobferry.cli._group import Command
from jobferry.cli._output import FORMATS

F = TypeVar("F", bound=Callable[..., Any])
Settings = tuple[tuple[str, ...], str, str]

_AFTER_DASHES = "jobferry.after_dashes"
_SCRIPTS = frozenset((".sh", ".bash", ".slurm", ".sbatch", ".j2", ".json"))
_WHO: Sequence[Settings] = ((("-n", "--name"), "NAME", "Name of the job."),)
_RESOURCES: Sequence[Settings] = (
    (("--nodes",), "N", "Number of nodes."),
    (("--ntasks",), "N", "Number of tasks."),
    (("--ntasks-per-node",), "N", "Tasks on each node."),
    (("--cpus-per-task",), "N", "CPUs for each task."),
    (("--gpus-per-node",), "[TYPE:]N", "GPUs on each node."),
    (("--gpus-per-task",), "[TYPE:]N", "GPUs for each task."),
    (("--mem",), "SIZE", "Memory on each node: 4G, 512M."),
    (("--mem-per-cpu",), "SIZE", "Memory for each CPU."),
    (("--time",), "TIME", "Time limit: 90 (minutes), 10m, 1h30m, 2d, HH:MM:SS."),
    (("--partition",), "NAME", "Partition."),
    (("--account",), "NAME", "Account that is charged."),
    (("--qos",), "NAME", "Quality of service."),
    (("--constraint",), "WORDS", "Features that nodes must have."),
    (("--reservation",), "NAME", "Reservation."),
)
_LISTS: Sequence[Settings] = (
    (("--env", "environment"), "K=V", "Set a variable."),
    (("--setup",), "LINE", "Run a shell line before the command."),
    (("--teardown",), "LINE", "Run a shell line after the command."),
    (("--input", "inputs"), "PATH[:DEST]", "Send a file or folder along."),
    (("--output", "outputs"), "GLOB", "Name what comes home."),
    (("--label", "labels"), "K=V", "Label the job."),
    (("--retry",), "CAUSE[:N[:mem*2]]", "Try again after OUT_OF_MEMORY, TIMEOUT, NODE_FAIL, ..."),
    (("--native",), "FLAG[=VALUE]", "Pass a flag on to the batch system."),
)
_FIELDS: Sequence[Settings] = (
    (("--launcher",), "WORDS", "What starts the command: srun, mpirun, ..."),
    (("--dir", "directory"), "DIR", "Folder over there to run in."),
    (("--array",), "0-9%2", "Run a task for each index; 2 at a time."),
    (("--signal",), "SIG@T", "Warn the job T seconds before its time limit."),
)


class WorkCommand(Command):
    """A command whose last words are a job's; remembers whether they came after ``--``."""

    allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [*args]
        rest = super().parse_args(ctx, args)
        before = given[: len(given) - len(ctx.params.get("words") or ())]
        ctx.meta[_AFTER_DASHES] = before[-1:] == ["--"]
        return rest


def job_options(function: F) -> F:
    """Add what `run`, `submit` and `render` take."""
    return _with_job_options(function, _FIELDS)


def sweep_options(function: F) -> F:
    """Add what `sweep` takes: it makes an array itself."""
    return _with_job_options(function, [entry for entry in _FIELDS if "--array" not in entry[0]])


def _with_job_options(function: F, fields: Sequence[Settings]) -> F:
    options = [
        machine_option,
        *(click.option(*names, metavar=form, help=words) for names, form, words in (*_WHO, *_RESOURCES)),
        click.option("--exclusive", is_flag=True, default=None, help="Share the nodes with nobody."),
        *(
            click.option(*names, metavar=form, multiple=True, help=f"{words} Repeatable.")
            for names, form, words in _LISTS
        ),
        *(click.option(*names, metavar=form, help=words) for names, form, words in fields),
        click.option(
            "--after",
            metavar="JOB[:KIND]",
            multiple=True,
            callback=_resolve_after,
            shell_complete=_completion.jobs,
            help="Start after a job: afterok (if not said), afterany, afternotok. Repeatable.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def resource_options(function: F) -> F:
    """Add the resources a job can ask for, and nothing else."""
    for names, form, words in reversed(_RESOURCES):
        function = click.option(*names, metavar=form, help=words)(function)
    return function


machine_option = click.option(
    "-m",
    "--machine",
    metavar="NAME",
    shell_complete=_completion.machines,
    help="Machine; the default one if not given.",
)
machine_argument = click.argument("machine", metavar="M", shell_complete=_completion.machines)
work_argument = click.argument(
    "words",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="(-- CMD... | SCRIPT [ARGS]...)",
    shell_complete=_completion.files,
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    envvar="JOBFERRY_FORMAT",
    help="Form of the answer; also $JOBFERRY_FORMAT.",
)
exclude_option = click.option(
    "--exclude", metavar="GLOB", multiple=True, help="Leave out what matches. Repeatable."
)


def read_work(words: Sequence[str], options: dict[str, Any]) -> Any:
    """Tell a command from a script and from a job file; a script's own arguments go into the options.

    It is a command after ``--``, and when the first word is not a file here; one that looks like a file
    mistyped is an error.
    """
    ctx = click.get_current_context()
    if not words:
        raise click.UsageError("what is to be run? put a command after `--`, or name a script", ctx)
    first = Path(words[0])
    if ctx.meta[_AFTER_DASHES]:
        return [*words]
    if not first.is_file():
        if first.suffix in _SCRIPTS:
            raise click.UsageError(f"no such file: {first}; a command goes after `--`", ctx)
        return [*words]
    arguments = [*words[1:]]
    if first.suffix == ".json":
        if arguments:
            raise click.UsageError(f"a job file takes no arguments: {arguments[0]!r}", ctx)
        from jobferry import api

        return api.read_job_file(first)
    options["arguments"] = arguments[1:] if arguments[:1] == ["--"] else arguments
    return first


def _resolve_after(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> Sequence[str]:
    if not values or ctx.resilient_parsing:
        return values
    import jobferry

    # `@last` means the last job now, and not when the batch system is asked
    parts = (value.partition(":") for value in values)
    return [f"{jobferry.job(job_id).id}{colon}{kind}" for job_id, colon, kind in parts]
