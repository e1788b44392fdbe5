"""What a job asked for, as Slurm reads and shows it: time, memory, signals."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

_UNITS = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
_TIME = re.compile(r"(?:(\d+)-(\d+)(?::(\d+))?(?::(\d+))?|(\d+)(?::(\d+))?(?::(\d+))?)")


def asked_problem(asked: Mapping[str, str]) -> str:
    """Name the option whose value cannot be read; empty when all can."""
    readers = {"time": seconds, "mem": kibibytes, "mem-per-cpu": kibibytes, "signal": warning}
    for name, read in readers.items():
        if name in asked and read(asked[name]) is None:
            return f"Invalid --{name} specification"
    return ""


def seconds(text: str) -> int | None:
    """Read a time limit as sbatch does: ``90`` are minutes, ``1:30`` with seconds, ``1-2`` days and hours."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, rest = (int(word or 0) for word in match.group(1, 2, 3, 4))
    if match[5]:
        words = [int(word) for word in match.group(5, 6, 7) if word]
        hours, minutes, rest = words if len(words) == 3 else (0, *words, 0)[:3]
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def show_time(text: str | None) -> str:
    """Write a time limit as ``scontrol`` does."""
    length = seconds(text) if text is not None else None
    if length is None:
        return "UNLIMITED"
    days, rest = divmod(length, 86400)
    return f"{f'{days}-' if days else ''}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def kibibytes(text: str) -> int | None:
    """Read an amount of memory; without a unit it is megabytes."""
    match = re.fullmatch(r"(\d+)([KMGT]?)B?", text, re.IGNORECASE)
    return int(match[1]) * _UNITS[match[2].upper() or "M"] if match else None


def show_memory(text: str) -> str:
    """Write an amount of memory as ``scontrol`` does: in the largest unit of which it is a whole number."""
    amount = kibibytes(text) or 0
    unit = next((unit for unit in "TGM" if amount and amount % _UNITS[unit] == 0), "M")
    return f"{amount // _UNITS[unit]}{unit}" if amount else "0"


def warning(text: str) -> tuple[bool, int] | None:
    """Read ``--signal``: whether it is the batch shell that gets it, and its number."""
    match = re.fullmatch(r"(?:([RB]+):)?(?:SIG)?(\w+)(?:@(\d+))?", text)
    names = {item.name.removeprefix("SIG"): item for item in signal.Signals}
    if match is None or not (match[2].isdecimal() or match[2] in names):
        return None
    number = int(match[2]) if match[2].isdecimal() else names[match[2]]
    return "B" in (match[1] or ""), int(number)
