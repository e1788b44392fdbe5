"""Running commands to their end over anything that can start a process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, cast, runtime_checkable

from jobferry.errors import CommandTimeout, ConnectError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.render.shell import join
from jobferry.transports.base import Process, Transport

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
FIRST_INPUT = 1 << 15
"""Bytes of input that a pipe takes without anybody reading it yet."""

Start = Callable[[Command, bytes], Process]
Judge = Callable[[CommandResult], CommandResult]


@runtime_checkable
class StartsWithInput(Protocol):
    """A transport that can send the first bytes of input along with the request to start."""

    def start_with(self, command: Command, first: bytes) -> Process:
        """Start a command; ``first`` is at most ``FIRST_INPUT`` bytes."""
        ...


def begin(transport: Transport, command: Command, first: bytes) -> Process:
    """Start a command over any transport with its first bytes of input."""
    if isinstance(transport, StartsWithInput):
        return transport.start_with(command, first)
    process = transport.start(command)
    write_all(process.stdin, first)
    return process


def as_it_is(result: CommandResult) -> CommandResult:
    """Judge nothing: every exit is the command's own."""
    return result


def run(
    start: Start, command: Command, stdin: bytes | Iterable[bytes], judge: Judge = as_it_is
) -> CommandResult:
    """Run a command to its end with both streams drained; see ``Transport.run``."""
    deadline = Deadline(command.timeout)
    first, rest = _split(stdin)
    process = start(command, first)
    stdout, stderr = Drain(process.stdout), Drain(process.stderr)
    feed = Feed(process, rest)
    try:
        out, err = stdout.finish(deadline), stderr.finish(deadline)
        result = CommandResult(exit_code=process.wait(deadline.left()), stdout=out, stderr=err)
    except BaseException as exc:
        # also what the command left behind holding our pipes
        process.kill()
        process.wait()
        if isinstance(exc, TimeoutError):
            raise timed_out(command) from exc
        raise
    feed.check()
    logger.debug("%s: exit %d", command.argv[0], result.exit_code)
    return judge(result)


def stream(start: Start, command: Command, judge: Judge = as_it_is) -> Iterator[bytes]:
    """Run a command and yield its standard output; see ``Transport.stream``."""
    deadline = Deadline(command.timeout)
    process = start(command, b"")
    process.stdin.close()
    stderr = Drain(process.stderr)
    watchdog = threading.Timer(deadline.left() or 0.0, process.kill)
    watchdog.daemon = True
    if command.timeout is not None:
        watchdog.start()
    try:
        with process.stdout as stdout:
            while chunk := stdout.read(CHUNK):
                yield chunk
        code = process.wait(deadline.left())
        said = stderr.finish(deadline)
    except TimeoutError as exc:
        raise timed_out(command) from exc
    finally:
        watchdog.cancel()
        end(process)
    if deadline.is_over():
        raise timed_out(command)
    if code != 0:
        result = judge(CommandResult(exit_code=code, stderr=said))
        raise TransportError(result.words or f"exit code {code}", command=join(command.argv))


def timed_out(command: Command) -> CommandTimeout:
    """Make the error of a command that did not end in time."""
    return CommandTimeout(f"no end within {command.timeout:g} s", command=join(command.argv))


def end(process: Process) -> None:
    """Kill a process if it still runs, and take its exit code so that no zombie stays."""
    if process.poll() is None:
        process.kill()
    process.wait()


def write_all(stream: BinaryIO, data: bytes) -> bool:
    """Write everything to an unbuffered stream; tell whether the other end took it."""
    left = memoryview(data)
    try:
        while left:
            left = left[stream.write(left) :]
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


class Deadline:
    """A moment by which something must have ended; None is never."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Tell the seconds that remain, never less than none."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


class Drain:
    """A thread that reads a stream to its end, so that the writer never waits for us, and closes it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def finish(self, deadline: Deadline) -> bytes:
        """Wait for the end of the stream and return all of it.

        Raises:
            TimeoutError: the stream is still open.
        """
        self._thread.join(deadline.left())
        if self._thread.is_alive():
            raise TimeoutError
        return b"".join(self._chunks)

    def _read(self) -> None:
        with self._source as source:
            while chunk := source.read(CHUNK):
                self._chunks.append(chunk)


class Feed:
    """Gives a process its input and closes it; kills the process when the input cannot be made.

    A process that saw its input end early would take half a file for a whole one.
    """

    def __init__(self, process: Process, chunks: Iterator[bytes] | None) -> None:
        self._process = process
        self._error: BaseException | None = None
        if chunks is None:
            process.stdin.close()
        else:
            threading.Thread(target=self._write, args=(chunks,), daemon=True).start()

    def check(self) -> None:
        """Raise what making the input raised."""
        if self._error is not None:
            raise self._error

    def _write(self, chunks: Iterator[bytes]) -> None:
        stdin = self._process.stdin
        try:
            for chunk in chunks:
                if not write_all(stdin, chunk):
                    break
        except BaseException as exc:  # noqa: BLE001 (raised again by `check`, in the caller's thread)
            self._error = exc
            self._process.kill()
        finally:
            stdin.close()


def _split(stdin: bytes | Iterable[bytes]) -> tuple[bytes, Iterator[bytes] | None]:
    """Part input into what can go along with the start, and the rest; None when nothing is left."""
    if not isinstance(stdin, bytes):
        return b"", iter(stdin)
    if len(stdin) <= FIRST_INPUT:
        return stdin, None
    return stdin[:FIRST_INPUT], iter((stdin[FIRST_INPUT:],))


class ChildProcess:
    """A process on this machine that leads a group of its own; ``on_end`` is called once its end is seen."""

    def __init__(self, popen: subprocess.Popen[bytes], on_end: Callable[[], None] | None = None) -> None:
        self._popen = popen
        self._on_end = on_end
        self._lock = threading.Lock()
        self.stdin = cast(BinaryIO, popen.stdin)
        self.stdout = cast(BinaryIO, popen.stdout)
        self.stderr = cast(BinaryIO, popen.stderr)

    def poll(self) -> int | None:
        code = self._popen.poll()
        return None if code is None else self._ended(code)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; TimeoutError when it does not come in time."""
        try:
            return self._ended(self._popen.wait(timeout))
        except subprocess.TimeoutExpired as exc:
            raise TimeoutError from exc

    def kill(self) -> None:
        """End the process and its whole group, also the members that outlived it."""
        if os.name == "nt":
            self._popen.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)

    def _ended(self, code: int) -> int:
        with self._lock:
            tell, self._on_end = self._on_end, None
        if tell is not None:
            tell()
        return code if code >= 0 else 128 - code


def spawn(argv: Sequence[str], on_end: Callable[[], None] | None = None) -> ChildProcess:
    """Start a program of this machine with three unbuffered pipes, in a session of its own.

    Raises:
        ConnectError: it is not there, or the system would not start it.
    """
    pipe = subprocess.PIPE
    try:
        popen = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
        )
    except OSError as exc:
        if on_end is not None:
            on_end()
        raise ConnectError(f"{argv[0]} could not be started: {exc.strerror}") from exc
    return ChildProcess(popen, on_end)
