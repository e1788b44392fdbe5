"""Clients of one store that die at a chosen moment, and links whose far ends can be waited for."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from jobferry.model.command import Command
from jobferry.store import Store
from jobferry.testing import FakeClock
from jobferry.transports.base import Process
from jobferry.transports.local import LocalTransport

LIMIT = 20.0


class Killed(BaseException):
    """The client's process is no more: nothing it would have done after this is done."""


class MortalStore:
    """A store in the hands of a process that is killed at one of its calls, before or after its work."""

    def __init__(self, store: Store, calls: int, *, after: bool) -> None:
        self._store = store
        self._left = calls
        self._after = after

    @classmethod
    def of(cls, store: Store, calls: int, *, after: bool) -> Store:
        return cast(Store, cls(store, calls, after=after))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value) or name == "close":
            return value

        def call(*args: Any, **how: Any) -> Any:
            if self._left <= 0:
                raise Killed
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            done = value(*args, **how)
            if self._left == 0:
                raise Killed
            return done

        return call


class OrderlyTransport(LocalTransport):
    """This machine, where nothing new begins before what was left by a lost link has come to its end.

    Otherwise the two would race, and no example would come out the same twice.

    Args:
        hung: tells how many may be left for good, because what they called hangs.
    """

    def __init__(self, hung: Callable[[], int]) -> None:
        self._hung = hung
        self._started: list[Process] = []

    def start_with(self, command: Command, first: bytes) -> Process:
        self.settle()
        started = super().start_with(command, first)
        self._started.append(started)
        return started

    def settle(self) -> None:
        """Wait for what goes on without a link; a shell that has one waits for us."""
        wait_until(lambda: self.left() <= self._hung())

    def left(self) -> int:
        """Count what goes on without a link."""
        alive = [process for process in self._started if process.poll() is None]
        self._started = alive
        return sum(process.stdin.closed for process in self._started)


class PatientClock(FakeClock):
    """A clock that every sleep moves: one below its resolution would be asked for again for ever."""

    def sleep(self, seconds: float) -> None:
        super().sleep(max(seconds, 1e-6))


@cache
def dead_process() -> str:
    """Name a process of this machine that is no more, as the owner of a submission."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert child.pid != os.getpid()
    return f"{platform.node()}:{child.pid}"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, in real time, until something is true."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)
