"""This machine, reached without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobferry.errors import ConnectError
from jobferry.model.command import Command, CommandResult
from jobferry.render.shell import command_line
from jobferry.transports import process
from jobferry.transports.base import Process

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class LocalTransport:
    """Runs commands here, each in a process group of its own."""

    def start(self, command: Command) -> Process:
        return self.start_with(command, b"")

    def start_with(self, command: Command, first: bytes) -> Process:
        """Start a command whose input begins with these bytes."""
        # always through sh, as over there: a program that is missing is exit code 127 and not another error
        child = process.spawn(("/bin/sh", "-c", command_line(command)))
        process.write_all(child.stdin, first)
        return child

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        return process.run(self.start_with, command, stdin)

    def stream(self, command: Command) -> Iterator[bytes]:
        return process.stream(self.start_with, command)

    def forward(self, remote_host: str, remote_port: int) -> int:
        """Return the port itself: what listens here is reachable here."""
        if remote_host not in LOOPBACK:
            raise ConnectError(
                f"{remote_host} is not this machine",
                hint=f"connect to {remote_host}:{remote_port} directly",
            )
        return remote_port

    def is_open(self) -> bool:
        """Say yes: whoever runs this is here already."""
        return True

    def login(self) -> None:
        """Do nothing: whoever runs this is here already."""

    def close(self) -> None:
        """Do nothing: nothing is held open."""

    def describe(self) -> str:
        return "this machine"
