"""What a transport is: a way to start a process over there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from jobferry.model.command import Command, CommandResult


class Process(Protocol):
    """A process started over there; its streams are bytes, unbuffered on our side.

    `poll` and `wait` give the exit code, 128 + n for signal n; `kill` ends it and all it started here.
    """

    @property
    def stdin(self) -> BinaryIO: ...
    @property
    def stdout(self) -> BinaryIO: ...
    @property
    def stderr(self) -> BinaryIO: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class Carrier(Protocol):
    """What moves files: something that runs a command with bytes going in or coming out."""

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult: ...
    def stream(self, command: Command) -> Iterator[bytes]: ...


class Transport(Carrier, Protocol):
    """A way to reach one machine. Nothing happens before the first call; safe to share among threads."""

    def start(self, command: Command) -> Process:
        """Start a command over there, connecting first if need be.

        Raises:
            ConnectError, AuthError, HostKeyError: the machine was not reached.
        """
        ...

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        """Run a command to its end, both streams drained; a non-zero exit is a result.

        Raises:
            TransportError: the command could not be run, or its end was not seen.
            CommandTimeout: no end within ``command.timeout``; its local process is gone.
        """
        ...

    def stream(self, command: Command) -> Iterator[bytes]:
        """Run a command and yield its standard output as it comes.

        Raises:
            TransportError: at the end, when the command failed; its words are in the message.
        """
        ...

    def forward(self, remote_host: str, remote_port: int) -> int:
        """Make a port over there reachable on this machine's loopback; return the local port."""
        ...

    def is_open(self) -> bool:
        """Whether the machine is connected already, by whatever process; nothing is tried."""
        ...

    def login(self) -> None:
        """Connect with a person at the terminal, who may be asked for passwords and codes."""
        ...

    def close(self) -> None:
        """End what this object holds open; a connection shared with other processes stays."""
        ...

    def describe(self) -> str:
        """Say in a few words how the machine is reached."""
        ...
