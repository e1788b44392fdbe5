"""Values of parameters as people type them: ``0.1,0.2``, ``1..5``, ``0..1:0.25``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from jobferry.errors import SpecError

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?", re.ASCII)
_LIKE_RANGE = re.compile(r"-?\d[\d.]*\.\.-?\d[\d.]*(?::.*)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MOST = 1_000_000


def parse_parameters(entries: Iterable[str]) -> dict[str, list[str]]:
    """Read ``NAME=VALUES``, each name once.

    Raises:
        SpecError: not of that form.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise SpecError(f"not a parameter: {entry!r}", hint="write it as lr=0.1,0.2 or seed=1..5")
        if name in found:
            raise SpecError(f"the parameter {name} is given twice", hint=f"-p {name}=A,B gives it two values")
        found[name] = parse_values(text)
    return found


def parse_values(text: str) -> list[str]:
    """Read values between commas; a range ``A..B`` or ``A..B:STEP`` holds both its ends.

    Values stay as they were typed: ``0.10`` is not ``0.1``. A comma within a value is written ``\\,``.

    Raises:
        SpecError: there is none, or a range never ends.
    """
    found: list[str] = []
    for word in re.split(r"(?<!\\),", text):
        match = _RANGE.fullmatch(word)
        if match is None and _LIKE_RANGE.fullmatch(word):
            raise SpecError(f"not a range: {word!r}", hint="write it as 1..5 or 0..1:0.25; 5..1 goes down")
        found += _range(match) if match else [word.replace("\\,", ",")]
    return found


def _range(match: re.Match[str]) -> list[str]:
    first, last, step = Decimal(match[1]), Decimal(match[2]), Decimal(match[3] or "1")
    if step == 0:
        raise SpecError(f"not a range: {match[0]!r}", hint="write it as 1..5 or 0..1:0.25")
    if abs(last - first) / step >= _MOST:
        raise SpecError(f"the range {match[0]} holds more than {_MOST:,} values")
    count = int(abs(last - first) / step) + 1
    sign = 1 if last >= first else -1
    # as many digits as the first has, if that begins with a zero: 008..010
    width = len(match[1]) if re.match(r"-?0\d", match[1]) else 0
    return [format(first + sign * number * step, "f").zfill(width) for number in range(count)]
