"""What the tests of the system's ssh share."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from jobferry.clock import SystemClock
from jobferry.model.command import Command
from jobferry.model.machine import Machine
from jobferry.transports.openssh import OpenSSHTransport
from jobferry.transports.ssh_master import private_folder, socket_name
from tests.rigs.sshd import SshdRig, descendants, is_root

needs_root = pytest.mark.skipif(not is_root(), reason="only root can start servers of every temper")


class ImpatientClock(SystemClock):
    """Does not wait, and says that it did."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class CountedSsh:
    """An ssh that writes down how it was called."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._log = folder / "calls"
        program = folder / "ssh"
        program.write_text(f'#!/bin/sh\necho "$*" >>"{self._log}"\nexec ssh "$@"\n')
        program.chmod(0o755)
        self.words = f"{program} -F {config}"

    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def masters(self) -> int:
        return sum(" -M " in call for call in self.calls())


def open_ssh(
    rig: SshdRig, temper: str = "plain", user: str | None = None, *, ssh: str = ""
) -> OpenSSHTransport:
    machine = Machine(name="rig", host=rig.host(temper, user), ssh=ssh or rig.ssh)
    return OpenSSHTransport(machine)


def own_socket(ssh: str, host: str) -> Path:
    return private_folder() / socket_name(ssh.split(), host)


def cut_connections(rig: SshdRig, temper: str) -> None:
    for pid in descendants(rig.server_pid(temper)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def echo(transport: OpenSSHTransport, word: str = "on") -> str:
    return transport.run(Command(argv=("echo", word))).text.strip()
