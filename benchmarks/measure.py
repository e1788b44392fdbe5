"""Timing two things in turn, and saying how they compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Seconds of ours and of the bare limit, measured in turn.

    Attributes:
        rtt: milliseconds of round trip; None where no network takes part.
        aim: the ratio not to be exceeded; None where none is set.
    """

    case: str
    ours: str
    bare: str
    rtt: int | None
    our_seconds: tuple[float, ...]
    bare_seconds: tuple[float, ...]
    aim: float | None = None

    @property
    def ratio(self) -> float:
        return statistics.median(self.our_seconds) / statistics.median(self.bare_seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The middle half of the ratios of neighbours."""
        ratios = [our / bare for our, bare in zip(self.our_seconds, self.bare_seconds, strict=True)]
        return middle_half(ratios)

    @property
    def is_met(self) -> bool | None:
        return None if self.aim is None else self.ratio <= self.aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that has no bare limit beside it, and what it should not exceed."""

    case: str
    what: str
    rtt: int | None
    values: tuple[float, ...]
    unit: str
    aim: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        return None if self.aim is None else self.median <= self.aim


Result = Comparison | Figure


def seconds(work: Work) -> float:
    """Tell how long it takes once."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turn(runs: int, *works: Work) -> list[tuple[float, ...]]:
    """Time each in turn, A B A B, so that a busy moment of the machine meets all; once before, unmeasured."""
    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(runs)]
    return list(zip(*rounds, strict=True))


def middle_half(values: list[float]) -> tuple[float, float]:
    """Return the first and third quartile; of fewer than four values, the least and the greatest."""
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4)
    return low, high
