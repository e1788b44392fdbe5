"""Text to time and memory, and back: the only place that knows the spellings."""

from __future__ import annotations

import re
from datetime import timedelta

from jobferry.errors import SpecError

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_SCALE = {"": 1024**2, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}
_LONGEST = timedelta(days=365 * 100)

TIME_FORMS = "90 (minutes), 10m, 1h30m, 2d, HH:MM:SS, D-HH[:MM[:SS]]"
MEMORY_FORMS = "4G, 512M, 4GiB (units of 1024; a bare number is megabytes)"


def parse_time(text: str | int | timedelta) -> timedelta:
    """Read a duration: ``90`` (minutes), ``10m``, ``1h30m``, ``2d``, ``HH:MM:SS``, ``D-HH[:MM[:SS]]``.

    ``MM:SS`` is read as sbatch reads it: minutes and seconds.

    Raises:
        SpecError: not one of these forms, zero, or longer than a century.
    """
    if isinstance(text, timedelta):
        value = text
    elif isinstance(text, bool):
        raise _bad_time(text)
    elif isinstance(text, int):
        value = _minutes(text)
    else:
        value = _parse_time_text(text.strip())
    if not timedelta(0) < value <= _LONGEST:
        raise _bad_time(text)
    return value


def _bad_time(text: object) -> SpecError:
    return SpecError(f"not a time: {str(text)!r}", hint=f"write it as {TIME_FORMS}")


def _minutes(number: int) -> timedelta:
    if not 0 < number <= _LONGEST.days * 24 * 60:
        raise _bad_time(number)
    return timedelta(minutes=number)


def _parse_time_text(text: str) -> timedelta:
    if len(text) > 32:
        raise _bad_time(text)
    if re.fullmatch(r"\d+", text, re.ASCII):
        return _minutes(int(text))
    if (match := _PARTS.fullmatch(text.lower())) and any(match.groups()):
        numbers = [int(part or 0) for part in match.groups()]
    elif match := _CLOCK.fullmatch(text):
        numbers = _clock_numbers(*match.groups())
    else:
        raise _bad_time(text)
    if numbers[0] > _LONGEST.days or max(numbers) > 10**9:
        raise _bad_time(text)
    days, hours, minutes, seconds = numbers
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _clock_numbers(days: str | None, first: str, second: str | None, third: str | None) -> list[int]:
    # sbatch(1): "minutes:seconds" has no hours, but after "days-" the first number is hours
    if days is None and third is None:
        return [0, 0, int(first), int(second or 0)]
    return [int(days or 0), int(first), int(second or 0), int(third or 0)]


def format_time(value: timedelta) -> str:
    """Write a duration as ``[D-]HH:MM:SS``, rounding up to whole seconds."""
    total = -(-value // timedelta(seconds=1))
    hours, rest = divmod(total, 3600)
    days, hours = divmod(hours, 24)
    clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def parse_memory(text: str | int) -> int:
    """Read an amount of memory into bytes: ``4G``, ``512M``, ``4GiB``; a bare number in text is megabytes.

    An int is already bytes.

    Raises:
        SpecError: not an amount, or zero.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        value = text
    elif isinstance(text, str) and len(text) <= 32 and (match := _MEMORY.fullmatch(text.strip())):
        value = int(float(match[1]) * _SCALE[match[2].lower()])
        if not match[2] and text.strip().lower().endswith("b"):
            value = int(float(match[1]))
    else:
        value = 0
    if not 0 < value < 2**60:
        raise SpecError(f"not an amount of memory: {str(text)!r}", hint=f"write it as {MEMORY_FORMS}")
    return value


def format_memory(value: int) -> str:
    """Write bytes with the largest unit that divides them: ``4G``, ``1536M``, ``100K``."""
    for unit in "TGMK":
        if value % _SCALE[unit.lower()] == 0:
            return f"{value // _SCALE[unit.lower()]}{unit}"
    return f"{-(-value // 1024)}K"
