"""How far a transfer has come."""

from __future__ import annotations

from collections.abc import Callable

from jobferry.clock import Clock, SystemClock

Progress = Callable[[int, int | None], None]
"""Called with the bytes done and, if known, in all; now and then, and at the end, from any thread."""

INTERVAL = 0.05


class Meter:
    """Counts bytes and tells a listener, but not too often."""

    def __init__(
        self, progress: Progress | None, total: int | None = None, *, clock: Clock | None = None
    ) -> None:
        self._progress = progress
        self._clock = clock or SystemClock()
        self._next = 0.0
        self.total = total
        self.done = 0

    def add(self, count: int) -> None:
        """Count bytes that have gone."""
        self.done += count
        if self._progress is None:
            return
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL
            self._progress(self.done, self.total)

    def finish(self) -> None:
        """Tell the final count."""
        if self._progress is not None:
            self._progress(self.done, self.total)
