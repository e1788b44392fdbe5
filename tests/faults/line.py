"""A process behind a link that may break."""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from typing import BinaryIO, Protocol, cast

from jobferry.transports import process
from jobferry.transports.base import Process
from tests.faults.breaks import Break, Kind, Side, Traffic

LOST = 255
"""The exit code of a process whose link is gone, as with ssh."""
_DELAY = 0.03


class Link(Protocol):
    """What a line tells of itself, and is told."""

    is_broken: bool
    words: bytes | None


class Line:
    """A process and its three streams, each of which may break."""

    def __init__(self, inner: Process, traffic: Traffic, breaks: Break | None, link: Link) -> None:
        self.inner = inner
        self.is_lost = False
        self.is_deaf = False
        self.is_mute = False
        self._breaks = breaks
        self._traffic = traffic
        self._link = link
        self._lock = threading.RLock()
        self._flows = threading.Event()
        self._flows.set()
        self._stalled: Side | None = None
        self._late = bytearray()
        self._is_left = False
        self._drains: list[threading.Thread] = []
        self._bell, self._rope = os.pipe()
        self._listeners = 2
        self.stdin = cast(BinaryIO, _Inward(self))
        self.stdout = cast(BinaryIO, _Outward(self, inner.stdout, Side.OUT))
        self.stderr = cast(BinaryIO, _Outward(self, inner.stderr, Side.ERR))

    # -- what a process does

    def poll(self) -> int | None:
        return LOST if self.is_lost else self.inner.poll()

    def wait(self, timeout: float | None = None) -> int:
        code = LOST if self.is_lost else self.inner.wait(timeout)
        return LOST if self.is_lost else code

    def kill(self) -> None:
        """End what stands for it here; over there only the streams end."""
        if not self._flows.is_set():
            # what is on its way arrives all the same
            self._is_left = True
            self._hang_up()
            return
        self._lose()

    # -- breaking

    def begin(self) -> None:
        if self._breaks is not None and self._breaks.at == 0:
            self._trip()

    def room(self, side: Side, size: int) -> int:
        """Tell how many of so many bytes pass before the line breaks."""
        if self._breaks is None or self._breaks.side is not side:
            return size
        return max(1, min(size, self._breaks.at - len(self._traffic.sides[side])))

    def passed(self, side: Side, data: bytes) -> None:
        """Note what went through, and break where that was to happen."""
        with self._lock:
            self._traffic.sides[side] += data
            plan = self._breaks
            if plan is not None and plan.side is side and len(self._traffic.sides[side]) >= plan.at:
                self._trip()

    def thaw(self) -> None:
        with self._lock:
            if self._flows.is_set():
                return
            with contextlib.suppress(OSError, ValueError):
                process.write_all(self.inner.stdin, bytes(self._late))
            self._late.clear()
            self._flows.set()
            if self._is_left:
                self._close_inner_stdin()

    def settle(self, limit: float) -> None:
        try:
            self.inner.wait(limit if self.is_lost or self._is_left else 0.0)
        except TimeoutError:
            self._lose()
            try:
                self.inner.wait(limit)
            except TimeoutError:
                self.inner.kill()
                self.inner.wait(limit)
        self._hang_up()
        self._close_inner_stdin()
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()
        for drain in self._drains:
            drain.join(limit)

    def _trip(self) -> None:
        plan, self._breaks = self._breaks, None
        if plan is None:
            return
        self._link.is_broken = True
        if plan.kind is Kind.CUT:
            self._lose()
        elif plan.kind is Kind.HALF and plan.side is Side.IN:
            self.is_deaf = True
            self._close_inner_stdin()
        elif plan.kind is Kind.HALF:
            self.is_mute = True
            self._hang_up()
        else:
            self._stalled = plan.side
            self._flows.clear()
            if plan.kind is Kind.DELAY:
                timer = threading.Timer(_DELAY, self.thaw)
                timer.daemon = True
                timer.start()

    def _lose(self) -> None:
        self._hang_up()
        self._close_inner_stdin()

    def _hang_up(self) -> None:
        with self._lock:
            if self.is_lost:
                return
            self.is_lost = True
            if self._listeners:
                os.write(self._rope, b"!")

    def _close_inner_stdin(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.inner.stdin.close()

    def _hears_no_more(self) -> bool:
        return self.is_lost

    def part_with(self, source: BinaryIO) -> None:
        """Leave a stream: whoever still writes there meets its end, as when a server has lost its client."""
        with self._lock:
            if self.is_mute:
                # or is heard by nobody, and does not know
                drain = threading.Thread(target=_drain, args=(source,), daemon=True)
                drain.start()
                self._drains.append(drain)
            else:
                source.close()
            self._listeners -= 1
            if self._listeners == 0:
                os.close(self._bell)
                os.close(self._rope)

    # -- its streams

    def take(self, data: bytes) -> int:
        """Take bytes for the far side."""
        with self._lock:
            if self._link.words is not None and self._link.words in data:
                self._link.is_broken = True
                self._lose()
                return len(data)
            if self.is_lost:
                raise BrokenPipeError
            if self.is_deaf:
                return len(data)
            if not self._flows.is_set() and self._stalled is Side.IN:
                self._late += data
                return len(data)
            room = self.room(Side.IN, len(data))
        written = self.inner.stdin.write(data[:room])
        self.passed(Side.IN, data[:written])
        return written

    def end_of_input(self) -> None:
        with self._lock:
            if not self._flows.is_set():
                self._is_left = True
                return
        self._close_inner_stdin()

    def give(self, source: BinaryIO, side: Side, size: int) -> bytes:
        """Give bytes of the far side; none is the end."""
        ready, _, _ = select.select([source.fileno(), self._bell], [], [])
        if self._bell in ready or self._hears_no_more():
            return b""
        while self._stalled in (Side.OUT, Side.ERR) and not self._flows.wait(0.01):
            if self._hears_no_more():
                return b""
        data = source.read(self.room(side, size))
        self.passed(side, data)
        return data


class _Inward(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        self._line = line

    def writable(self) -> bool:
        return True

    # the type of the buffer is not public in the standard library's stubs
    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        return self._line.take(bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._line.end_of_input()


class _Outward(io.RawIOBase):
    def __init__(self, line: Line, source: BinaryIO, side: Side) -> None:
        self._line = line
        self._source = source
        self._side = side

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._line.give(self._source, self._side, min(len(buffer), process.CHUNK))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._line.part_with(self._source)


def _drain(source: BinaryIO) -> None:
    with source:
        while source.read(process.CHUNK):
            pass
