"""Which jobs are meant, as SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from jobferry.model.status import JobState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Filters(TypedDict, total=False):
    """Which jobs are meant; what is not given, or None, leaves all.

    `name_glob` is a shell pattern, `labels` must all be there, `unfinished` False means the final ones,
    `since` is compared with the time of creation, `limit` keeps the newest.
    """

    machine: str | None
    name_glob: str | None
    labels: Mapping[str, str] | None
    states: Collection[JobState] | None
    unfinished: bool | None
    since: datetime | None
    limit: int | None


def where_clause(filters: Filters) -> tuple[str, list[object]]:
    """Write the clause that lets those jobs pass, newest first, and its values."""
    tests: list[str] = []
    values: list[object] = []

    def add(test: str, *given: object) -> None:
        tests.append(test)
        values.extend(given)

    if (machine := filters.get("machine")) is not None:
        add("machine = ?", machine)
    if (pattern := filters.get("name_glob")) is not None:
        add("matches(name, ?)", storable(pattern))
    if (states := filters.get("states")) is not None:
        add(f"state IN ({', '.join('?' * len(states))})", *(state.value for state in states))
    if (unfinished := filters.get("unfinished")) is not None:
        add("final = ?", int(not unfinished))
    if (since := filters.get("since")) is not None:
        add("created_at >= ?", microseconds(since))
    for name, value in (filters.get("labels") or {}).items():
        add("has_label(labels, ?, ?)", storable(name), storable(value))
    where = f"WHERE {' AND '.join(tests)} " if tests else ""
    limit = filters.get("limit")
    values.append(-1 if limit is None else limit)
    # newest first, so that LIMIT keeps the newest; readers turn it round
    return f"{where}ORDER BY created_at DESC, id DESC LIMIT ?", values


def storable(text: str) -> str:
    """Make any text fit to be stored: SQLite takes no lone surrogates (bytes that are not UTF-8)."""
    return text.encode("utf-8", "backslashreplace").decode()


def microseconds(at: datetime) -> int:
    """Write a moment as a number that sorts."""
    return (at - EPOCH) // timedelta(microseconds=1)
