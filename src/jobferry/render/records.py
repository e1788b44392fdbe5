"""The records a launch script writes, read back; ``data/launch.sh`` is their other half."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

_FIELD = re.compile(r"([a-z]+)=(\S*)", re.ASCII)
_LONGEST = 4096
_SIGNALS = range(129, 193)
# what is no exit code says nothing, and least of all success
_STATUS = re.compile(r"\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task has begun."""

    native_id: str
    host: str
    restarts: int
    started_at: datetime | None
    run: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task has ended, and everything it left was written before this.

    Attributes:
        exit_code: the command's own; None when a signal ended it.
        stopped: the signal that the batch system or a person sent to the launch script, such as ``TERM``.
        cause: what the launch script knows of its own: ``TIMEOUT``, ``DEPENDENCY``,
            ``LAUNCH``, ``CANCELLED``.
        oom_kills: processes of the job that the kernel killed for memory.
        has_outputs: whether a manifest of outputs was written.
        warned: whether it was asked to save its work; it may then have asked to be started again.
    """

    native_id: str
    host: str
    restarts: int
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    signal: int | None
    stopped: str | None
    cause: str | None
    oom_kills: int
    has_outputs: bool
    warned: bool = False
    run: int = 1


T = TypeVar("T", Started, Finished)


@dataclass(slots=True)
class Records:
    """What the far side's records say of one job: task number (None for a job without tasks) -> record.

    Attributes:
        wholes: of an array that its launch script runs, how each run of the whole ended, by run.
    """

    started: dict[int | None, Started]
    finished: dict[int | None, Finished]
    cancelled: bool = False
    folder_missing: bool = False
    wholes: dict[int, Finished] = field(default_factory=dict)


def parse_records(text: str) -> Mapping[str, Records]:
    """Read lines of records into job id -> records; a line that is cut short or not ours is passed over."""
    found: dict[str, Records] = {}
    for kind, fields in _lines(text):
        records = found.setdefault(fields.get("job", ""), Records({}, {}))
        if kind == "cancel":
            records.cancelled = True
        elif kind == "nofolder":
            records.folder_missing = True
        elif kind == "started":
            _put(records.started, _task(fields), _started(fields))
        elif kind == "finished" and _STATUS.fullmatch(fields.get("status", "")):
            ended = _finished(fields)
            _put(records.finished, _task(fields), ended)
            if _task(fields) is None:
                records.wholes[ended.run] = ended
    return found


def _put(known: dict[int | None, T], task: int | None, seen: T) -> None:
    # of several runs the last one counts
    if task not in known or seen.run >= known[task].run:
        known[task] = seen


def _lines(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for line in text.splitlines():
        # the dot is written last: without it the record is not whole
        if len(line) <= _LONGEST and line.endswith(" ."):
            kind, _, rest = line.partition(" ")
            yield kind, dict(_FIELD.findall(rest))


def _task(fields: Mapping[str, str]) -> int | None:
    task = fields.get("task", "job")
    return int(task) if task.isdecimal() else None


def _started(fields: Mapping[str, str]) -> Started:
    return Started(
        native_id=fields.get("native", ""),
        host=fields.get("host", ""),
        restarts=_number(fields.get("restarts")),
        started_at=_time(fields.get("started")),
        run=_number(fields.get("run")) or 1,
    )


def _finished(fields: Mapping[str, str]) -> Finished:
    status = _number(fields["status"])
    # a shell tells a signal only by adding 128 to it
    signal = status - 128 if status in _SIGNALS else None
    return Finished(
        native_id=fields.get("native", ""),
        host=fields.get("host", ""),
        restarts=_number(fields.get("restarts")),
        started_at=_time(fields.get("started")),
        ended_at=_time(fields.get("ended")),
        exit_code=None if signal else status,
        signal=signal,
        stopped=fields.get("stopped") or None,
        cause=fields.get("cause") or None,
        oom_kills=_number(fields.get("oom")),
        has_outputs=bool(fields.get("outputs")),
        warned=bool(fields.get("warned")),
        run=_number(fields.get("run")) or 1,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def _time(text: str | None) -> datetime | None:
    if not text or not text.isdecimal() or len(text) > 11:
        return None
    return datetime.fromtimestamp(int(text), UTC)
