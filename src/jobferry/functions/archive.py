"""A whole sweep in one file, and back: tasks, jobs, results, what was printed and made."""

from __future__ import annotations

import itertools
import json
import logging
import os
import secrets
import tempfile
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

from jobferry.client import Client, default_client
from jobferry.errors import ResultError, SpecError, StoreError, TransferError
from jobferry.functions import sweep_files
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.sweep import Sweep
from jobferry.functions.sweep_task import SweepTask
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.function import FunctionCall
from jobferry.model.machine import Machine as MachineDescription
from jobferry.model.record import JobRecord
from jobferry.model.serialize import record_from_json, record_to_json
from jobferry.opened import run_folder
from jobferry.staging.transfer import get
from jobferry.store import SweepRow, TaskRow

logger = logging.getLogger(__name__)

_FORMAT = "jobferry sweep 1"
_INDEX = "sweep.json"
_JOBS, _RESULTS, _FILES = "jobs", "results", "files"
_CHUNK = 1024 * 1024


def backup(sweep: Sweep, path: str | Path) -> Path:
    """Write all there is of a sweep into one zip file, and return its path.

    In it are the tasks with their parameters, the jobs that run them, their results, and under ``files`` what
    they printed and, where the sweep names outputs, what they made. It is brought home first; of a job whose
    folder over there is gone, what is here already. Tasks that go on are in it as they stand.

    Raises:
        SpecError: nothing of the sweep was submitted, or a part of it waits here to be sent.
        StoreError: the file cannot be written; one of that name is kept then, and else replaced.
        TransportError: the machine was not reached.
    """
    sweep.refresh()
    if not sweep.jobs:
        raise SpecError(f"nothing of the sweep {sweep.name} was submitted", hint="submit() it first")
    if waiting := [job.id for job in sweep.jobs if not job.record.state.final and job.record.unsent]:
        raise SpecError(f"a part of {waiting[0]} waits here to be sent", hint="wait() for the sweep first")
    target = Path(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(aside, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            # results and outputs are nobody else's business
            aside.chmod(0o600)
            _write(archive, sweep)
        aside.replace(target)
    except OSError as error:
        raise StoreError(f"the backup cannot be written: {target}: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)
    return target


def restore(path: str | Path, to: str | Path | None = None, *, client: Client | None = None) -> Sweep:
    """Take a sweep from a file that `backup` wrote into the list of jobs here, and return it.

    Jobs, results and tasks that are here already are left as they are. What has not ended is followed on its
    machine from then on. Results are pickles as a rule: restore only what comes from somebody you trust.

    Args:
        to: a folder for what the tasks printed and made; without it that stays in the file.

    Raises:
        SpecError: it is no such file, or the sweep of that name here runs something else.
    """
    client = client or default_client()
    try:
        with zipfile.ZipFile(path) as archive:
            saved = _read(archive)
            row = _take_in(client, saved, archive)
            if to is not None:
                _unpack(archive, Path(to))
    except (zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, RuntimeError) as error:
        words = f"{path} is no backup of a sweep, or not a whole one: {error}"
        raise SpecError(words, hint="jobferry.backup makes one") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be taken in: {error}") from error
    return Sweep(client, _machine(client, saved.records[0]), row, None)


# -- writing


def _write(archive: zipfile.ZipFile, sweep: Sweep) -> None:
    rows = sweep.jobs[0].client.store.sweeps.tasks(sweep.row.id)
    index = {"format": _FORMAT, "sweep": asdict(sweep.row), "tasks": [asdict(row) for row in rows]}
    archive.writestr(_INDEX, json.dumps(index, indent=1))
    with tempfile.TemporaryDirectory(prefix="jobferry-") as folder:
        for job in sweep.jobs:
            _bring(sweep, job, Path(folder) / "logs")
            archive.writestr(f"{_JOBS}/{job.id}.json", record_to_json(job.record))
            for number, file in enumerate(_results(job)):
                archive.write(file, f"{_RESULTS}/{job.id}/{number}")
        if any(job.record.spec.outputs for job in sweep.jobs):
            templates = sweep.work.outputs if sweep.work is not None else ()
            sweep_files.fetch(sweep, Path(folder) / "outputs", templates, _warn)
        for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            # a name that is no UTF-8 cannot stand in a zip file as it is
            name = os.fsencode(file.relative_to(folder).as_posix()).decode("utf-8", "replace")
            archive.write(file, f"{_FILES}/{name}")


def _bring(sweep: Sweep, job: Job, logs: Path) -> None:
    """Bring home what a job left; where its folder over there is gone, there is nothing more to have."""
    try:
        if isinstance(job, FunctionJob):
            job.bring()
        # what a later run printed takes the place of what an earlier did
        for run in sorted({entry.run for entry in job.record.submissions}):
            _bring_logs(sweep, job, run, logs)
    except (ResultError, TransferError) as error:
        _warn(job, error)


def _warn(job: Job, error: ResultError | TransferError) -> None:
    logger.warning("%s: not all of it is in the backup: %s", job.id, error)


def _bring_logs(sweep: Sweep, job: Job, run: int, logs: Path) -> None:
    """Bring what one run of a job printed, under the names of its tasks."""
    aside = logs / ".new"
    connection = job.client.machine_of(job.record).connection
    get(connection, f"{run_folder(job.record, run)}/out/", aside, exclude=("result*",))
    tasks: dict[str, list[SweepTask]] = {}
    for task in sweep.tasks:
        if task.job is job:
            tasks.setdefault(str(task.element), []).append(task)
    for file in aside.iterdir():
        stream, _, element = file.name.partition(".")
        of = tasks.get(element, [])
        # what many tasks printed into one file stands under the job's name
        name = f"{of[0].index}-{of[0].label}" if len(of) == 1 else "-".join([job.id, *element.split()])
        file.replace(logs / f"{name}.{stream}")
    aside.rmdir()


def _results(job: Job) -> list[Path]:
    function = job.record.spec.function
    return [] if function is None else job.client.store.calls.results(function)


# -- reading


@dataclass(frozen=True, slots=True)
class _Saved:
    """What a file says of a sweep."""

    row: SweepRow
    tasks: list[TaskRow]
    records: list[JobRecord]


def _read(archive: zipfile.ZipFile) -> _Saved:
    index = json.loads(archive.read(_INDEX))
    if index["format"] != _FORMAT:
        raise ValueError(f"it is written in the format {index['format']!r}, and {_FORMAT!r} can be read")
    tasks = [TaskRow(**task) for task in index["tasks"]]
    jobs = dict.fromkeys(task.job_id for task in tasks)
    records = [record_from_json(archive.read(f"{_JOBS}/{job_id}.json").decode()) for job_id in jobs]
    if not records:
        raise ValueError("there are no tasks in it")
    return _Saved(SweepRow(**index["sweep"]), tasks, records)


def _take_in(client: Client, saved: _Saved, archive: zipfile.ZipFile) -> SweepRow:
    store, row = client.store, saved.row
    known = store.sweeps.open(row.machine, row.name, row.what, row.digest)
    if known.digest != row.digest and not store.sweeps.tasks(known.id):
        # one of which nothing was submitted may become another
        store.sweeps.change(known.id, row.what, row.digest)
    elif known.digest != row.digest:
        raise SpecError(f"the sweep {row.name!r} on {row.machine} runs something else here: {known.what}")
    here = {record.id for record in store.find_all([record.id for record in saved.records])}
    new = [replace(record, revision=0) for record in saved.records if record.id not in here]
    # results first: a job that is known is not taken in again
    for record in new:
        if record.spec.function is not None:
            _take_in_results(client, record.id, record.spec.function, archive)
    store.add(new)
    store.sweeps.take_in(known.id, saved.tasks)
    return known


def _take_in_results(client: Client, job_id: str, function: FunctionCall, archive: zipfile.ZipFile) -> None:
    if not function.payload.isalnum():
        raise ValueError(f"{function.payload!r} is no name of a job's calls")
    there = set(archive.namelist())
    names = (f"{_RESULTS}/{job_id}/{number}" for number in itertools.count())
    for name in itertools.takewhile(there.__contains__, names):
        with archive.open(name) as file:
            client.store.calls.add_results(function, iter(partial(file.read, _CHUNK), b""))


def _unpack(archive: zipfile.ZipFile, to: Path) -> None:
    for member in archive.infolist():
        if member.filename.startswith(f"{_FILES}/"):
            # zipfile itself lets no name leave the folder
            member.filename = member.filename.removeprefix(f"{_FILES}/")
            archive.extract(member, to)


def _machine(client: Client, record: JobRecord) -> Machine:
    """Make the handle of the machine that the jobs are on, as it is configured today where it still is."""
    today = client.machine_of(record).machine
    values = {entry.name: getattr(today, entry.name) for entry in fields(MachineDescription)}
    return Machine(**values, client=client)
