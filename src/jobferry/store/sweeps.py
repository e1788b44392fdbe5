"""Sweeps by name: which task of which is run by which job."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobferry.errors import StoreError
from jobferry.store.database import Database
from jobferry.store.filters import storable

_TASK = "sweep, position, key, params, job_id, call"


class TakenMeanwhile(StoreError):
    """Another process has a task of the sweep; look again which are left."""

    transient = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One sweep.

    Attributes:
        what: what it runs, in words.
        digest: names what it runs: another one is another function or command.
    """

    id: int
    machine: str
    name: str
    what: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task of a sweep.

    Attributes:
        position: its place among the sweep's tasks.
        key: names what it runs with which arguments; once in a sweep.
        params: its parameters as JSON, or in words.
        call: which of the job's calls it is.
    """

    position: int
    key: str
    params: str
    job_id: str = ""
    call: int = 0


@dataclass(frozen=True, slots=True)
class Swept:
    """Tasks of a sweep that one job runs; stored together with it, or not at all."""

    sweep: int
    tasks: Sequence[TaskRow]

    def write(self, connection: sqlite3.Connection, job_id: str) -> None:
        """Write them as run by that job.

        Raises:
            TakenMeanwhile: one is there already.
        """
        rows = ((self.sweep, t.position, t.key, storable(t.params), job_id, t.call) for t in self.tasks)
        try:
            connection.executemany(f"INSERT INTO sweep_tasks ({_TASK}) VALUES (?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.IntegrityError as exc:
            raise TakenMeanwhile("another process has submitted a task of this sweep meanwhile") from exc


class Sweeps:
    """The sweeps of a user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, machine: str, name: str, what: str, digest: str) -> SweepRow:
        """Read a sweep, or make it if there is none of that name."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO sweeps (machine, name, what, digest) VALUES (?, ?, ?, ?)",
                (machine, storable(name), storable(what), digest),
            )
            return _sweep(connection, machine, name)

    def find(self, machine: str, name: str) -> SweepRow | None:
        """Read a sweep; None when there is none of that name."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id FROM sweeps WHERE machine = ? AND name = ?", (machine, storable(name))
            ).fetchone()
            return None if row is None else _sweep(connection, machine, name)

    def change(self, sweep: int, what: str, digest: str) -> None:
        """Write down that a sweep runs something else now."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE sweeps SET what = ?, digest = ? WHERE id = ?", (storable(what), digest, sweep)
            )

    def tasks(self, sweep: int) -> list[TaskRow]:
        """Read the tasks of a sweep in order."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_TASK} FROM sweep_tasks WHERE sweep = ? ORDER BY position", (sweep,)
            ).fetchall()
        return [TaskRow(position=p, key=k, params=t, job_id=j, call=c) for _, p, k, t, j, c in rows]

    def take_in(self, sweep: int, tasks: Iterable[TaskRow]) -> None:
        """Put tasks that have jobs behind the others; those that are there already are left alone."""
        with self._database.writing() as connection:
            last = "SELECT COALESCE(MAX(position), -1) FROM sweep_tasks WHERE sweep = ?"
            (position,) = connection.execute(last, (sweep,)).fetchone()
            rows = (
                (sweep, position + number, t.key, storable(t.params), t.job_id, t.call)
                for number, t in enumerate(tasks, 1)
            )
            connection.executemany(
                f"INSERT OR IGNORE INTO sweep_tasks ({_TASK}) VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def remove(self, sweep: int, keys: Iterable[str]) -> None:
        """Forget tasks of a sweep; their jobs are left alone."""
        with self._database.writing() as connection:
            connection.executemany(
                "DELETE FROM sweep_tasks WHERE sweep = ? AND key = ?", ((sweep, key) for key in keys)
            )


def _sweep(connection: sqlite3.Connection, machine: str, name: str) -> SweepRow:
    row = connection.execute(
        "SELECT id, machine, name, what, digest FROM sweeps WHERE machine = ? AND name = ?",
        (machine, storable(name)),
    ).fetchone()
    return SweepRow(id=row[0], machine=row[1], name=row[2], what=row[3], digest=row[4])
