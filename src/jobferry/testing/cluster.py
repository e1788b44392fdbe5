"""A Slurm of one machine, without Slurm: its programs on PATH, its jobs as processes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import jobferry.testing.fakesched as fakesched
from jobferry.client import Client
from jobferry.clock import SystemClock
from jobferry.machine_handle import Machine
from jobferry.opened import preamble
from jobferry.testing.console import Console
from jobferry.testing.fakesched import rows, slurm
from jobferry.testing.fakesched import state as files
from jobferry.testing.fakesched.limits import new_bucket
from jobferry.testing.fakesched.program import CONTROL
from jobferry.testing.transport import FakeTransport
from jobferry.transports.base import Transport
from jobferry.transports.connection import Connection
from jobferry.transports.local import LocalTransport

_IMPORT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from {} import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeJob:
    """What the batch system knows of a job, or of one task of an array.

    Attributes:
        native_id: as the queue shows it: ``7``, or ``7_3`` for a task.
        state: Slurm's word for it.
        restarts: how many times it was started again.
        node: where it runs or ran.
        asked: the options it was submitted with, by their long names; a flag is an empty one.
    """

    native_id: str
    name: str
    state: str
    restarts: int
    node: str = ""
    asked: Mapping[str, str] = field(default_factory=dict, hash=False)


class FakeCluster(Console):
    """A Slurm family in a folder: ``sbatch squeue sacct scancel scontrol sinfo sacctmgr``.

    ::

        with FakeCluster(tmp_path / "cluster", autostart=False) as cluster:
            job = cluster.machine(client).submit(["./solve"])
            cluster.start_jobs()

    Args:
        folder: where all of it is kept; made when entered.
        autostart: whether jobs start by themselves; otherwise they wait for `start_jobs`.
        accounting: whether it is there; ``down`` is configured but does not answer.
        nodes: their names; a job gets the first that it may have.
        max_array_size: no index of an array may be as high.
        max_submit: how many jobs may be in the queue, each task of an array counted; None is any number.
        max_jobs_running: how many of them run at a time.
        rate: how many calls the controller answers at once, and how many more each minute brings; what comes
            too often is refused in the words of `Fault.RATE_LIMITED`. If none, `grant` brings them.

    Attributes:
        bin: the folder with the programs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        autostart: bool = True,
        accounting: Literal["on", "off", "down"] = "on",
        partitions: Iterable[str] = ("cpu", "gpu"),
        nodes: Iterable[str] = ("fake1",),
        max_array_size: int = 1001,
        max_submit: int | None = None,
        max_jobs_running: int | None = None,
        rate: tuple[int, float] | None = None,
    ) -> None:
        super().__init__(folder)
        limits = files.Limits(
            max_array_size=max_array_size, max_submit=max_submit, max_jobs_running=max_jobs_running
        )
        self._begin = files.beginning(
            autostart=autostart,
            accounting=accounting,
            partitions=list(partitions),
            nodes=list(nodes),
            limits=limits,
            bucket=rate and new_bucket(*rate),
        )

    def __enter__(self) -> Self:
        for name in ("bin", "spool", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        files.create(self.folder, self._begin)
        _write_programs(self.folder, self.bin)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all jobs, and the programs that hang."""
        self._end_all()

    # -- reaching it

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process finds the programs."""
        return {"PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

    def transport(self) -> FakeTransport:
        """Return a link to it, on which faults can be injected as well."""
        return FakeTransport(over=LocalTransport(), environment=self.environment)

    def machine(
        self, client: Client, *, name: str = "fake", transport: Transport | None = None, **fields: Any
    ) -> Machine:
        """Return the cluster as a machine of a client.

        Args:
            transport: the link to use; `transport()` makes one.
            fields: any field of a machine, such as ``poll_interval``.
        """
        given = {"scheduler": "slurm", "root": str(self.folder / "root"), "transport": "local", **fields}
        made = Machine(name=name, client=client, **given)
        opened = client.open(made)
        opened.connection = Connection(transport or self.transport(), preamble(), client.clock)
        return made

    # -- looking at it

    @property
    def calls(self) -> list[list[str]]:
        """Every call of a program, the oldest first: its name and its arguments."""
        return files.read_calls(self.folder)

    def called(self, program: str) -> list[list[str]]:
        """Return the calls of one program, without those that only asked for its version."""
        return [call for call in self.calls if call[0] == program and call[1:] != ["--version"]]

    @property
    def jobs(self) -> list[FakeJob]:
        """All jobs ever taken, the oldest first, as they truly are; an array is its tasks."""
        with files.locked(self.folder) as state:
            truth: files.State = {**state, "faults": []}
            return [_describe(truth, job) for job in state["jobs"]]

    @property
    def hung(self) -> int:
        """How many programs hang at this moment."""
        with files.locked(self.folder) as state:
            return len(state["hung"])

    @property
    def refused(self) -> int:
        """How many calls came more often than `rate` allows."""
        with files.locked(self.folder) as state:
            return state["bucket"]["refused"] if state["bucket"] else 0

    def wait_for(self, condition: Callable[[FakeCluster], bool], *, limit: float = 10.0) -> None:
        """Wait, in real time, until something is true of the cluster.

        Raises:
            TimeoutError: it has not become true within `limit` seconds.
        """
        clock = SystemClock()
        end = clock.monotonic() + limit
        while not condition(self):
            if clock.monotonic() > end:
                raise TimeoutError(f"not within {limit:g} s; jobs: {self.jobs}")
            clock.sleep(0.01)

    def wait_for_jobs(self, state: str, *, limit: float = 10.0) -> None:
        """Wait, in real time, until all jobs are in a state, in Slurm's word for it."""
        self.wait_for(lambda cluster: all(job.state == state for job in cluster.jobs), limit=limit)


def _write_programs(folder: Path, where: Path) -> None:
    source = Path(__file__).parents[2]
    start = _IMPORT.format(f"{fakesched.__name__}.program")
    for name in (*slurm.PROGRAMS, CONTROL):
        # -S and -E: fast, and the same whatever environment calls it
        words = (sys.executable, "-ESs", "-c", start, str(source), str(folder), name)
        (where / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        (where / name).chmod(0o755)


def _describe(state: files.State, job: files.Job) -> FakeJob:
    number = job["native_id"] if job["array"] is None else f"{job['array']}_{job['task']}"
    return FakeJob(
        native_id=str(number),
        name=job["name"],
        state=rows.shown(state, job),
        restarts=job["restarts"],
        node=job["node"],
        asked=job["asked"],
    )
