"""Where to break: frames, marks, and a seeded sample of what lies between."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence

from tests.faults.breaks import Side, Traffic

SEED = 20260601
_MARK = re.compile(rb"\n?(?:jf-)?[0-9a-f]{16}(?: (?:begin [^\n]*|errors|end \d+))?\n?")


def density() -> float:
    """How dense to break, next to what an everyday run does."""
    return float(os.environ.get("JOBFERRY_FAULT_DENSITY", "1"))


def sample(population: Sequence[int], count: int, *, salt: str = "") -> list[int]:
    """Draw so many of them, times the density; the same ones each time."""
    wanted = min(len(population), max(1, round(count * density())))
    return sorted(random.Random(f"{SEED} {salt}").sample(population, wanted))


def frames(traffic: Traffic, side: Side) -> list[int]:
    """List the bytes where something begins or ends: requests on the way in, marks on the way out."""
    data = bytes(traffic.sides[side])
    if side is Side.IN:
        # the shell library is the first line that ends outside quotes; each request ends with a brace
        ends = [found.end() for found in re.finditer(rb"[;1] ?\}(?: </dev/null >/dev/null 2>&1)?\n", data)]
        edges = [0, 1, *(end + step for end in [*ends, len(data)] for step in (-2, -1, 0, 1))]
    else:
        edges = [0, 1]
        for found in _MARK.finditer(data):
            edges += [found.start(), found.start() + 1, found.end() - 1, found.end()]
        edges += [len(data) - 1, len(data)]
    return sorted({edge for edge in edges if 0 <= edge <= len(data)})


def between(traffic: Traffic, side: Side, count: int) -> list[int]:
    """Draw bytes that are no frame's edge."""
    inner = sorted(set(range(len(traffic.sides[side]))) - set(frames(traffic, side)))
    return sample(inner, count, salt=str(side)) if inner else []
