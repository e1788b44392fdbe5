"""What all processes know together of a machine: when it was asked, what is wrong, what it takes."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobferry.model.machine import PythonFacts
from jobferry.model.serialize import python_from_json, python_to_json
from jobferry.store.database import Database
from jobferry.store.filters import EPOCH, microseconds

_LONGEST_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What keeps a machine from being reached, or its batch system from answering.

    Attributes:
        words: the other side's words.
        since: when it began; UTC.
        needs_person: whether it waits for a person.
    """

    words: str
    since: datetime
    needs_person: bool = False


class MachineNotes:
    """The notes on machines, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_poll(self, name: str, now: datetime, interval: timedelta) -> bool:
        """Take the right to ask a batch system, which one process has once in `interval`.

        Each failure in a row doubles the time until it may be asked again.
        """
        with self._database.writing() as connection:
            polled_at, failures = self._row(connection, name, "polled_at, failures")
            if polled_at is not None:
                last = EPOCH + timedelta(microseconds=polled_at)
                pause = max(interval, min(interval * 2 ** min(failures, 16), _LONGEST_PAUSE))
                # a moment to come was written by a clock that has been put right since
                if last <= now < last + pause:
                    return False
            connection.execute("UPDATE machines SET polled_at = ? WHERE name = ?", (microseconds(now), name))
            return True

    def note_answer(self, name: str) -> None:
        """Keep that all is well with a machine again."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM machines WHERE name = ? AND (failures > 0 OR trouble IS NOT NULL)", (name,)
            ).fetchone()
        if row is not None:
            with self._database.writing() as connection:
                connection.execute("UPDATE machines SET failures = 0, trouble = NULL WHERE name = ?", (name,))

    def note_busy(self, name: str, words: str, now: datetime) -> None:
        """Keep that a batch system gave no answer: it is asked less often until it does."""
        self._note(name, words, now, needs_person=False, failures=1)

    def note_unreachable(self, name: str, words: str, now: datetime, *, needs_person: bool) -> None:
        """Keep that a machine was not reached; its batch system had no part in it."""
        self._note(name, words, now, needs_person=needs_person, failures=0)

    def _note(self, name: str, words: str, now: datetime, *, needs_person: bool, failures: int) -> None:
        with self._database.writing() as connection:
            known = self._row(connection, name, "trouble")[0]
            since = json.loads(known)["since"] if known else microseconds(now)
            trouble = json.dumps({"words": words, "since": since, "needs_person": needs_person})
            connection.execute(
                "UPDATE machines SET failures = failures + ?, trouble = ? WHERE name = ?",
                (failures, trouble, name),
            )

    def trouble(self, name: str) -> Trouble | None:
        """Read what is wrong with a machine; None when nothing is."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT trouble FROM machines WHERE name = ?", (name,)).fetchone()
        if row is None or row[0] is None:
            return None
        known = json.loads(row[0])
        since = EPOCH + timedelta(microseconds=known["since"])
        return Trouble(words=known["words"], since=since, needs_person=known["needs_person"])

    def note_room(self, name: str, places: int, at: datetime) -> None:
        """Keep how many jobs a machine had when it took no more."""
        with self._database.writing() as connection:
            self._row(connection, name, "room")
            connection.execute(
                "UPDATE machines SET room = ?, room_at = ? WHERE name = ?", (places, microseconds(at), name)
            )

    def room(self, name: str) -> tuple[int, datetime] | None:
        """Read how many jobs a machine had when it took no more, and when; None when it never did."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT room, room_at FROM machines WHERE name = ?", (name,)).fetchone()
        if row is None or row[0] is None:
            return None
        return int(row[0]), EPOCH + timedelta(microseconds=row[1])

    def python(self, key: str) -> PythonFacts | None:
        """Read what a Python over there told of itself; None when it never was asked."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT facts FROM machines WHERE name = ?", (key,)).fetchone()
        return None if row is None or row[0] is None else python_from_json(row[0])

    def put_python(self, key: str, facts: PythonFacts) -> None:
        """Keep what a Python over there told of itself."""
        with self._database.writing() as connection:
            self._row(connection, key, "facts")
            written = (python_to_json(facts), key)
            connection.execute("UPDATE machines SET facts = ? WHERE name = ?", written)

    def forget_pythons(self, begin: str) -> None:
        """Forget what Pythons told whose keys begin so."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM machines WHERE substr(name, 1, ?) = ?", (len(begin), begin))

    @staticmethod
    def _row(connection: sqlite3.Connection, name: str, columns: str) -> tuple[Any, ...]:
        connection.execute("INSERT OR IGNORE INTO machines (name) VALUES (?)", (name,))
        found: tuple[Any, ...] = connection.execute(
            f"SELECT {columns} FROM machines WHERE name = ?", (name,)
        ).fetchone()
        return found
