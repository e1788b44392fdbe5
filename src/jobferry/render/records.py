"""The records a launch script writes, read back; ``data/launch.sh`` is their other half."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_FIELD = re.compile(r"([a-z]+)=(\S*)", re.ASCII)
_LONGEST = 4096
_SIGNALS = range(129, 193)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task has begun."""

    native_id: str
    host: str
    restarts: int
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task has ended, and everything it left was written before this.

    Attributes:
        exit_code: the command's own; None when a signal ended it.
        stopped: the signal that the batch system or a person sent to the launch script, such as ``TERM``.
        cause: what the launch script knows of its own: ``TIMEOUT``, ``DEPENDENCY``, ``LAUNCH``.
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


@dataclass(slots=True)
class Records:
    """What the far side's records say of one job: task number (None for a job without tasks) -> record."""

    started: dict[int | None, Started]
    finished: dict[int | None, Finished]
    cancelled: bool = False
    folder_missing: bool = False

    def known(self) -> str:
        """Name the records seen, as ``jf_records`` reads it."""
        names = [f"{_task_name(task)}.finished" for task in self.finished]
        names += [f"{_task_name(task)}.started" for task in self.started if task not in self.finished]
        return f",{','.join(names)},"


def _task_name(task: int | None) -> str:
    return "job" if task is None else str(task)


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
            records.started[_task(fields)] = _started(fields)
        elif kind == "finished" and "status" in fields:
            records.finished[_task(fields)] = _finished(fields)
    return found


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
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def _time(text: str | None) -> datetime | None:
    if not text or not text.isdecimal() or len(text) > 11:
        return None
    return datetime.fromtimestamp(int(text), UTC)
