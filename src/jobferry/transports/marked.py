"""Streams that begin with a mark, so that what start-up files print before it is not taken for output."""

from __future__ import annotations

import io
import threading
from typing import BinaryIO

from jobferry.transports.process import CHUNK, Deadline


class AfterMark(io.RawIOBase):
    """A stream from its mark on; ``noise`` is what came before, or everything if the mark never came."""

    def __init__(self, source: BinaryIO, mark: bytes) -> None:
        self._source = source
        self._mark = mark
        self._left = b""
        self.noise = b""
        self.found = False

    def skip(self) -> None:
        """Read up to the mark, or to the end of the stream."""
        read = bytearray()
        while (at := read.find(self._mark)) < 0:
            chunk = self._source.read(CHUNK)
            if not chunk:
                self.noise = bytes(read)
                return
            read += chunk
        self.noise = bytes(read[:at])
        self._left = bytes(read[at + len(self._mark) :])
        self.found = True

    def readable(self) -> bool:
        return True

    # the type of the buffer is not public in the standard library's stubs
    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        if not self._left:
            return self._source.readinto(buffer)  # type: ignore[attr-defined,no-any-return]
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def close(self) -> None:
        self._source.close()
        super().close()


def skip_both(stdout: AfterMark, stderr: AfterMark, deadline: Deadline) -> None:
    """Read both streams up to their marks.

    Raises:
        TimeoutError: neither a mark nor the end came on one of them.
    """
    # both at once: a shell that is noisy on one would wait for us for ever while we wait on the other
    threads = [threading.Thread(target=stream.skip, daemon=True) for stream in (stdout, stderr)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.left())
        if thread.is_alive():
            raise TimeoutError
