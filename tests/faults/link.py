"""A link to this machine that breaks at a chosen byte, in either direction."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from jobferry.errors import ConnectError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.transports import process
from jobferry.transports.base import Process
from jobferry.transports.local import LocalTransport
from tests.faults.breaks import Break, Traffic
from tests.faults.line import Line


class BreakingLink:
    """Satisfies `Transport`: this machine behind a link that breaks once it was told where.

    Attributes:
        traffic: of every process that was started, what went through.
    """

    def __init__(self, environment: Mapping[str, str], breaks: Break | None = None) -> None:
        self.breaks = breaks
        self.traffic: list[Traffic] = []
        self.is_broken = False
        self.words: bytes | None = None
        self._environment = dict(environment)
        self._over = LocalTransport()
        self._lines: list[Line] = []
        self._lock = threading.Lock()

    # -- what a transport does

    def start(self, command: Command) -> Line:
        with self._lock:
            number = len(self.traffic)
            plan = self.breaks
            if plan is not None and plan.refused and number > plan.first and self.is_broken:
                raise ConnectError("the machine is out of reach")
            self.traffic.append(Traffic())
        wanted = replace(command, environment={**self._environment, **command.environment})
        meant = plan is not None and plan.first <= number < plan.first + plan.times
        line = Line(self._over.start(wanted), self.traffic[number], plan if meant else None, self)
        self._lines.append(line)
        line.begin()
        return line

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        started: list[Line] = []
        result = process.run(self._noting(started), command, stdin)
        if started[0].is_lost:
            raise ConnectError("the connection was lost")
        return result

    def stream(self, command: Command) -> Iterator[bytes]:
        started: list[Line] = []
        try:
            yield from process.stream(self._noting(started), command)
        except TransportError as error:
            if started and started[0].is_lost:
                raise ConnectError("the connection was lost") from error
            raise

    def forward(self, remote_host: str, remote_port: int) -> int:
        return self._over.forward(remote_host, remote_port)

    def is_open(self) -> bool:
        return self._over.is_open()

    def login(self) -> None:
        self._over.login()

    def close(self) -> None:
        """Leave what runs alone, as the end of a client does."""

    def describe(self) -> str:
        return "a link that breaks"

    # -- steering it

    def thaw(self) -> None:
        """Let what was held back go on."""
        for line in self._lines:
            line.thaw()

    def cut_when(self, said: bytes | None) -> None:
        """Break, until told otherwise, every process that is sent these words."""
        self.words = said

    def give_up(self) -> None:
        """End what stands here for the processes over there, as the end of a client does."""
        for line in self._lines:
            line.kill()

    def settle(self, limit: float = 20.0) -> None:
        """Wait until everything that was started over there has ended, so that nothing is left behind."""
        self.thaw()
        for line in self._lines:
            line.settle(limit)

    def _noting(self, started: list[Line]) -> process.Start:
        def start(command: Command, first: bytes) -> Process:
            line = self.start(command)
            started.append(line)
            process.write_all(line.stdin, first)
            return line

        return start
