"""Reading bytes that come over a link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from jobferry.errors import TransferError

READ_SIZE = 1 << 18
HEADER_LIMIT = 1 << 24
"""No honest header is longer; one that says so wants our memory."""


class Readable(Protocol):
    """Anything that gives at most so many bytes, and nothing at its end."""

    def read(self, size: int, /) -> bytes: ...


class Chunks:
    """Chunks of bytes as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def after_mark(source: Readable, mark: bytes, limit: int = 1 << 20) -> tuple[bytes, Readable]:
    """Skip to `mark`; return what follows it on its line, and the stream after that line.

    Raises:
        TransferError: the mark does not come, or not within `limit` bytes.
    """
    seen = b""
    start = -1
    while start < 0 or b"\n" not in seen[start:]:
        chunk = source.read(READ_SIZE)
        if not chunk or len(seen) > limit:
            raise TransferError("no answer came from over there")
        seen += chunk
        start = seen.find(mark)
    end = seen.index(b"\n", start)
    return seen[start + len(mark) : end].strip(), _Joined(seen[end + 1 :], source)


class _Joined:
    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if not self._first:
            return self._rest.read(size)
        given, self._first = self._first[:size], self._first[size:]
        return given


class Incoming:
    """A stream as the file that `tarfile` wants: it knows where it is and can go forward, never back."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._buffer = b""
        self._at = 0
        self._position = 0
        self.last = b""
        """What the latest `read` returned."""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        """Skip forward.

        Raises:
            TransferError: the position lies behind, or beyond the end.
        """
        if position < self._position:
            raise TransferError("not a sound tar stream")
        while self._position < position:
            self.take(position - self._position)
        return self._position

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes.

        Raises:
            TransferError: the stream ends before, or nobody honest asks for so many.
        """
        if not 0 <= size <= HEADER_LIMIT:
            raise TransferError(f"not a sound tar stream: a header of {size} bytes")
        parts = []
        while size:
            part = self.take(size)
            size -= len(part)
            parts.append(part)
        self.last = parts[0] if len(parts) == 1 else b"".join(parts)
        return self.last

    def take(self, size: int) -> bytes:
        """Return between one and so many bytes.

        Raises:
            TransferError: the stream has ended.
        """
        if self._at == len(self._buffer):
            self._buffer, self._at = self._source.read(READ_SIZE), 0
            if not self._buffer:
                raise TransferError("the stream ended too early", hint="the link broke: try again")
        part = self._buffer[self._at : self._at + size]
        self._at += len(part)
        self._position += len(part)
        return part
