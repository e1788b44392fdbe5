"""How values are written to JSON and read back: a codec per kind of value, a table of them per noun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from jobferry.model.suggest import did_you_mean

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_EMPTY: tuple[object, ...] = (None, (), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[T]):
    """How one kind of value is written and read; `read` raises ValueError or SpecError.

    `table` holds the fields of the noun inside, which a strict reader goes through.
    """

    write: Callable[[T], object]
    read: Callable[[object], T]
    table: Mapping[str, Codec[Any]] | None = None


class Noun(Generic[T]):
    """The codec of a dataclass: a table of its fields.

    What is None or empty is not written: all such fields have that as their default (a test holds this).
    """

    def __init__(self, make: type[T], table: Mapping[str, Codec[Any]]) -> None:
        self.make = make
        self.table = table
        plain = [entry for entry in fields(make) if entry.default is MISSING]  # type: ignore[arg-type]
        self._required = [entry.name for entry in plain if entry.default_factory is MISSING]

    def write(self, value: T) -> dict[str, object]:
        """Write the fields that hold something."""
        given = ((name, getattr(value, name)) for name in self.table)
        return {name: self.table[name].write(item) for name, item in given if item not in _EMPTY}

    def read(self, data: object) -> T:
        """Read the fields that are known; what is missing takes its default.

        Raises:
            ValueError: a value does not fit, or one without a default is missing.
        """
        values: dict[str, object] = {}
        for name, item in read_object(data).items():
            if name in self.table and item is not None:
                try:
                    values[name] = self.table[name].read(item)
                except ValueError as exc:
                    raise ValueError(f"{name}: {exc}") from exc
        if missing := [name for name in self._required if name not in values]:
            raise ValueError(f"{missing[0]!r} is missing")
        return self.make(**values)

    @property
    def codec(self) -> Codec[T]:
        """This noun as the value of a field."""
        return Codec(write=self.write, read=self.read, table=self.table)


def refuse_unknown(data: object, known: Mapping[str, Codec[Any]], where: str = "") -> None:
    """Find keys that no table knows, at any depth.

    Raises:
        ValueError: there is one; names it and the nearest known one.
    """
    for item in data if isinstance(data, list) else [data]:
        for name, value in item.items() if isinstance(item, dict) else ():
            if name not in known:
                raise ValueError(f"unknown key {where + name!r}{did_you_mean(name, known)}")
            if inner := known[name].table:
                refuse_unknown(value, inner, f"{where}{name}.")


def read_object(data: object) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(data, dict):
        raise ValueError(f"must be an object, not {str(data)[:40]!r}")
    return data


def plain(kind: type[T], words: str) -> Codec[T]:
    """Make the codec of a value that JSON has itself."""

    def read(data: object) -> T:
        # True is an int to Python, but not to a reader of JSON
        if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
            raise ValueError(f"must be {words}, not {data!r}")
        return data

    return Codec(write=lambda value: value, read=read)


TEXT = plain(str, "text")
NUMBER = plain(int, "a whole number")
FLAG = plain(bool, "true or false")
LOCAL_PATH: Codec[Path] = Codec(write=str, read=lambda data: Path(TEXT.read(data)))
REMOTE_PATH: Codec[PurePosixPath] = Codec(write=str, read=lambda data: PurePosixPath(TEXT.read(data)))


def word_of(kind: type[E]) -> Codec[E]:
    """Make the codec of an enumeration."""
    return Codec(write=lambda value: value.value, read=lambda data: kind(TEXT.read(data)))


def listed(entry: Codec[T]) -> Codec[tuple[T, ...]]:
    """Make the codec of a list."""

    def read(data: object) -> tuple[T, ...]:
        if not isinstance(data, list):
            raise ValueError(f"must be a list, not {data!r}")
        return tuple(entry.read(item) for item in data)

    return Codec(write=lambda value: [entry.write(item) for item in value], read=read, table=entry.table)


def _read_texts(data: object) -> Mapping[str, str]:
    texts = read_object(data)
    for name, item in texts.items():
        if not isinstance(item, str):
            # the value stays out of the message: it may be an environment variable's
            raise ValueError(f"{name} must be text")
    return {name: str(item) for name, item in texts.items()}


TEXTS: Codec[Mapping[str, str]] = Codec(write=dict, read=_read_texts)


def write_moment(value: datetime) -> str:
    """Write a time in UTC as ISO 8601 with a ``Z``."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_moment(data: object) -> datetime:
    value = datetime.fromisoformat(TEXT.read(data))
    if value.tzinfo is None:
        raise ValueError(f"a time without its zone: {data!r}")
    return value.astimezone(UTC)


MOMENT: Codec[datetime] = Codec(write=write_moment, read=_read_moment)


def _write_duration(value: timedelta) -> object:
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _read_duration(data: object) -> timedelta:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise ValueError(f"must be a number of seconds, not {data!r}")
    try:
        return timedelta(seconds=data)
    except OverflowError:
        raise ValueError(f"too long: {data!r} seconds") from None


DURATION: Codec[timedelta] = Codec(write=_write_duration, read=_read_duration)
