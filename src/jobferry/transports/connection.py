"""What is held open to one machine: a transport, a shell for requests, a second one for waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobferry.clock import Clock, SystemClock
from jobferry.model.command import Command, CommandResult
from jobferry.transports.base import Process, Transport
from jobferry.transports.shell import Shell


class Connection:
    """A transport and its two shells; nothing is opened before it is needed."""

    def __init__(self, transport: Transport, preamble: str = "", clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self.transport = transport
        self._requests = Shell(transport, preamble, clock)
        # a program that waits for news would keep every request behind it waiting as well
        self._watches = Shell(transport, preamble, clock)
        self._processes = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def requests(self) -> int:
        """How many programs were sent to the shells."""
        return self._requests.requests + self._watches.requests

    @property
    def processes(self) -> int:
        """How many processes were started over there, the shells among them."""
        return self._requests.starts + self._watches.starts + self._processes

    def is_open(self) -> bool:
        """Whether the machine can be asked without connecting anew; see ``Transport.is_open``."""
        return self.transport.is_open()

    def request(self, program: str, *, timeout: float = 60.0, repeatable: bool = True) -> CommandResult:
        """Run a program in the held-open shell; see ``Shell.request``."""
        return self._requests.request(program, timeout=timeout, repeatable=repeatable)

    def watch(self, program: str, *, timeout: float = 60.0) -> CommandResult:
        """Run a program that waits for news, in a shell that nobody else waits for."""
        return self._watches.request(program, timeout=timeout)

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        """Run a command in a process of its own; see ``Transport.run``."""
        self._processes += 1
        return self.transport.run(command, stdin=stdin)

    def start(self, command: Command) -> Process:
        """Start a process of its own; see ``Transport.start``."""
        self._processes += 1
        return self.transport.start(command)

    def stream(self, command: Command) -> Iterator[bytes]:
        """Run a command and yield its output; see ``Transport.stream``."""
        self._processes += 1
        return self.transport.stream(command)

    def close(self) -> None:
        """End both shells and what the transport holds open."""
        self._watches.close()
        self._requests.close()
        self.transport.close()
