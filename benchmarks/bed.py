"""What is measured on: a Slurm behind an sshd behind a slow road, for Jobferry and bare ssh alike."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from tests.rigs.daemons import wait_until
from tests.rigs.delay import LOOPBACK
from tests.rigs.slurm import SlurmRig
from tests.rigs.sshd import SshdRig

from benchmarks.shims import Shims
from jobferry.client import Client
from jobferry.config import Config
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.store import Store
from jobferry.transports.ssh_master import private_folder, socket_name

NEVER_RUNS = "down"
"""A partition that takes jobs and starts none, so that jobs take no time from what is measured."""


class Bed:
    """The servers, started when first used and ended with the block."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._fars: dict[int, Far] = {}

    def __enter__(self) -> Bed:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jf-bench-")))
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        for far in self._fars.values():
            far.close()
        self._stack.close()

    @cached_property
    def slurm(self) -> SlurmRig:
        # what is over is soon forgotten: one case's jobs do not make the next one's queue longer
        return self._stack.enter_context(SlurmRig(min_job_age=2))

    @cached_property
    def shims(self) -> Shims:
        """The far side's scheduler commands, which can be counted."""
        return Shims(self.slurm.work / "shims")

    @cached_property
    def sshd(self) -> SshdRig:
        environment = self.slurm.environment | {"PATH": self.shims.path}
        rig = self._stack.enter_context(SshdRig(setenv=environment))
        os.environ["XDG_RUNTIME_DIR"] = str(rig.runtime)
        return rig

    def far(self, rtt: int) -> Far:
        """Return the cluster at a distance of so many milliseconds there and back."""
        if rtt not in self._fars:
            ssh, echo_port = self.sshd.ssh, None
            if rtt:
                port, echo_port = self._stack.enter_context(_relay(self.sshd.ports["plain"], rtt / 2000))
                ssh = self.sshd.through(port)
            self._fars[rtt] = Far(self, rtt, ssh, echo_port)
        return self._fars[rtt]


class Far:
    """The cluster at one distance, warm: a connection, a shell and the machine's facts are there."""

    def __init__(self, bed: Bed, rtt: int, ssh: str, echo_port: int | None) -> None:
        self.bed = bed
        self.rtt = rtt
        self.host = bed.sshd.host()
        self.folder = bed.folder / f"rtt{rtt}"
        self.folder.mkdir()
        self.root = f"{bed.slurm.work}/root{rtt}"
        self.ssh = ssh
        self._echo_port = echo_port
        self.client = Client(config=Config(), store=Store(self.folder / "api" / "jobs.db"))
        self.machine = Machine(client=self.client, **self._described())  # type: ignore[arg-type]
        self.machine.exec("true")
        self.machine.submit(["true"]).cancel()

    def close(self) -> None:
        self.client.close()

    # -- bare

    @property
    def bare_ssh(self) -> tuple[str, ...]:
        """The words of a bare ssh over the very connection that Jobferry uses."""
        words = tuple(shlex.split(self.ssh))
        return (*words, "-S", str(private_folder() / socket_name(words, self.host)), "-T", self.host)

    def bare(self, command: str) -> str:
        """Run a shell command by bare ssh and give its output."""
        done = subprocess.run(
            [*self.bare_ssh, command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        return done.stdout

    def piped(self, script: str) -> None:
        """Run a shell script of this side in which $SSH stands for bare ssh."""
        subprocess.run(
            ["/bin/sh", "-ec", f"SSH={shlex.quote(shlex.join(self.bare_ssh))}\n{script}"], check=True
        )

    # -- ours

    def cli(self, *words: str) -> None:
        """Run the command line, a new process each time."""
        program = Path(sys.executable).with_name("jobferry")
        where = {"env": self._cli_environment, "cwd": self.folder}
        subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL, **where)  # type: ignore[call-overload]

    @cached_property
    def _cli_environment(self) -> dict[str, str]:
        config = self.folder / "config.toml"
        values = {name: value for name, value in self._described().items() if name != "name"}
        lines = [f'{name} = "{value}"' for name, value in values.items()]
        config.write_text("\n".join(["[machines.far]", *lines, ""]))
        store = self.folder / "cli" / "jobs.db"
        return {**os.environ, "JOBFERRY_CONFIG": str(config), "JOBFERRY_STORE": str(store)}

    def _described(self) -> dict[str, str]:
        words = {"name": "far", "host": self.host, "ssh": self.ssh, "root": self.root}
        return {**words, "partition": NEVER_RUNS}

    # -- around

    def round_trip(self) -> None:
        """Send one byte to the far end and wait for it to come back."""
        self._echo.sendall(b"-")
        self._echo.recv(1)

    @cached_property
    def _echo(self) -> socket.socket:
        if self._echo_port is None:
            raise LookupError("no relay, no round trip")
        caller = socket.create_connection((LOOPBACK, self._echo_port))
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return caller

    def jobs(self, count: int, work: Sequence[str] = ("true",)) -> list[Job]:
        return self.machine.submit_all([list(work)] * count)

    def clear_queue(self) -> None:
        """Cancel all jobs and wait until the controller has forgotten them."""
        user = self.bed.sshd.user
        self.bed.slurm.run("scancel", "-u", user)
        asked = ("squeue", "-h", "-u", user, "--states=all")
        wait_until(
            lambda: not self.bed.slurm.run(*asked).stdout.strip(), limit=60, what="an empty queue", every=0.2
        )


@contextlib.contextmanager
def _relay(target: int, one_way: float) -> Iterator[tuple[int, int]]:
    argv = [sys.executable, "-m", "benchmarks.relay", str(target), str(one_way)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port, echo_port = process.stdout.readline().split()
            yield int(port), int(echo_port)
        finally:
            process.stdin.close()
