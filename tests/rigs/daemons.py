"""Daemons that a rig starts by hand: find them, wait for them, end them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Where the daemons are; an ordinary user's own PATH lacks the sbin folders."""


class RigError(Exception):
    """A rig did not start, or did not get where it should in the time allowed."""


def absent_programs(programs: Iterable[str]) -> list[str]:
    return [name for name in programs if shutil.which(name, path=SYSTEM_PATH) is None]


def wait_until(condition: Callable[[], object], *, limit: float, what: str, every: float = 0.02) -> None:
    """Ask until the condition holds.

    Raises:
        RigError: it did not hold within `limit` seconds.
    """
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise RigError(f"waited {limit:g} s in vain: {what}")
        time.sleep(every)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, below those the kernel hands to outgoing connections."""
    candidates = random.SystemRandom().sample(range(12000, 32000), 4000)
    found: list[int] = []
    while len(found) < count:
        port = candidates.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            found.append(port)
    return found


def alive(pid: int) -> bool:
    # a zombie that waits for PID 1 to collect it is dead, though `kill -0` finds it
    return process_state(pid) not in ("", "Z", "X")


def process_state(pid: int) -> str:
    """Give the kernel's letter: R, S, D, T (frozen), Z (dead); empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


def read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text())
    except (OSError, ValueError):
        return None


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end(pid: int, *, limit: float = 10.0) -> None:
    """End a process, gently first; a frozen one is thawed, one that is gone is fine."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        send(pid, number)
        send(pid, signal.SIGCONT)
        try:
            wait_until(lambda: not alive(pid), limit=limit, what=f"end of process {pid}", every=0.005)
        except RigError:
            continue
        return


def processes_with(*variables: str) -> list[int]:
    """Find the processes started with each of these in their environment.

    ``NAME=value`` with a NUL behind it matches that value alone, without the NUL any longer one too.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = b"\0" + (entry / "environ").read_bytes() + b"\0"
        except OSError:
            continue
        if all(f"\0{variable}".encode() in environment for variable in variables):
            found.append(int(entry.name))
    return [pid for pid in found if alive(pid)]
