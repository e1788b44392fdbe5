"""``jobferry list``."""

from __future__ import annotations

import click

import jobferry
from jobferry import Job, JobState, api
from jobferry.cli import _completion, _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option
from jobferry.cli._select import label_option, name_option, read_pairs

_COLUMNS = ("id", "name", "machine", "state", "native id", "time", "note")


@declare(
    "list",
    examples=(
        "jobferry list",
        "jobferry list --all --state failed --name 'train-*'",
        "jobferry list --format ids --label sweep=7",
    ),
)
@click.option(
    "-m", "--machine", metavar="NAME", shell_complete=_completion.machines, help="Only this machine's."
)
@click.option("--all", "every", is_flag=True, help="Every job of the store.")
@click.option(
    "--state",
    "states",
    metavar="STATE",
    multiple=True,
    shell_complete=_completion.states,
    help="Only jobs in this state. Repeatable.",
)
@label_option
@name_option
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="Only the N newest.")
@click.option("--cached", is_flag=True, help="As last seen; connect to nothing.")
@format_option
def command(
    machine: str | None,
    every: bool,
    states: tuple[str, ...],
    labels: tuple[str, ...],
    name: str | None,
    limit: int | None,
    cached: bool,
    form: str,
) -> None:
    """List unfinished and recent jobs.

    Recent are those of the last day and the 20 newest.
    """
    wanted = _read_states(states)
    find = jobferry.jobs if every else api.recent
    jobs = find(machine=machine, name=name, labels=read_pairs(labels))
    if not cached:
        jobs, errors = api.refresh(jobs)
        for error in errors:
            _output.warning(f"{error.machine}: {error}; as last seen", hint=error.hint)
    jobs = [job for job in jobs if not wanted or job.record.state in wanted]
    if limit is not None:
        jobs = jobs[len(jobs) - min(limit, len(jobs)) :]
    rows = [_row(job) for job in jobs]
    _output.listing("jobs", [api.summary(job) for job in jobs], _output.Table(_COLUMNS, rows), form)


def _read_states(words: tuple[str, ...]) -> frozenset[JobState]:
    known = JobState.__members__
    for word in words:
        if word.upper() not in known:
            raise click.BadParameter(f"{word!r} is none of {', '.join(known).lower()}", param_hint="--state")
    return frozenset(known[word.upper()] for word in words)


def _row(job: Job) -> tuple[str, ...]:
    record = job.record
    status = record.status
    return (
        job.id,
        job.name,
        record.machine.name,
        status.state.value.lower(),
        # without a batch system the native id repeats the start and the job: host and process are enough here
        ":".join((record.native_id or "").split(":")[:2]),
        _output.duration(api.elapsed(job)),
        _note(job),
    )


def _note(job: Job) -> str:
    status = job.record.status
    if status.signal:
        how = f"signal {status.signal}"
    elif status.exit_code:
        how = f"exit code {status.exit_code}"
    else:
        how = status.failure.value.lower().replace("_", " ") if status.failure else ""
    waits = next((entry.waits for entry in job.record.unsent if entry.waits), None)
    tried = f"attempt {len(job.record.attempts) + 1}" if job.record.attempts and not job.record.tasks else ""
    said = ": ".join(part for part in (how, status.reason or waits) if part)
    return said if said.startswith("attempt ") else "; ".join(part for part in (tried, said) if part)
