"""One held-open ``/bin/sh`` over there that answers requests: a round trip each, whatever the login shell."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import BinaryIO

from jobferry.clock import Clock
from jobferry.errors import CommandTimeout, ConnectError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.render.wire import frame, new_mark, preamble_frame
from jobferry.transports.base import Process, Transport
from jobferry.transports.process import CHUNK, FIRST_INPUT, Deadline, begin, end, write_all

logger = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds before another shell is tried; a server that restarts is not hammered."""


class Shell:
    """Sends programs to one shell, in turn; starts another when it is gone.

    Attributes:
        requests: how many programs were asked for.
        starts: how many shells were started for them.
    """

    def __init__(self, transport: Transport, preamble: str, clock: Clock) -> None:
        self.requests = 0
        self.starts = 0
        self._transport = transport
        self._preamble = preamble
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _HeldShell | None = None
        self._closed = False

    def request(self, program: str, *, timeout: float = 60.0, repeatable: bool = True) -> CommandResult:
        """Run a program in a subshell over there; its output is returned byte for byte.

        A shell that was gone before the program was sent is replaced. One that dies later leaves unknown
        whether the program ran: it is sent again once if it is repeatable.

        Raises:
            ConnectError: no shell answered, or the one asked died.
            CommandTimeout: no answer in time; the shell is given up.
        """
        with self._lock:
            self.requests += 1
            deadline = Deadline(timeout)
            try:
                return self._exchange(program, deadline)
            except _ShellDied as died:
                if died.was_sent and not repeatable:
                    raise ConnectError(
                        f"{died}; it is not known whether the request was carried out"
                    ) from died
                logger.debug("shell died, asking another one: %s", died)
                was_sent = died.was_sent
            self._clock.sleep(PAUSE)
            try:
                return replace(self._exchange(program, deadline), again=was_sent)
            except _ShellDied as died:
                raise ConnectError(str(died)) from died
            except TransportError as error:
                error.unsent = error.unsent and not was_sent
                raise

    def close(self) -> None:
        """End the shell, also while it is being asked."""
        self._closed = True
        held = self._held
        # the number of one that died long ago may be that of another's session by now
        if held is not None and held.is_alive():
            held.kill()
        with self._lock:
            self._drop()

    def _exchange(self, program: str, deadline: Deadline) -> CommandResult:
        opened, closed = new_mark(), new_mark()
        request = frame(program, start=opened, end=closed)
        try:
            held = self._send(request, deadline)
            result = held.receive(opened.encode(), closed.encode(), deadline)
        except TimeoutError as exc:
            self._drop()
            raise CommandTimeout("no answer in the time allowed") from exc
        except BaseException:
            # an answer may still be on its way: this shell cannot be asked again
            self._drop()
            raise
        logger.debug("request of %d bytes: exit %d", len(request), result.exit_code)
        return result

    def _send(self, request: bytes, deadline: Deadline) -> _HeldShell:
        if self._held is not None and self._held.is_alive():
            self._held.send(request)
            return self._held
        self._drop()
        if self._closed:
            raise ConnectError("the connection was closed")
        self.starts += 1
        opening = preamble_frame(self._preamble) + request
        command = Command(argv=("/bin/sh",), timeout=deadline.left())
        try:
            process = begin(self._transport, command, opening[:FIRST_INPUT])
        except TransportError as error:
            # what travels with the start is read only by a shell that has begun
            error.unsent = True
            raise
        held = self._keep(_HeldShell(process))
        held.send(opening[FIRST_INPUT:])
        return held

    def _keep(self, held: _HeldShell) -> _HeldShell:
        self._held = held
        if self._closed:
            # closed while it was being started: whoever closed it had nothing to end yet
            self._drop()
            raise ConnectError("the connection was closed")
        return held

    def _drop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.end()


class _ShellDied(Exception):
    """The shell went away; ``was_sent`` is False when it certainly never had the whole request."""

    def __init__(self, words: str, *, was_sent: bool) -> None:
        super().__init__(words or "the connection was lost")
        self.was_sent = was_sent


class _HeldShell:
    """A running shell: its process and the two streams it answers on."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._out = _Answers(process.stdout)
        self._err = _Answers(process.stderr)
        self._was_sent = True
        self._writer: threading.Thread | None = None

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, data: bytes) -> None:
        """Write a request; one that a pipe does not hold goes by a thread, so that time still counts."""
        self._was_sent = False
        if len(data) <= FIRST_INPUT:
            self._write(data)
        else:
            self._writer = threading.Thread(target=self._write, args=(data,), daemon=True)
            self._writer.start()

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(ValueError):  # closed meanwhile: whoever closed it knows
            self._was_sent = write_all(self._process.stdin, data)

    def receive(self, start: bytes, end: bytes, deadline: Deadline) -> CommandResult:
        """Read one answer: what lies between the marks on each stream, and the exit code after them."""
        try:
            self._out.read_until(start, deadline)
            stdout = self._out.read_until(end, deadline)
            code = self._out.read_until(b"\n", deadline)
            self._err.read_until(start, deadline)
            stderr = self._err.read_until(end, deadline)
        except EOFError as exc:
            raise _ShellDied(self._last_words(), was_sent=self._may_have_run()) from exc
        return CommandResult(exit_code=int(code), stdout=stdout, stderr=stderr)

    def _may_have_run(self) -> bool:
        if self._writer is None:
            return self._was_sent
        self._writer.join(1.0)
        return self._was_sent or self._writer.is_alive()

    def _last_words(self) -> str:
        said = self._err.left(Deadline(1.0)) or self._out.left(Deadline(1.0))
        return " ".join(said.decode("utf-8", "backslashreplace").split())[-500:]

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        end(self._process)
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._out.finish()
        self._err.finish()


class _Answers:
    """A stream read by a thread of its own, so that the shell never waits for us to read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._chunks: SimpleQueue[bytes] = SimpleQueue()
        self._read = bytearray()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def read_until(self, mark: bytes, deadline: Deadline) -> bytes:
        """Return what comes before a mark, and drop the mark.

        Raises:
            EOFError, TimeoutError: the stream ended, or the time did, without the mark.
        """
        searched = 0
        while (found := self._read.find(mark, searched)) < 0:
            # a mark may lie across two chunks; what was searched once is not searched again
            searched = max(0, len(self._read) - len(mark) + 1)
            self._read += self._next_chunk(deadline)
        before = bytes(memoryview(self._read)[:found])
        del self._read[: found + len(mark)]
        return before

    def left(self, deadline: Deadline) -> bytes:
        """Return what a stream that has ended still held."""
        with contextlib.suppress(EOFError, TimeoutError):
            while True:
                self._read += self._next_chunk(deadline)
        return bytes(self._read)

    def finish(self) -> None:
        """Wait for the reader, but not for a stranger who holds the stream open."""
        self._thread.join(1.0)

    def _next_chunk(self, deadline: Deadline) -> bytes:
        try:
            chunk = self._chunks.get(timeout=deadline.left())
        except Empty:
            raise TimeoutError from None
        if not chunk:
            self._chunks.put(b"")  # whoever asks next hears it too
            raise EOFError
        return chunk

    def _pump(self) -> None:
        with self._source as source:
            while chunk := source.read(CHUNK):
                self._chunks.put(chunk)
        self._chunks.put(b"")
