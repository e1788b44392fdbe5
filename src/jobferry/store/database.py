"""Connections to one SQLite file: one for each thread of each process, opened when first used."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from jobferry.errors import StoreError
from jobferry.store.place import journal_mode, prepare_file

BUSY_SECONDS = 30.0
# each entry takes the schema one version on; entries are only ever added
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            revision INTEGER NOT NULL,
            machine TEXT NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL,
            final INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            labels TEXT NOT NULL,
            record TEXT NOT NULL)""",
        "CREATE INDEX jobs_by_machine ON jobs (final, machine)",
        "CREATE INDEX jobs_by_age ON jobs (created_at, id)",
        """CREATE TABLE tasks (
            job_id TEXT NOT NULL,
            task INTEGER NOT NULL,
            status TEXT NOT NULL,
            PRIMARY KEY (job_id, task)) WITHOUT ROWID""",
        "CREATE TABLE machines (name TEXT PRIMARY KEY, facts TEXT, polled_at INTEGER)",
    ),
    (
        "ALTER TABLE machines ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE machines ADD COLUMN trouble TEXT",
        "ALTER TABLE machines ADD COLUMN room INTEGER",
        "ALTER TABLE machines ADD COLUMN room_at INTEGER",
    ),
    (
        """CREATE TABLE sweeps (
            id INTEGER PRIMARY KEY,
            machine TEXT NOT NULL,
            name TEXT NOT NULL,
            what TEXT NOT NULL,
            digest TEXT NOT NULL,
            UNIQUE (machine, name))""",
        """CREATE TABLE sweep_tasks (
            sweep INTEGER NOT NULL,
            position INTEGER NOT NULL,
            key TEXT NOT NULL,
            params TEXT NOT NULL,
            job_id TEXT NOT NULL,
            call INTEGER NOT NULL,
            PRIMARY KEY (sweep, position)) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX sweep_tasks_by_key ON sweep_tasks (sweep, key)",
    ),
)
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_HINTS = {
    "SQLITE_BUSY": "another process is writing; try again",
    "SQLITE_FULL": "make room on that disk, or set JOBFERRY_STORE to a file on another",
    "SQLITE_READONLY": "set JOBFERRY_STORE to a file that can be written",
    "SQLITE_CANTOPEN": "set JOBFERRY_STORE to a file that can be written",
    "SQLITE_PROTOCOL": "this file system has no working locks; set JOBFERRY_STORE to a file on a local disk",
    "SQLITE_IOERR": "look at the disk; JOBFERRY_STORE can name a file on another",
}
# connections of a parent process: closing them in its child would spoil the parent's locks
_inherited: list[object] = []


class StoreBusy(StoreError):
    """Another process kept the store locked for too long."""

    transient = True


@dataclass(frozen=True, slots=True)
class _Held:
    """A connection, and what a thread holds for as long as it uses it."""

    connection: sqlite3.Connection
    in_use: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Close it as soon as nobody is in the middle of something."""
        with self.in_use:
            self.connection.close()


@dataclass(slots=True)
class _Connections:
    """The connections of one process."""

    pid: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)
    by_thread: dict[threading.Thread, _Held] = field(default_factory=dict)


class Database:
    """A SQLite file; nothing is opened or created before the first transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections = _Connections()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection on which all reads see the same moment."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that writes all or nothing; on disk when the block is left."""
        # IMMEDIATE waits for its turn at once; a reader that turns writer would be refused without waiting
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        """Close the connections of all threads of this process; the next use opens anew."""
        mine = self._of_this_process()
        with mine.lock:
            held = list(mine.by_thread.values())
            mine.by_thread.clear()
        for each in held:
            each.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._in_use() as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # a full disk makes SQLite roll back by itself
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            raise _store_error(exc, self.path) from exc

    @contextmanager
    def _in_use(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection, which nobody closes meanwhile."""
        while True:
            mine, thread = self._of_this_process(), threading.current_thread()
            held = self._held(mine, thread)
            with held.in_use:
                # it may have been closed between the two
                if mine.by_thread.get(thread) is held:
                    yield held.connection
                    return

    def _held(self, mine: _Connections, thread: threading.Thread) -> _Held:
        if (held := mine.by_thread.get(thread)) is None:
            held = _Held(_connect(self.path))
            with mine.lock:
                ended = [mine.by_thread.pop(other) for other in list(mine.by_thread) if not other.is_alive()]
                mine.by_thread[thread] = held
            for each in ended:
                each.close()
        return held

    def _of_this_process(self) -> _Connections:
        if self._connections.pid != os.getpid():
            _inherited.append(self._connections)
            self._connections = _Connections()
        return self._connections


def _connect(path: Path) -> sqlite3.Connection:
    prepare_file(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store {path} is of a newer Jobferry: version {version}, and {len(MIGRATIONS)} is known",
                hint="upgrade jobferry, or set JOBFERRY_STORE to another file",
            )
        # a committed job must survive a crash of the whole machine
        connection.execute("PRAGMA synchronous=FULL")
        connection.create_function("matches", 2, fnmatchcase, deterministic=True)
        connection.create_function("has_label", 3, _has_label, deterministic=True)
        if version < len(MIGRATIONS):
            _migrate(connection, path)
        _choose_journal(connection, journal_mode(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _has_label(labels: str, name: str, value: str) -> bool:
    return bool(json.loads(labels).get(name) == value)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have done it while this one waited
        version = _version(connection)
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise StoreError(
                f"{path} is a database of something else", hint="set JOBFERRY_STORE to another file"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _choose_journal(connection: sqlite3.Connection, wanted: str) -> None:
    # the change needs the file for itself: not to be waited for, since the old mode is right too
    connection.execute("PRAGMA busy_timeout=0")
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            connection.execute(f"PRAGMA journal_mode={wanted}")
    except sqlite3.OperationalError as exc:
        if not exc.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY")):
            raise
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")


def _store_error(exc: sqlite3.DatabaseError, path: Path) -> StoreError:
    name = getattr(exc, "sqlite_errorname", "")
    if name.startswith(_DAMAGED):
        away = (
            f"jobs on machines go on: move it away (mv {path} {path}.damaged), and bring them back with "
            "`jobferry doctor --rebuild MACHINE`"
        )
        return StoreError(f"the store {path} is damaged: {exc}", hint=away)
    kind = StoreBusy if name.startswith("SQLITE_BUSY") else StoreError
    hint = next((hint for code, hint in _HINTS.items() if name.startswith(code)), None)
    return kind(f"the store {path} cannot be used: {exc}", hint=hint)
