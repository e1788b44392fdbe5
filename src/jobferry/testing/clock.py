"""A clock that waits for nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Time that goes on only by `advance` and `sleep`, both of which return at once; safe among threads.

    Attributes:
        slept: the seconds of each sleep, in order.
    """

    def __init__(self, start: datetime = START) -> None:
        self.slept: list[float] = []
        self._start = start
        self._passed = timedelta()
        self._lock = threading.Lock()
        # the number keeps equal moments in the order they were asked for
        self._planned: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        """Tell the time; UTC."""
        with self._lock:
            return self._start + self._passed

    def monotonic(self) -> float:
        """Tell the seconds since the clock was made."""
        with self._lock:
            return self._passed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Advance at once, and note it."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        with self._lock:
            self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, by: float | timedelta) -> None:
        """Let time pass: seconds, or a length of time. What was planned for it is called on the way."""
        length = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if by and not length:
            # a wait that ends in less than the clock can tell must end all the same
            length = timedelta.resolution
        with self._lock:
            end = self._start + self._passed + length
        while (action := self._next(end)) is not None:
            # outside the lock: what is called may ask for the time, or plan more
            action()
        with self._lock:
            self._passed = max(self._passed, end - self._start)

    def at(self, moment: datetime, action: Callable[[], object]) -> None:
        """Call something when a moment is reached, with the clock showing that moment; once."""
        with self._lock:
            heappush(self._planned, (moment, next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Call something so many seconds from now; once."""
        self.at(self.now() + timedelta(seconds=seconds), action)

    def _next(self, end: datetime) -> Callable[[], object] | None:
        with self._lock:
            if not self._planned or self._planned[0][0] > end:
                return None
            moment, _, action = heappop(self._planned)
            self._passed = max(self._passed, moment - self._start)
            return action
