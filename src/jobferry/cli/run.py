"""``jobferry run``."""

from __future__ import annotations

from typing import Any

from jobferry import Job, JobferryError, JobState, api
from jobferry.cli import _output
from jobferry.cli._group import INTERRUPTED, declare
from jobferry.cli._options import WorkCommand, dry_run_option, job_options, work_argument
from jobferry.cli._plan import render, submit
from jobferry.errors import TransportError


@declare(
    "run",
    cls=WorkCommand,
    examples=(
        "jobferry run -- python3 -c 'print(6*7)'",
        "jobferry run -m narval --time 10m --gpus-per-node 1 --input train.py \\",
        "    --output 'model/*' -- python3 train.py --lr 0.1",
        "jobferry run -m narval --time 5m script.sh",
    ),
)
@job_options
@dry_run_option
@work_argument
def command(machine: str | None, dry_run: bool, words: tuple[str, ...], **options: Any) -> int:
    """Submit a job, follow it, fetch its outputs and end as it ends.

    What the job prints comes as it prints it; its outputs come to the current folder. The exit code is
    the job's own, 128 + n for signal n. Ctrl-C asks whether to leave the job running or to cancel it; a
    second one leaves.
    """
    if dry_run:
        render(machine, words, options)
        return 0
    job = submit(machine, words, options)
    try:
        _output.notice(f"{job.id}: submitted to {job.record.machine.name}")
        job = api.follow(job, _write, on_change=_tell, notice=_output.warning)
        if job.record.spec.outputs:
            _fetch(job)
    except KeyboardInterrupt:
        return _interrupted(job)
    except TransportError as error:
        if job.record.state.final:
            raise
        _output.error(error.message, command=error.command, hint=error.hint)
        _tell_going_on(job)
        return error.exit_code
    job.check()
    return 0


def _fetch(job: Job) -> None:
    try:
        with _output.progress("fetching") as progress:
            job.fetch(".", progress=progress)
    except JobferryError as error:
        # a job that failed is told by its own code; that its outputs did not come is said beside it
        if job.state is JobState.COMPLETED:
            raise
        _output.warning(str(error))


def _write(stream: str, piece: bytes) -> None:
    (_output.talk_bytes if stream == "stderr" else _output.data_bytes)(piece)


def _tell(job: Job) -> None:
    _output.notice(f"{job.id}: {job.record.state.value.lower()}")


def _interrupted(job: Job) -> int:
    """Ask what is to become of the job; without an answer it goes on."""
    try:
        if _output.ask("\ninterrupted: (l)eave it running or (c)ancel it?", "lc") == "c":
            api.cancel([job])
            _output.talk(f"{job.id}: cancelled")
            return INTERRUPTED
    except KeyboardInterrupt:
        pass
    _tell_going_on(job)
    return INTERRUPTED


def _tell_going_on(job: Job) -> None:
    _output.talk(f"{job.id} goes on: `jobferry logs -f {job.id}`, `jobferry cancel {job.id}`")
