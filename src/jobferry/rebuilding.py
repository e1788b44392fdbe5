"""The local index made anew: every job's folder over there tells what it is and how far it got."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from jobferry.errors import JobferryError, SchedulerError, SubmitLimit, SubmitRefused, TransferError
from jobferry.model.command import Command, CommandResult
from jobferry.model.identity import is_job_id
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.serialize import document_from_json, submission_from_json
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Attempt, Submission
from jobferry.opened import OpenMachine
from jobferry.parts import chunks, offset_of
from jobferry.render.shell import quote
from jobferry.schedulers.base import Scheduler
from jobferry.submission import NO_ROOM

if TYPE_CHECKING:
    from jobferry.client import Client

logger = logging.getLogger(__name__)

# what a job's folder tells of it; work, logs and records may be large, and are read when they are wanted
_PACK = r"""
cd {jobs} 2>/dev/null || exit 0
find . \( -name work -o -name out -o -name runs -o -name '.?*' ! -name . \) -prune -o \
    \( -path './*/job.json' -o -path './*/submission-*.json' \
    -o -path './*/state/submit' -o -path './*/state/cancel' \) -print |
    tar -T - -cf -
"""
_LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a machine's folders told.

    Attributes:
        added: jobs that were not in the store, the oldest first, as they stand now.
        known: how many of the jobs over there were in the store.
        unread: what could not be read, in words.
    """

    added: tuple[JobRecord, ...]
    known: int
    unread: tuple[str, ...]


def rebuild(client: Client, machine: Machine) -> Rebuilt:
    """Put the jobs whose folders stand on a machine back into the store; what is in it is left alone.

    Raises:
        TransportError: the machine was not reached.
    """
    opened = client.open(machine)
    where = replace(machine.plain(), scheduler=opened.scheduler.name)
    folders: dict[str, dict[str, bytes]] = {}
    for job_id, name, content in _files(client, machine):
        folders.setdefault(job_id, {})[name] = content
    known = {record.id for record in client.store.find_all(list(folders))}
    found, unread = [], []
    for job_id, files in sorted(folders.items()):
        if job_id in known:
            continue
        try:
            found.append(_record(job_id, files, where, opened, client.clock.now()))
        except JobferryError as error:
            unread.append(f"{job_id}: {error}")
    client.store.add(found)
    seen = {record.id: record for record in client.refresh(found, force=True)} if found else {}
    return Rebuilt(added=tuple(seen[record.id] for record in found), known=len(known), unread=tuple(unread))


def _files(client: Client, machine: Machine) -> Iterator[tuple[str, str, bytes]]:
    """Yield the files that tell of jobs: the job's id, the name in its folder, the content."""
    opened = client.open(machine)
    script = _PACK.format(jobs=quote(f"{opened.root}/jobs"))
    result = opened.connection.run(Command(argv=("sh", "-c", script), timeout=600.0))
    if result.exit_code != 0 and not result.stdout:
        raise TransferError(f"the folders could not be read: {result.words}", machine=machine.name)
    try:
        with tarfile.open(fileobj=io.BytesIO(result.stdout), mode="r|") as archive:
            for member in archive:
                job_id, *rest = PurePosixPath(member.name).parts
                if not is_job_id(job_id) or not rest or member.size > _LARGEST:
                    continue
                file = archive.extractfile(member) if member.isfile() else None
                yield job_id, "/".join(rest), file.read() if file is not None else b""
    except tarfile.ReadError:
        # an empty root packs to nothing at all
        if result.stdout.strip(b"\0"):
            raise TransferError("what was read of the folders is no archive", machine=machine.name) from None


def _record(
    job_id: str, files: Mapping[str, bytes], machine: Machine, opened: OpenMachine, now: datetime
) -> JobRecord:
    if "job.json" not in files:
        raise TransferError("there is no job.json in its folder")
    spec, created_at = document_from_json(files["job.json"].decode("utf-8", "replace"))
    # under which account and where is not written down over there: it is as it would be for a new job
    spec = replace(spec, resources=machine.resources(spec.resources))
    told = _submissions(files, opened.scheduler, now)
    record = JobRecord(
        id=job_id,
        spec=spec,
        machine=machine,
        root=opened.root,
        base=Path.cwd(),
        submissions=told,
        placed=True,
        created_at=created_at or now,
        cancelled_at=now if "state/cancel" in files else None,
    )
    record = replace(record, attempts=tuple(_past_runs(record)))
    record = record.with_submissions(*_never_sent(record, opened.facts.max_array_size))
    if record.native_ids:
        return replace(record, status=JobStatus(state=JobState.QUEUED, observed_at=now))
    refused = _refusal(told[-1], files, opened.scheduler)
    if refused is None or isinstance(refused, SubmitLimit):
        return replace(record, status=JobStatus(state=JobState.SUBMITTING, observed_at=now))
    failed = JobStatus(state=JobState.FAILED, failure=Failure.REJECTED, reason=refused.message)
    return replace(record, status=failed)


def _past_runs(record: JobRecord) -> Iterator[Attempt]:
    """Tell of the runs that were followed by another; what they ended of is not known any more."""
    covering = record.covering()
    for task, last in covering.items():
        for entry in record.submissions:
            if entry.run < last.run and (task is None or task in record.tasks_of(entry)):
                status = JobStatus(state=JobState.FAILED, reason="not known any more")
                yield Attempt(run=entry.run, task=task, native_id=entry.native_id, status=status)


def _submissions(files: Mapping[str, bytes], scheduler: Scheduler, now: datetime) -> tuple[Submission, ...]:
    """Put together what was handed over: which part, which try, under which id."""
    described = (
        submission_from_json(content.decode("utf-8", "replace"))
        for name, content in files.items()
        if name.startswith("submission-") and name.endswith(".json")
    )
    entries = {entry.number: entry for entry in (Submission(), *described)}
    done, given_up = [], []
    for number, entry in sorted(entries.items()):
        attempt = _last_attempt(number, files)
        if attempt is None:
            continue
        entry = replace(entry, attempt=attempt, sent=True, claimed_at=now)
        native_id, refused = _native_id(entry, files, scheduler), _refusal(entry, files, scheduler)
        if native_id is not None:
            done.append(replace(entry, native_id=native_id))
        elif isinstance(refused, SubmitLimit):
            done.append(replace(entry, attempt=attempt + 1, waits=NO_ROOM))
        elif refused is not None:
            given_up.append(entry)
        else:
            done.append(replace(entry, doubted_since=now))
    # what was refused has given way to what came after it
    return tuple(done or given_up[-1:] or [Submission(sent=True, doubted_since=now)])


def _never_sent(record: JobRecord, largest: int | None) -> list[Submission]:
    """Make what is still to be handed over of an array: tasks that no submission over there covers.

    If a client elsewhere hands them over as well, one of the two finds each task taken, and leaves.
    """
    if record.spec.array is None:
        return []
    covered = record.covering()
    missing = [task for task in record.spec.array.indices if task not in covered]
    words = "it was never handed over"
    return [
        Submission(number=number, tasks=tasks, offset=offset_of(tasks, largest), waits=words)
        for number, tasks in enumerate(chunks(missing, largest), record.next_number)
    ]


def _last_attempt(number: int, files: Mapping[str, bytes]) -> int | None:
    begin = "state/submit/" if number == 1 else f"state/submit/{number}."
    tails = (name.removeprefix(begin).split("/")[0] for name in files if name.startswith(begin))
    return max((int(tail) for tail in tails if tail.isdecimal()), default=None)


def _native_id(entry: Submission, files: Mapping[str, bytes], scheduler: Scheduler) -> str | None:
    adopted = "state/submit/native_id" if entry.number == 1 else f"state/submit/{entry.number}.native_id"
    for name in (adopted, f"state/submit/{entry.key}/native_id"):
        if files.get(name, b"").strip():
            try:
                return scheduler.parse_submit(CommandResult(exit_code=0, stdout=files[name]))
            except SchedulerError as error:
                logger.warning("%s: %s", name, error)
    return None


def _refusal(entry: Submission, files: Mapping[str, bytes], scheduler: Scheduler) -> SubmitRefused | None:
    """Read the answer to the last try: None where there was none, or one that says nothing for certain."""
    said = files.get(f"state/submit/{entry.key}/refused")
    code = files.get(f"state/submit/{entry.key}/code", b"").strip()
    if said is None or not code.isdigit():
        return None
    try:
        scheduler.parse_submit(CommandResult(exit_code=int(code), stderr=said))
    except SubmitRefused as error:
        return error
    except SchedulerError:
        return None
    return None
