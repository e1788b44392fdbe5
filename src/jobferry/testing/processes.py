"""Processes of a fake transport: one that only says what it was told, and one whose link can be lost."""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from jobferry.model.command import CommandResult
from jobferry.transports.base import Process
from jobferry.transports.process import CHUNK

LOST = 255
"""The exit code of a process whose link is gone, as with ssh."""

Respond = Callable[[bytes], CommandResult]


class Cuttable(Process, Protocol):
    """A process whose link can be lost."""

    @property
    def was_cut(self) -> bool: ...
    def cut(self) -> None: ...


class ScriptedProcess:
    """Says what it was told; a function is called with all of the input once that has ended.

    Args:
        said: the answer, or what makes it.
        limit: bytes of output after which the link is lost; None is never.
    """

    def __init__(self, said: CommandResult | Respond, limit: int | None = None) -> None:
        self.was_cut = False
        self._limit = limit
        self._result = CommandResult(exit_code=LOST)
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.stdin = cast(BinaryIO, _Input(self._take))
        self.stdout = cast(BinaryIO, _Output(lambda: self._wait().stdout))
        self.stderr = cast(BinaryIO, _Output(lambda: self._wait().stderr))
        self._respond = None if isinstance(said, CommandResult) else said
        if isinstance(said, CommandResult):
            self._end(said)

    def poll(self) -> int | None:
        return self._result.exit_code if self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; TimeoutError when it does not come in time."""
        if not self._ended.wait(timeout):
            raise TimeoutError
        return self._result.exit_code

    def kill(self) -> None:
        self._end(CommandResult(exit_code=128 + 9))

    def cut(self) -> None:
        self.was_cut = self.was_cut or not self._ended.is_set()
        self._end(CommandResult(exit_code=LOST))

    def _take(self, data: bytes) -> None:
        if self._respond is not None and not self._ended.is_set():
            self._end(self._respond(data))

    def _end(self, result: CommandResult) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            if self._limit is not None and len(result.stdout) > self._limit:
                self.was_cut = True
                result = CommandResult(exit_code=LOST, stdout=result.stdout[: self._limit])
            self._result = result
            self._ended.set()

    def _wait(self) -> CommandResult:
        self._ended.wait()
        return self._result


class _Input(io.RawIOBase):
    """Takes everything, and hands it on when it is closed."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._taken = bytearray()
        self._take = take

    def writable(self) -> bool:
        return True

    # the type of the buffer is not public in the standard library's stubs
    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        self._taken += data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._take(bytes(self._taken))


class _Output(io.RawIOBase):
    """Bytes that are asked for when they are first read."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._left: bytes | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._left is None:
            self._left = self._fetch()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


class LinkedProcess:
    """A real process behind a link: when that is cut, nothing more is heard of it, but it goes on over there.

    Args:
        inner: the process; its streams must have file descriptors.
        limit: bytes of output after which the link is lost; None is never.
    """

    def __init__(self, inner: Process, limit: int | None = None) -> None:
        self._inner = inner
        self._link = _Link(self._lose)
        self.stdin = inner.stdin
        self.stdout = cast(BinaryIO, _Linked(inner.stdout, self._link, limit))
        self.stderr = cast(BinaryIO, _Linked(inner.stderr, self._link, None))

    @property
    def was_cut(self) -> bool:
        return self._link.is_cut

    def poll(self) -> int | None:
        return LOST if self.was_cut else self._inner.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; TimeoutError when it does not come in time."""
        if self.was_cut:
            return LOST
        code = self._inner.wait(timeout)
        return LOST if self.was_cut else code

    def kill(self) -> None:
        if not self.was_cut:
            self._inner.kill()

    def cut(self) -> None:
        if self._inner.poll() is None:
            self._link.cut()

    def _lose(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._inner.stdin.close()
        # nobody waits for it any more, but its end must be taken
        threading.Thread(target=self._inner.wait, daemon=True).start()


class _Link:
    """A link that can be cut once, from any thread; whoever waits for the other end then hears of it."""

    def __init__(self, on_cut: Callable[[], None]) -> None:
        self.is_cut = False
        self.bell, self._rope = os.pipe()
        self._on_cut = on_cut
        self._users = 2
        self._lock = threading.Lock()

    def cut(self) -> None:
        with self._lock:
            if self.is_cut:
                return
            self.is_cut = True
            if self._users:
                os.write(self._rope, b"!")
        self._on_cut()

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                os.close(self.bell)
                os.close(self._rope)


class _Linked(io.RawIOBase):
    """A stream that ends where the link is cut."""

    def __init__(self, source: BinaryIO, link: _Link, limit: int | None) -> None:
        self._source = source
        self._link = link
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._left == 0:
            self._link.cut()
        if self._link.is_cut:
            return 0
        ready, _, _ = select.select([self._source.fileno(), self._link.bell], [], [])
        if self._link.bell in ready:
            return 0
        size = len(buffer) if self._left is None else min(len(buffer), self._left)
        data = self._source.read(min(size, CHUNK))
        buffer[: len(data)] = data
        if self._left is not None:
            self._left -= len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._link.is_cut:
                # somebody over there may go on writing: it must neither wait for us nor die of it
                threading.Thread(target=_drain, args=(self._source,), daemon=True).start()
            else:
                self._source.close()
            self._link.leave()


def _drain(source: BinaryIO) -> None:
    with source:
        while source.read(CHUNK):
            pass
