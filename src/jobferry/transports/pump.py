"""A command whose three streams are somebody else's: bytes go through as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO

from jobferry.errors import ConnectError
from jobferry.model.command import Command
from jobferry.render.shell import join
from jobferry.render.wire import new_mark, print_mark
from jobferry.transports.base import Process, Transport
from jobferry.transports.process import CHUNK, write_all

Write = Callable[[bytes], object]

# ssh ends so when it fails itself; a command that does the same ends in the code below it, and prints a mark
_LINK_LOST = 255
_STANDS_FOR_IT = 254


def pass_through(
    transport: Transport, argv: Sequence[str], stdin: BinaryIO | None, stdout: Write, stderr: Write
) -> int:
    """Run a command over there until it ends, and return its exit code.

    Args:
        stdin: an unbuffered stream, read in a thread that is left behind when the command ends first.
        stdout, stderr: called from threads of their own, one each.

    Raises:
        ConnectError: it could not be started, or its end was not seen.
        OSError: what it printed could not be passed on; it was ended.
    """
    mark = new_mark()
    script = (
        f'"$@"; code=$?; '
        f'[ "$code" -ne {_LINK_LOST} ] || {{ {print_mark(mark)} >&2; code={_STANDS_FOR_IT}; }}; '
        f'exit "$code"'
    )
    process = transport.start(Command(argv=("sh", "-c", script, "sh", *argv), timeout=None))
    errors = _WithoutMark(stderr, mark.encode())
    code = _pump(process, stdin, stdout, errors.write)
    errors.finish()
    if code == _LINK_LOST:
        raise ConnectError(
            "the connection was lost; whether the command ran to its end is not known", command=join(argv)
        )
    return _LINK_LOST if code == _STANDS_FOR_IT and errors.found else code


def _pump(process: Process, stdin: BinaryIO | None, stdout: Write, stderr: Write) -> int:
    failures: list[BaseException] = []
    readers = [
        threading.Thread(target=_drain, args=(process, source, write, failures), daemon=True)
        for source, write in ((process.stdout, stdout), (process.stderr, stderr))
    ]
    threading.Thread(target=_feed, args=(process, stdin), daemon=True).start()
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if failures:
        raise failures[0]
    return code


def _drain(process: Process, source: BinaryIO, write: Write, failures: list[BaseException]) -> None:
    with source:
        try:
            while piece := source.read(CHUNK):
                write(piece)
        except OSError as exc:
            failures.append(exc)
            process.kill()


def _feed(process: Process, stdin: BinaryIO | None) -> None:
    try:
        while stdin is not None and (piece := stdin.read(CHUNK)):
            if not write_all(process.stdin, piece):
                break
    except (OSError, ValueError):
        # an input that cannot be read is one that has ended
        pass
    finally:
        process.stdin.close()


class _WithoutMark:
    """Hands bytes on at once, but for what may be the beginning of a mark at the end of all."""

    def __init__(self, write: Write, mark: bytes) -> None:
        self._write = write
        self._mark = mark
        self._held = b""
        self.found = False

    def write(self, piece: bytes) -> None:
        data = self._held + piece
        keep = next((size for size in range(len(self._mark), 0, -1) if data.endswith(self._mark[:size])), 0)
        self._held = data[len(data) - keep :]
        if ready := data[: len(data) - keep]:
            self._write(ready)

    def finish(self) -> None:
        self.found = self._held == self._mark
        if self._held and not self.found:
            self._write(self._held)
