"""``jobferry exec``."""

from __future__ import annotations

import click

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import Command, declare
from jobferry.cli._options import machine_argument


class ExecCommand(Command):
    """A command whose last words belong to another."""

    allow_interspersed_args = False


@declare(
    "exec",
    cls=ExecCommand,
    examples=(
        "jobferry exec narval -- hostname",
        "jobferry exec narval -- sh -c 'echo $HOME'",
        "jobferry exec narval -- tar -cf - logs | tar -xf -",
    ),
)
@machine_argument
@click.argument("words", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(machine: str, words: tuple[str, ...]) -> int:
    """Run a command on a machine.

    Its standard input, output and error go through as bytes, and its exit code is ours.
    """
    argv = words[1:] if words[0] == "--" else words
    if not argv:
        raise click.UsageError("what is to be run? put a command after `--`")
    return api.stream_exec(
        jobferry.machine(machine),
        argv,
        stdin=_output.raw_stdin(),
        stdout=_output.data_bytes,
        stderr=_output.talk_bytes,
    )
