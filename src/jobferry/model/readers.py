"""From what people write to resources: one reader for each, for files, Python and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from jobferry.errors import SpecError
from jobferry.model.spec import COUNTS, WORDS, Resources, check_line
from jobferry.model.suggest import did_you_mean
from jobferry.model.units import TIME_FORMS, parse_memory, parse_time

Reader = Callable[[object], object]
"""Gives the typed value; raises SpecError with what is wrong about it."""


def read_resources(values: Mapping[str, object]) -> Resources:
    """Read resources from text or typed values; ``gpus_per_node`` may be ``TYPE:N``.

    Raises:
        SpecError: a value that cannot be read, named.
    """
    typed = {}
    for name, value in split_gpus(values).items():
        if name not in RESOURCE_READERS:
            nearest = did_you_mean(name, RESOURCE_READERS)
            raise SpecError(f"{name!r} is not a resource{nearest}", hint=", ".join(RESOURCE_READERS))
        try:
            typed[name] = RESOURCE_READERS[name](value)
        except SpecError as error:
            if name in error.message:
                raise
            joint = " " if error.message.startswith("must") else ": "
            raise SpecError(f"{name}{joint}{error.message}", hint=error.hint) from error
    return Resources(**typed)  # type: ignore[arg-type]


def split_gpus(values: Mapping[str, object]) -> dict[str, object]:
    """Take ``TYPE:N`` apart into two values."""
    apart = dict(values)
    for name in ("gpus_per_node", "gpus_per_task"):
        given = apart.get(name)
        if isinstance(given, str) and given.rpartition(":")[0]:
            apart["gpu_type"], _, apart[name] = given.rpartition(":")
    return apart


def read_time(value: object) -> timedelta:
    """Read a duration; a bare number is minutes."""
    if not isinstance(value, str | int | timedelta):
        raise SpecError(f"not a time: '{value}'; put it in quotes", hint=f"write it as {TIME_FORMS}")
    return parse_time(value)


def _read_memory(value: object) -> int:
    # a bare number is megabytes wherever people write one, as it is to sbatch
    return parse_memory(str(value) if not isinstance(value, bool | float) else "")


def read_count(value: object) -> int:
    """Read a whole number of at least 1."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"must be a whole number of at least 1, not {value!r}")
    return value


def read_flag(value: object) -> bool:
    """Read a truth, which a file writes as true or false."""
    if not isinstance(value, bool):
        raise SpecError(f"must be true or false, not {value!r}")
    return value


def _read_word(value: object) -> str:
    check_line("it", value)
    return str(value)


RESOURCE_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(COUNTS, read_count),
    **dict.fromkeys(WORDS, _read_word),
    "mem": _read_memory,
    "mem_per_cpu": _read_memory,
    "time": read_time,
    "exclusive": read_flag,
}
