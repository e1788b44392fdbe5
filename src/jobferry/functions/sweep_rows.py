"""A sweep between its handle and the store: read, submitted once, reset."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.functions.arguments import name_of
from jobferry.functions.parameters import SIMPLE, key_of, text_of
from jobferry.functions.sweep_jobs import SweepJobs
from jobferry.functions.sweep_task import SweepTask
from jobferry.functions.swept import SweptWork
from jobferry.job_handle import Job, open_job
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure
from jobferry.store import SweepRow, Swept, TakenMeanwhile, TaskRow


def open_row(
    client: Client, machine: Machine, name: str | None, work: SweptWork | None, *, force: bool
) -> SweepRow:
    """Find a sweep by its name, or begin one.

    Raises:
        SpecError: it runs something else than before, or nothing is known to run.
    """
    known = None if name is None else client.store.sweeps.find(machine.name, name)
    if work is None:
        if known is None:
            raise SpecError(f"there is no sweep {name!r} on {machine.name}", hint="name what it runs, too")
        return known
    digest = work.digest()
    if known is None:
        named = name or f"{_short(work)}-{secrets.token_hex(4)}"
        # another process may begin it at the same moment, with something else
        known = client.store.sweeps.open(machine.name, named, work.title, digest)
    if not force:
        _check_same(client, known, work, digest)
    if known.digest != digest:
        client.store.sweeps.change(known.id, work.title, digest)
    if force:
        forget(client, known)
    return known


def _check_same(client: Client, known: SweepRow, work: SweptWork, digest: str) -> None:
    # one of which nothing was submitted may become another
    if known.digest != digest and client.store.sweeps.tasks(known.id):
        raise SpecError(
            f"{work.title} has changed since the sweep {known.name!r} was made of {known.what}",
            hint="force=True (--force) runs all its tasks anew; or give the sweep another name",
        )


def known_keys(
    client: Client, machine: Machine, name: str | None, work: SweptWork, *, force: bool
) -> list[str]:
    """Name the tasks of a sweep that would not be submitted again.

    Raises:
        SpecError: the sweep of that name runs something else.
    """
    known = None if name is None or force else client.store.sweeps.find(machine.name, name)
    if known is None:
        return []
    _check_same(client, known, work, work.digest())
    return [task.key for task in client.store.sweeps.tasks(known.id)]


def _short(work: SweptWork) -> str:
    return name_of(work.function).rpartition(".")[2] if work.function is not None else "sweep"


def forget(client: Client, row: SweepRow) -> None:
    """Let all tasks of a sweep count as not run; their jobs are left alone."""
    client.store.sweeps.remove(row.id, [task.key for task in client.store.sweeps.tasks(row.id)])


def load(client: Client, row: SweepRow) -> tuple[list[SweepTask], list[Job]]:
    """Read a sweep's tasks and the jobs that run them."""
    rows, records = _taken(client, row)
    jobs = {record.id: open_job(record, client) for record in records}
    tasks = [
        SweepTask(index, task.key, _params(task), jobs[task.job_id], task.call)
        for index, task in enumerate(rows)
    ]
    return tasks, list(jobs.values())


def _taken(client: Client, row: SweepRow) -> tuple[list[TaskRow], list[JobRecord]]:
    """Read the tasks that have jobs; those whose jobs were removed, or certainly not taken, are forgotten."""
    rows = client.store.sweeps.tasks(row.id)
    found = client.store.find_all(list(dict.fromkeys(task.job_id for task in rows)))
    records = {record.id: record for record in found if not _never_ran(record)}
    if gone := [task.key for task in rows if task.job_id not in records]:
        client.store.sweeps.remove(row.id, gone)
    return [task for task in rows if task.job_id in records], list(records.values())


def _never_ran(record: JobRecord) -> bool:
    return record.status.failure is Failure.REJECTED and not record.native_ids and not record.attempts


def _params(task: TaskRow) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(task.params)
    return found


def submit(
    client: Client,
    machine: Machine,
    row: SweepRow,
    work: SweptWork,
    new: Sequence[SweepTask],
    jobs: SweepJobs,
) -> None:
    """Submit tasks that no process has submitted, as one job; the others get the jobs they have."""
    while True:
        known = {task.key: task for task in _taken(client, row)[0]}
        _adopt(client, [task for task in new if task.key in known], known, jobs)
        left = [task for task in new if task.key not in known]
        if not left:
            return
        check_known(work, left)
        draft = work.draft(client, machine, [task.params for task in left], row.name)
        first = max((task.position for task in known.values()), default=-1) + 1
        rows = [
            TaskRow(position=first + call, key=task.key, params=text_of(task.params), call=call)
            for call, task in enumerate(left)
        ]
        try:
            record = client.submit(machine, [draft], swept=Swept(row.id, rows))[0]
        except TakenMeanwhile:
            # another process was faster with one of them: look which are left
            client.store.calls.remove_all([draft.spec.function])
            continue
        job = open_job(record, client)
        jobs.add(job)
        for call, task in enumerate(left):
            task.job, task.call = job, call
        return


def _adopt(client: Client, tasks: Sequence[SweepTask], known: Mapping[str, TaskRow], jobs: SweepJobs) -> None:
    missing = {known[task.key].job_id for task in tasks if known[task.key].job_id not in jobs}
    for record in client.store.find_all(sorted(missing)):
        jobs.add(open_job(record, client))
    for task in tasks:
        task.job, task.call = jobs[known[task.key].job_id], known[task.key].call


def remove(client: Client, row: SweepRow, tasks: Sequence[SweepTask]) -> None:
    """Forget tasks; their jobs are left alone.

    Raises:
        SpecError: one of them has not ended.
    """
    for task in tasks:
        if task.job is not None and not task.has_ended:
            raise SpecError(f"task {task.index} has not ended", hint="cancel() the sweep first")
    client.store.sweeps.remove(row.id, [task.key for task in tasks])


def check_known(work: SweptWork, tasks: Iterable[SweepTask]) -> None:
    """Look whether tasks can be run by this process: with the very parameters they are named by.

    Raises:
        SpecError: one of them cannot.
    """
    checker = work.checker()
    for task in tasks:
        if task.given and all(type(value) in SIMPLE for value in task.params.values()):
            continue
        checker.check(task.params)
        if key_of(task.params) != task.key:
            what = "changed since it was added" if task.given else "not known in this process, only in words"
            raise SpecError(
                f"what task {task.index} ({task.label}) was given is {what}",
                hint="add() its parameters again: the list of tasks keeps numbers, texts, lists and dicts",
            )


def take_in(client: Client, row: SweepRow, jobs: SweepJobs) -> list[str]:
    """Take in the jobs that other processes have submitted; return the keys of all tasks with jobs."""
    rows, records = _taken(client, row)
    for record in records:
        if record.id not in jobs:
            jobs.add(open_job(record, client))
    return [task.key for task in rows]


def reset(
    client: Client, row: SweepRow, tasks: Sequence[SweepTask], jobs: SweepJobs, keys: Sequence[str]
) -> None:
    """Forget what came of tasks, here and over there.

    Args:
        keys: of all tasks that these jobs run.

    Raises:
        SpecError: one of them has not ended.
    """
    client.remove(jobs.records, remote=True)
    jobs.clear()
    client.store.sweeps.remove(row.id, keys)
    for task in tasks:
        task.job, task.call = None, 0
