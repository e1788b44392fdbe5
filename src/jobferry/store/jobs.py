"""Job records and machine facts, as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from jobferry.errors import JobNotFound, StoreError
from jobferry.model.identity import normalise_prefix
from jobferry.model.machine import MachineFacts
from jobferry.model.record import JobRecord
from jobferry.model.serialize import (
    facts_from_json,
    facts_to_json,
    record_from_json,
    record_to_json,
    status_from_json,
    status_to_json,
)
from jobferry.model.status import JobStatus
from jobferry.store.calls import Calls
from jobferry.store.database import Database
from jobferry.store.filters import Filters, microseconds, storable, where_clause
from jobferry.store.machines import MachineNotes
from jobferry.store.sweeps import Sweeps, Swept

_SHOWN_CANDIDATES = 5
# SQLite takes no more values in one statement, in its oldest versions still met
_MOST_VALUES = 900
_COLUMNS = ("id", "revision", "machine", "name", "state", "final", "created_at", "labels", "record")
_INSERT = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_UPDATE = (
    f"UPDATE jobs SET {', '.join(f'{name} = :{name}' for name in _COLUMNS[1:])} "
    "WHERE id = :id AND revision = :revision - 1"
)
_PUT_TASK = "INSERT OR REPLACE INTO tasks (job_id, task, status) VALUES (?, ?, ?)"


class Conflict(StoreError):
    """Another process has changed the job since it was read; read it again and decide again."""

    transient = True


class Store:
    """All jobs of a user, in one file; nothing is opened before the first call.

    Attributes:
        machines: what is known of machines, beside what they told of themselves.
        calls: files with calls of functions and their results.
        sweeps: which task of which sweep is run by which job.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        self.machines = MachineNotes(self._database)
        self.calls = Calls(path.parent / "calls")
        self.sweeps = Sweeps(self._database)

    def add(self, records: Sequence[JobRecord], swept: Swept | None = None) -> None:
        """Keep new jobs, all or none, the first with a sweep's tasks; they are on disk when this returns.

        Raises:
            StoreError: one is there already, or, as TakenMeanwhile, one of the tasks.
        """
        with self._database.writing() as connection:
            if swept is not None:
                swept.write(connection, records[0].id)
            try:
                connection.executemany(_INSERT, [_row(record) for record in records])
            except sqlite3.IntegrityError as exc:
                raise StoreError(f"a job of that id is stored already: {_ids(records)}") from exc
            for record in records:
                connection.executemany(_PUT_TASK, _task_rows(record.id, record.tasks))

    def get(self, id: str) -> JobRecord:
        """Read one job by its whole id.

        Raises:
            JobNotFound: there is none.
        """
        found = self._read("WHERE id = ?", (storable(id),))
        if not found:
            raise _not_found(id)
        return found[0]

    def resolve(self, prefix: str) -> JobRecord:
        """Read the one job that an id, the beginning of one or ``@last`` stands for.

        Raises:
            JobNotFound: none answers to it, or several do.
        """
        if prefix == "@last":
            if not (newest := self.find(limit=1)):
                raise JobNotFound("there are no jobs yet")
            return newest[0]
        begin = normalise_prefix(prefix)
        if not (begin.isascii() and begin.isalnum()):
            raise _not_found(prefix)
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, name FROM jobs WHERE id >= ? AND id < ? ORDER BY id", (begin, f"{begin}~")
            ).fetchall()
        if len(rows) > 1:
            raise _ambiguous(prefix, rows)
        if not rows:
            raise _not_found(prefix)
        return self.get(rows[0][0])

    def replace(self, record: JobRecord) -> JobRecord:
        """Keep a changed job and return it with its new revision.

        Raises:
            Conflict: it has been changed since it was read; nothing is written.
            JobNotFound: it has been removed.
        """
        changed = replace(record, revision=record.revision + 1)
        with self._database.writing() as connection:
            if connection.execute(_UPDATE, _row(changed)).rowcount == 0:
                if not connection.execute("SELECT 1 FROM jobs WHERE id = ?", (record.id,)).fetchone():
                    raise _not_found(record.id)
                raise Conflict("the job was changed by another process meanwhile", job_id=record.id)
            _put_changed_tasks(connection, _stored_tasks(connection, record.id), record)
        return changed

    def update(self, id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        """Read a job, change it and keep it, again from the start when another process was faster.

        A change that returns the very record it was given writes nothing.

        Raises:
            JobNotFound: there is none.
        """
        # ends: each conflict means that another process got its change in
        while True:
            record = self.get(id)
            changed = change(record)
            if changed is record:
                return record
            try:
                return self.replace(replace(changed, revision=record.revision))
            except Conflict:
                continue

    def update_all(self, ids: Sequence[str], change: Callable[[JobRecord], JobRecord]) -> list[JobRecord]:
        """Change many jobs in one transaction, so that their number costs no waiting for the disk.

        Raises:
            JobNotFound: one of them is not there; nothing is written.
        """
        with self._database.writing() as connection:
            done = {id: self._step(connection, id, change) for id in ids}
            if gone := [id for id, record in done.items() if record is None]:
                raise _not_found(gone[0])
            return [record for record in done.values() if record is not None]

    def update_those_there(
        self, ids: Sequence[str], change: Callable[[JobRecord], JobRecord]
    ) -> list[JobRecord]:
        """Change many jobs likewise; those that were removed meanwhile are left out."""
        with self._database.writing() as connection:
            done = [self._step(connection, id, change) for id in ids]
            return [record for record in done if record is not None]

    def _step(
        self, connection: sqlite3.Connection, id: str, change: Callable[[JobRecord], JobRecord]
    ) -> JobRecord | None:
        found = self._read_with(connection, "WHERE id = ?", (storable(id),))
        if not found:
            return None
        changed = change(found[0])
        if changed is not found[0]:
            changed = replace(changed, revision=found[0].revision + 1)
            connection.execute(_UPDATE, _row(changed))
            _put_changed_tasks(connection, found[0].tasks, changed)
        return changed

    def find(self, **filters: Unpack[Filters]) -> list[JobRecord]:
        """Read the jobs that pass all filters, newest last."""
        where, values = where_clause(filters)
        return self._read(where, values)

    def find_all(self, ids: Sequence[str]) -> list[JobRecord]:
        """Read the jobs of those whole ids that are there."""
        found = []
        for begin in range(0, len(ids), _MOST_VALUES):
            some = [storable(id) for id in ids[begin : begin + _MOST_VALUES]]
            found += self._read(f"WHERE id IN ({', '.join('?' * len(some))})", some)
        return found

    def find_ids(self, **filters: Unpack[Filters]) -> list[str]:
        """List the ids of the jobs that pass all filters, newest last, without reading the jobs."""
        where, values = where_clause(filters)
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT id FROM jobs {where}", values).fetchall()
        return [row[0] for row in reversed(rows)]

    def remove(self, ids: Iterable[str]) -> None:
        """Forget jobs; those that are not there already are."""
        keys = [(id,) for id in ids]
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM tasks WHERE job_id = ?", keys)
            connection.executemany("DELETE FROM jobs WHERE id = ?", keys)

    def get_facts(self, machine_name: str) -> MachineFacts | None:
        """Read what a machine told of itself; None when it never was asked."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT facts FROM machines WHERE name = ?", (machine_name,)).fetchone()
        return None if row is None or row[0] is None else facts_from_json(row[0])

    def put_facts(self, machine_name: str, facts: MachineFacts) -> None:
        """Keep what a machine told of itself."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO machines (name) VALUES (?)", (machine_name,))
            written = (facts_to_json(facts), machine_name)
            connection.execute("UPDATE machines SET facts = ? WHERE name = ?", written)

    def close(self) -> None:
        """Close the file in all threads of this process; the next call opens it again."""
        self._database.close()

    def _read(self, where: str, values: Sequence[object]) -> list[JobRecord]:
        with self._database.reading() as connection:
            return self._read_with(connection, where, values)

    def _read_with(
        self, connection: sqlite3.Connection, where: str, values: Sequence[object]
    ) -> list[JobRecord]:
        rows = connection.execute(f"SELECT id, revision, record FROM jobs {where}", values).fetchall()
        # one query for the tasks of all jobs, whatever their number
        task_rows = connection.execute(
            f"SELECT job_id, task, status FROM tasks WHERE job_id IN (SELECT id FROM jobs {where})", values
        ).fetchall()
        tasks: dict[str, dict[int, JobStatus]] = {}
        for job_id, task, status in task_rows:
            tasks.setdefault(job_id, {})[task] = status_from_json(status)
        return [self._record(*row, tasks=tasks.get(row[0], {})) for row in reversed(rows)]

    def _record(self, id: str, revision: int, text: str, *, tasks: Mapping[int, JobStatus]) -> JobRecord:
        try:
            return replace(record_from_json(text), revision=revision, tasks=tasks)
        except StoreError as exc:
            raise StoreError(f"{exc} ({id} in {self.path})", hint=exc.hint, job_id=id) from exc


def _row(record: JobRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "revision": record.revision,
        "machine": record.machine.name,
        "name": storable(record.spec.name),
        "state": record.state.value,
        "final": int(record.state.final),
        "created_at": microseconds(record.created_at),
        "labels": json.dumps({storable(key): storable(value) for key, value in record.spec.labels.items()}),
        # tasks have rows of their own, so that one that changes does not write all anew
        "record": record_to_json(replace(record, tasks={})),
    }


def _task_rows(id: str, tasks: Mapping[int, JobStatus]) -> Iterator[tuple[str, int, str]]:
    return ((id, task, status_to_json(status)) for task, status in tasks.items())


def _stored_tasks(connection: sqlite3.Connection, id: str) -> dict[int, JobStatus]:
    rows = connection.execute("SELECT task, status FROM tasks WHERE job_id = ?", (id,))
    return {task: status_from_json(status) for task, status in rows}


def _put_changed_tasks(
    connection: sqlite3.Connection, old: Mapping[int, JobStatus], record: JobRecord
) -> None:
    # as a rule it is the very same: to compare all fields of all tasks takes its time
    new = {task: status for task, status in record.tasks.items() if status is not old.get(task)}
    changed = {task: status for task, status in new.items() if status != old.get(task)}
    gone = [(record.id, task) for task in old if task not in record.tasks]
    connection.executemany(_PUT_TASK, _task_rows(record.id, changed))
    connection.executemany("DELETE FROM tasks WHERE job_id = ? AND task = ?", gone)


def _ids(records: Sequence[JobRecord]) -> str:
    shown = ", ".join(record.id for record in records[:_SHOWN_CANDIDATES])
    return shown + (", ..." if len(records) > _SHOWN_CANDIDATES else "")


def _not_found(prefix: str) -> JobNotFound:
    return JobNotFound(f"no job {prefix!r}", hint="jobferry list --all", job_id=None)


def _ambiguous(prefix: str, rows: Sequence[tuple[str, str]]) -> JobNotFound:
    shown = ", ".join(f"{id} ({name})" for id, name in rows[:_SHOWN_CANDIDATES])
    more = ", ..." if len(rows) > _SHOWN_CANDIDATES else ""
    return JobNotFound(f"{prefix!r} stands for {len(rows)} jobs: {shown}{more}", hint="give more of the id")
