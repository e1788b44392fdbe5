"""A transport that says what it was told, or passes commands on and fails as links do."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from jobferry.errors import AuthError, ConnectError, JobferryError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.render.shell import join
from jobferry.testing.clock import FakeClock
from jobferry.testing.processes import Cuttable, LinkedProcess, ScriptedProcess
from jobferry.transports import process
from jobferry.transports.base import Process, Transport

When = Callable[[Command], bool]
Answer = CommandResult | JobferryError | Callable[[Command, bytes], CommandResult]

_LOST = "the connection was lost"


@dataclass(slots=True)
class _Rule:
    when: When
    answer: Answer
    left: int | None


class FakeTransport:
    """Satisfies `Transport`. Without `over` it answers from a script; with it, it only injects faults.

    ::

        transport = FakeTransport()
        transport.answer(("hostname",), CommandResult(exit_code=0, stdout=b"node1"))

        transport = FakeTransport(over=LocalTransport(), clock=clock)
        transport.fail_next(2, ConnectError("no route to host"))
        transport.cut_after(100)

    Args:
        over: where commands go that no answer was given for.
        environment: variables added to every command that is passed on.
        clock: needed by `down` alone.

    Attributes:
        commands: every command that was started or refused, as asked.
    """

    def __init__(
        self,
        *,
        over: Transport | None = None,
        environment: Mapping[str, str] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.commands: list[Command] = []
        self._over = over
        self._environment = dict(environment or {})
        self._clock = clock
        self._rules: list[_Rule] = []
        self._failures: list[JobferryError] = []
        self._cuts: list[int] = []
        self._outages: list[tuple[datetime, datetime]] = []
        self._live: list[Cuttable] = []
        self._wants_login = False
        self._lock = threading.Lock()

    # -- what it is told

    def answer(self, when: When | tuple[str, ...], answer: Answer, *, times: int | None = None) -> None:
        """Answer commands of a kind; of several that fit, the one given last counts.

        Args:
            when: tells whether a command is meant; or the words it begins with.
            answer: a result, an error to raise at the start, or a function of the command and all its input.
            times: how often; None is always.
        """
        rule = _Rule(when if callable(when) else _begins_with(when), answer, times)
        with self._lock:
            self._rules.insert(0, rule)

    def fail_next(self, count: int, error: JobferryError | None = None) -> None:
        """Raise an error at the next so many starts."""
        with self._lock:
            self._failures += [error or ConnectError("the machine was not reached")] * count

    def cut_after(self, size: int, *, count: int = 1) -> None:
        """Lose the link of the next so many processes once each has put out `size` bytes."""
        with self._lock:
            self._cuts += [size] * count

    def cut(self) -> None:
        """Lose the link now: nothing more is heard of what runs, but over there it goes on."""
        with self._lock:
            lost, self._live = self._live, []
        for started in lost:
            started.cut()

    def down(self, since: datetime, until: datetime) -> None:
        """Be out of reach from one moment of the clock to another; links are lost when it begins."""
        if self._clock is None:
            raise ValueError("FakeTransport(clock=...) is needed for an outage")
        self._outages.append((since, until))
        if since <= self._clock.now() < until:
            self.cut()
        else:
            self._clock.at(since, self.cut)

    def want_login(self) -> None:
        """Want a person from now on: what runs is lost, and nothing is started until `login` is called."""
        self.cut()
        self._wants_login = True

    # -- what a transport does

    def start(self, command: Command) -> Process:
        return self.start_with(command, b"")

    def start_with(self, command: Command, first: bytes) -> Process:
        """Start a command whose input begins with these bytes."""
        return self._start(command, first)

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        started: list[Cuttable] = []
        result = process.run(self._noting(started), command, stdin)
        if started[0].was_cut:
            raise ConnectError(_LOST, command=join(command.argv))
        return result

    def stream(self, command: Command) -> Iterator[bytes]:
        started: list[Cuttable] = []
        try:
            yield from process.stream(self._noting(started), command)
        except TransportError as error:
            if started and started[0].was_cut:
                raise ConnectError(_LOST, command=join(command.argv)) from error
            raise

    def forward(self, remote_host: str, remote_port: int) -> int:
        return self._over.forward(remote_host, remote_port) if self._over else remote_port

    def is_open(self) -> bool:
        return not self._wants_login and (self._over is None or self._over.is_open())

    def login(self) -> None:
        self._wants_login = False
        if self._over is not None:
            self._over.login()

    def close(self) -> None:
        if self._over is not None:
            self._over.close()

    def describe(self) -> str:
        return f"a fake link to {self._over.describe()}" if self._over else "a fake link to nowhere"

    # -- behind it

    def _noting(self, started: list[Cuttable]) -> process.Start:
        def start(command: Command, first: bytes) -> Process:
            started.append(self._start(command, first))
            return started[0]

        return start

    def _start(self, command: Command, first: bytes) -> Cuttable:
        with self._lock:
            self.commands.append(command)
            self._refuse()
            limit = self._cuts.pop(0) if self._cuts else None
            answer = self._find_answer(command)
        if isinstance(answer, JobferryError):
            raise copy.copy(answer)
        made = self._scripted(command, answer, limit, first) if answer else self._real(command, limit, first)
        with self._lock:
            self._live = [other for other in self._live if other.poll() is None] + [made]
        return made

    def _refuse(self) -> None:
        if self._clock is not None:
            now = self._clock.now()
            if any(since <= now < until for since, until in self._outages):
                raise ConnectError("the machine is out of reach")
        if self._wants_login:
            raise AuthError("Permission denied", hint="jobferry login")
        if self._failures:
            # a copy: a traceback grows with every raise of the same error
            raise copy.copy(self._failures.pop(0))

    def _find_answer(self, command: Command) -> Answer | None:
        for rule in self._rules:
            if rule.left != 0 and rule.when(command):
                rule.left = None if rule.left is None else rule.left - 1
                return rule.answer
        return None

    def _real(self, command: Command, limit: int | None, first: bytes) -> Cuttable:
        if self._over is None:
            raise LookupError(f"FakeTransport was given no answer for: {join(command.argv)}")
        if self._environment:
            command = replace(command, environment={**self._environment, **command.environment})
        return LinkedProcess(process.begin(self._over, command, first), limit)

    @staticmethod
    def _scripted(command: Command, answer: Answer, limit: int | None, first: bytes) -> Cuttable:
        if callable(answer):
            respond = answer
            made = ScriptedProcess(lambda data: respond(command, data), limit)
        else:
            assert isinstance(answer, CommandResult)
            made = ScriptedProcess(answer, limit)
        made.stdin.write(first)
        return made


def _begins_with(words: tuple[str, ...]) -> When:
    return lambda command: command.argv[: len(words)] == words
