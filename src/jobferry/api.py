"""The functions one begins with: machines and jobs by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import jobferry.client as clients
from jobferry import settings as settings
from jobferry.client import default_client
from jobferry.errors import JobferryError, SpecError
from jobferry.job_handle import Job, as_duration, open_job
from jobferry.machine_handle import Machine
from jobferry.model.machine import Machine as MachineDescription
from jobferry.model.readers import read_resources
from jobferry.model.spec import JobSpec
from jobferry.model.status import JobState
from jobferry.options import Work
from jobferry.telling import asked_for as asked_for
from jobferry.telling import details as details
from jobferry.telling import elapsed as elapsed
from jobferry.telling import parse_parameters as parse_parameters
from jobferry.telling import preview_sweep as preview_sweep
from jobferry.telling import refusal as refusal
from jobferry.telling import summary as summary
from jobferry.telling import why as why

if TYPE_CHECKING:
    from jobferry.checkup import Finding
    from jobferry.preview import Preview
    from jobferry.rebuilding import Rebuilt

# what `recent` shows of jobs that have ended
_RECENT = timedelta(days=1)
_RECENT_COUNT = 20


def machine(name: str | None = None, **overrides: Any) -> Machine:
    """Return a configured machine; without a name the default one, or else this computer.

    Args:
        overrides: any field of the machine, for this handle alone.

    Raises:
        UnknownMachine: not configured; lists those that are.
        ConfigError: the configuration cannot be used.
    """
    client = default_client()
    found = client.config.machine(name, **overrides)
    values = {entry.name: getattr(found, entry.name) for entry in fields(MachineDescription)}
    return Machine(**values, client=client)


def job(job_id: str) -> Job:
    """Return a job by its id, an unambiguous prefix of it, or ``@last``: any process, any day.

    Raises:
        JobNotFound: none, or more than one, answers to it.
    """
    client = default_client()
    return open_job(client.store.resolve(job_id), client)


def jobs(
    *,
    machine: str | None = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    states: Iterable[JobState] | None = None,
    unfinished: bool | None = None,
    limit: int | None = None,
) -> list[Job]:
    """Return jobs, the newest last, as last seen.

    Args:
        name: a pattern such as ``train-*``.
        unfinished: only those that have not ended, or only those that have.
    """
    client = default_client()
    found = client.store.find(
        machine=machine,
        name_glob=name,
        labels=labels,
        states=None if states is None else frozenset(states),
        unfinished=unfinished,
        limit=limit,
    )
    return [open_job(record, client) for record in found]


def recent(
    *,
    machine: str | None = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Job]:
    """Return the jobs one is likely to ask about: unfinished, of the last day, or among the newest."""
    client = default_client()
    find = partial(client.store.find, machine=machine, name_glob=name, labels=labels)
    looks = (
        find(unfinished=True),
        find(since=client.clock.now() - _RECENT),
        find(limit=_RECENT_COUNT),
    )
    found = {record.id: record for records in looks for record in records}
    records = sorted(found.values(), key=lambda record: (record.created_at, record.id))
    return [open_job(record, client) for record in records]


def refresh(jobs: Iterable[Job]) -> tuple[list[Job], list[JobferryError]]:
    """Look at jobs, one request a machine; also returns what was in the way, a machine each."""
    client = default_client()
    current = {job.id: job.record for job in jobs}
    errors = []
    for name in dict.fromkeys(record.machine.name for record in current.values()):
        mine = [record for record in current.values() if record.machine.name == name]
        try:
            current.update({record.id: record for record in client.refresh(mine)})
        except JobferryError as error:
            error.machine = error.machine or name
            errors.append(error)
    return [open_job(record, client) for record in current.values()], errors


def wait(
    jobs: Iterable[Job],
    timeout: float | str | timedelta | None = None,
    *,
    on_change: Callable[[Job], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[Job]:
    """Wait until all jobs have ended.

    Raises:
        WaitTimeout: the time is over; the jobs go on.
    """
    client = default_client()
    tell = None if on_change is None else lambda record: on_change(open_job(record, client))
    records = [job.record for job in jobs]
    done = client.wait(records, as_duration(timeout), on_change=tell, notice=notice)
    return [open_job(record, client) for record in done]


def follow(
    job: Job,
    write: Callable[[str, bytes], None],
    *,
    streams: Sequence[str] = ("stdout", "stderr"),
    task: int | None = None,
    lines: int | None = None,
    on_change: Callable[[Job], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Job:
    """Hand on what a job prints until it has ended, over broken links too; `write` gets the stream's name.

    Raises:
        TransportError: the machine was not reached in the first place.
    """
    from jobferry.following import Follower

    client = default_client()
    tell = None if on_change is None else lambda record: on_change(open_job(record, client))
    follower = Follower(client, on_change=tell, notice=notice)
    return open_job(follower.follow(job.record, write, streams=streams, task=task, lines=lines), client)


def cancel(jobs: Iterable[Job]) -> list[Job]:
    """Cancel jobs, one request a machine; harmless for those that have ended."""
    client = default_client()
    return [open_job(record, client) for record in client.cancel([job.record for job in jobs])]


def retry(jobs: Iterable[Job], **resources: Any) -> list[Job]:
    """Start anew what has ended without success, one request a machine; the rest stays as it is.

    Args:
        resources: what to ask for instead of what they had.
    """
    client = default_client()
    given = read_resources({name: value for name, value in resources.items() if value is not None})
    return [open_job(record, client) for record in client.retry([job.record for job in jobs], given)]


def rebuild(machine: Machine) -> Rebuilt:
    """Put the jobs whose folders stand on a machine back into the list of jobs; what is in it is left alone.

    Raises:
        TransportError: the machine was not reached.
    """
    from jobferry.rebuilding import rebuild

    return rebuild(default_client(), machine)


def hold(jobs: Iterable[Job]) -> list[Job]:
    """Keep waiting jobs from starting, one request a machine."""
    client = default_client()
    return [open_job(record, client) for record in client.hold([job.record for job in jobs])]


def release(jobs: Iterable[Job]) -> list[Job]:
    """Let held jobs start, one request a machine."""
    client = default_client()
    return [open_job(record, client) for record in client.release([job.record for job in jobs])]


def remove(jobs: Iterable[Job], *, remote: bool = False) -> None:
    """Forget jobs that have ended; with `remote`, delete their folders over there first.

    Raises:
        SpecError: a job has not ended.
    """
    default_client().remove([job.record for job in jobs], remote=remote)


def preview(work: Work, machine: Machine, **options: Any) -> Preview:
    """Render a job without connecting, storing or sending anything.

    Raises:
        SpecError: it cannot be run there.
        ConfigError: the machine's batch system is not known yet.
    """
    from jobferry.preview import preview

    return preview(default_client(), machine, work, options)


def render(work: Work, machine: Machine, **options: Any) -> str:
    """Return a job's launch script; no connection."""
    return preview(work, machine, **options).script


def read_job_file(path: str | Path) -> JobSpec:
    """Read a portable job file.

    Raises:
        SpecError: not a job file.
    """
    from jobferry.model.serialize import spec_from_document

    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the job file cannot be read: {path}: {error}") from error
    spec = spec_from_document(text)
    if spec.function is not None:
        raise SpecError(
            f"{path} is of calls of a Python function, which travel in a file of their own",
            hint="run the program that called it; with a sweep's name nothing runs twice",
        )
    return spec


def diagnose(*, connect: bool = False) -> list[Finding]:
    """Look over configuration, store and ssh on this computer; with `connect`, also reach every machine."""
    from jobferry import diagnosis

    return diagnosis.diagnose(default_client(), connect=connect)


def machines() -> dict[str, MachineDescription]:
    """Return the machines that are configured, by name."""
    return dict(default_client().config.machines)


def stream_exec(
    machine: Machine,
    argv: Sequence[str],
    *,
    stdin: BinaryIO | None,
    stdout: Callable[[bytes], object],
    stderr: Callable[[bytes], object],
) -> int:
    """Run a command there with its streams passed through as bytes; return its exit code.

    Args:
        stdin: an unbuffered stream; what is read ahead of the command's end is lost.

    Raises:
        TransportError: it could not be started, or its end was not seen.
    """
    from jobferry.transports.pump import pass_through

    return pass_through(default_client().open(machine).connection.transport, argv, stdin, stdout, stderr)


def close() -> None:
    """End what is held open; the next call reads configuration and store anew."""
    found = clients._default
    if found is not None:
        clients._default = None
        found[1].close()
