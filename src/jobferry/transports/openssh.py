"""A machine reached by the system's own ``ssh``: its configuration, its keys, its questions."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from jobferry.clock import Clock, SystemClock
from jobferry.errors import AuthError, CommandTimeout, ConfigError, ConnectError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import Machine
from jobferry.render.shell import command_line, join
from jobferry.render.wire import for_login_shell, marked, new_mark
from jobferry.transports import process, ssh_words
from jobferry.transports.base import Process
from jobferry.transports.marked import AfterMark, skip_both
from jobferry.transports.ssh_master import Master, is_alive, socket_option

MAX_SESSIONS = 8
"""Sessions at once on one connection; sshd allows 10 unless told otherwise."""
SESSION_PATIENCE = 30.0
"""Seconds for which a refused session is asked for again."""
START_LIMIT = 120.0
"""Seconds that start-up files over there may take."""
PORT_TRIES = 5
SSH_FAILED = 255

_SESSION = ("-T", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ClearAllForwardings=yes")
_OWN_COMMAND = ("-o", "IgnoreUnknown=RemoteCommand", "-o", "RemoteCommand=none", "-o", "ControlMaster=no")
# a session that the shared connection refuses must fail, not open another one that wants a second factor
_NO_OTHER_WAY = ("-o", "ProxyCommand=false", "-o", "PreferredAuthentications=none")
# the OpenSSH of Windows cannot share connections and fails where the user's configuration asks for it
_NO_SHARING = ("-o", "ControlPath=none")


class OpenSSHTransport:
    """Runs commands on a machine as sessions of one shared connection."""

    def __init__(self, machine: Machine, clock: Clock | None = None) -> None:
        if not machine.host:
            raise ConfigError("a machine reached by ssh needs a `host`", machine=machine.name)
        self._machine = machine.name
        self._host = machine.host
        self._words = tuple(shlex.split(machine.ssh))
        self._clock = clock or SystemClock()
        shares = os.name != "nt"
        self._master = Master(self._words, self._host, self._machine, self._clock) if shares else None
        self._sessions = threading.BoundedSemaphore(MAX_SESSIONS)
        self._end_mark = new_mark()
        self._forwards: list[tuple[Path, str]] = []

    def start(self, command: Command) -> Process:
        return self.start_with(command, b"")

    def start_with(self, command: Command, first: bytes) -> Process:
        """Start a command whose input begins with these bytes; return once it has begun over there.

        Raises:
            ConnectError, AuthError, HostKeyError: it certainly did not begin.
            CommandTimeout: it was not seen to begin in time.
        """
        give_up = self._clock.monotonic() + SESSION_PATIENCE
        pause, reconnected = 0.1, False
        while True:
            path = self._master.socket() if self._master else None
            try:
                return self._start_session(path, command, first)
            except _NotBegun as failure:
                refused = ssh_words.is_session_refused(failure.said)
                if refused and self._clock.monotonic() + pause < give_up:
                    self._clock.sleep(pause * random.uniform(0.5, 1.0))
                    pause = min(pause * 2, 4.0)
                elif path is None or refused or reconnected or is_alive(path):
                    raise self._explain(failure) from failure
                else:
                    reconnected = True

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        return process.run(self.start_with, command, stdin, self._judge)

    def stream(self, command: Command) -> Iterator[bytes]:
        return process.stream(self.start_with, command, self._judge)

    def forward(self, remote_host: str, remote_port: int) -> int:
        """Make a port over there reachable on loopback until ``close``; return the local port."""
        if self._master is None:
            raise ConnectError("forwarding needs a shared connection, which ssh on Windows does not have")
        path = self._master.socket()
        target = f"[{remote_host}]" if ":" in remote_host else remote_host
        failure = b""
        # ssh takes no port 0 here, and another process may be faster to take the one we picked
        for _ in range(PORT_TRIES):
            port = _free_port()
            words = f"127.0.0.1:{port}:{target}:{remote_port}"
            refused = self._master.control(path, "forward", "-L", words)
            if refused is None:
                self._forwards.append((path, words))
                return port
            failure = refused
        raise ssh_words.explain(failure, machine=self._machine, host=self._host)

    def is_open(self) -> bool:
        return self._master is not None and self._master.is_open()

    def login(self) -> None:
        if self._master is not None:
            self._master.login()
        elif subprocess.call((*self._words, *_NO_SHARING, self._host, "exit")) == SSH_FAILED:
            raise AuthError(f"ssh could not log in to {self._host}", machine=self._machine)

    def close(self) -> None:
        """Take back the forwarded ports; the connection stays for others, until it was idle for a while."""
        while self._forwards:
            path, words = self._forwards.pop()
            if self._master is not None:
                self._master.control(path, "cancel", "-L", words)

    def describe(self) -> str:
        return f"{self._host} by {join(self._words)}"

    def _start_session(self, path: Path | None, command: Command, first: bytes) -> Process:
        limit = START_LIMIT if command.timeout is None else min(command.timeout, START_LIMIT)
        deadline = process.Deadline(limit)
        if not self._sessions.acquire(timeout=limit):
            raise ConnectError(f"all {MAX_SESSIONS} sessions are busy", machine=self._machine)
        mark = new_mark()
        child = process.spawn(self._argv(path, command, mark), on_end=self._sessions.release)
        stdout, stderr = AfterMark(child.stdout, mark.encode()), AfterMark(child.stderr, mark.encode())
        try:
            process.write_all(child.stdin, first)
            skip_both(stdout, stderr, deadline)
            if not stdout.found:
                raise _NotBegun(child.wait(deadline.left()), stdout.noise, stderr.noise)
        except BaseException as exc:
            _abandon(child)
            if isinstance(exc, TimeoutError):
                raise self._not_in_time(limit, command) from exc
            raise
        # both behave as BinaryIO does for whoever reads
        child.stdout, child.stderr = cast(BinaryIO, stdout), cast(BinaryIO, stderr)
        return child

    def _argv(self, path: Path | None, command: Command, mark: str) -> tuple[str, ...]:
        sharing = _NO_SHARING if path is None else (*_NO_OTHER_WAY, *socket_option(path))
        script = marked(command_line(command), start=mark, end=self._end_mark)
        return (*self._words, *_SESSION, *_OWN_COMMAND, *sharing, self._host, for_login_shell(script))

    def _judge(self, result: CommandResult) -> CommandResult:
        """Tell a command that itself exits 255 from a link that was lost under it."""
        if result.exit_code != SSH_FAILED:
            return result
        own, mark, after = result.stderr.partition(self._end_mark.encode())
        if not mark:
            raise ConnectError(
                f"the connection to {self._host} was lost; whether the command ran to its end is not known",
                machine=self._machine,
            )
        return CommandResult(exit_code=SSH_FAILED, stdout=result.stdout, stderr=own + after)

    def _explain(self, failure: _NotBegun) -> TransportError:
        if failure.code == SSH_FAILED:
            return ssh_words.explain(failure.said, machine=self._machine, host=self._host)
        words = " ".join(failure.said.decode("utf-8", "backslashreplace").split())[:300]
        return ConnectError(
            f"the login shell did not run our command: {words or 'it said nothing'}",
            hint=join((*self._words, self._host, "true")),
            machine=self._machine,
        )

    def _not_in_time(self, limit: float, command: Command) -> CommandTimeout:
        return CommandTimeout(
            f"{self._host} started nothing within {limit:g} s",
            machine=self._machine,
            command=join(command.argv),
        )


class _NotBegun(Exception):
    """The session ended before our first words came: nothing of the command was run."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        super().__init__()
        self.code = code
        self.said = stderr.strip() or stdout.strip()


def _abandon(child: process.ChildProcess) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        with contextlib.suppress(OSError):
            stream.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
