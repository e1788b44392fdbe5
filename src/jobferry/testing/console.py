"""The console of a fake batch system: what its administrator does, and what breaks it."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from jobferry.model.command import Command
from jobferry.testing.fakesched import state as files
from jobferry.testing.fakesched.asked import warning
from jobferry.testing.fakesched.program import CONTROL
from jobferry.testing.faults import Fault
from jobferry.transports.local import LocalTransport

_SUBMISSION_FAULTS = (Fault.REFUSED, Fault.ACCEPTED_THEN_FAILED)


class Console:
    """Steers and breaks the batch system in a folder; `FakeCluster` is one.

    Attributes:
        folder: where all of it is kept.
        bin: the folder with the programs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"

    # -- steering it

    def start_jobs(self, *native_ids: str) -> None:
        """Let jobs start, these or all that wait now."""
        self._steer("start", *native_ids)

    def requeue(self, native_id: str) -> None:
        """Start a job again, ending its present run first; it waits if jobs do not start by themselves."""
        self._steer("requeue", native_id)

    def set_state(self, native_id: str, word: str) -> None:
        """End a job with a final word, or show any other word for it; empty shows the truth again.

        ``NODE_FAIL``, ``BOOT_FAIL`` and ``OUT_OF_MEMORY`` kill it without a last word; ``TIMEOUT``,
        ``PREEMPTED`` and ``CANCELLED`` ask it to end first.
        """
        self._steer("set", native_id, word)

    def warn(self, native_id: str) -> None:
        """Send a job's batch shell the signal that it asked for with ``--signal=B:SIGNAL@SECONDS``.

        Raises:
            ValueError: it does not run, or asked for none.
        """
        with files.locked(self.folder) as state:
            jobs = [job for job in files.find(state, native_id) if job["phase"] == files.RUNNING]
        asked = [warning(job["asked"].get("signal", "")) for job in jobs]
        if not any(to_shell for to_shell, _ in filter(None, asked)):
            raise ValueError(f"no running job {native_id} asked for a signal to its batch shell")
        self._steer("warn", native_id)

    def set_node(self, name: str, *, up: bool) -> None:
        """Let a node take jobs or none; what runs there goes on."""
        self._steer("up" if up else "down", name)

    def forget(self, native_id: str, *, accounting: bool = False) -> None:
        """Let the queue forget a job, as it does some minutes after a job's end; and accounting too."""
        with files.locked(self.folder) as state:
            for job in files.find(state, native_id):
                job["in_queue"] = False
                job["in_books"] = job["in_books"] and not accounting

    def reuse_id(self, native_id: str) -> None:
        """Give the next job an id that was used before."""
        with files.locked(self.folder) as state:
            state["next_id"] = int(native_id)

    def set_accounting(self, mode: Literal["on", "off", "down"]) -> None:
        """Switch accounting on or off, or let it fail to answer."""
        with files.locked(self.folder) as state:
            state["accounting"] = mode

    def set_max_submit(self, count: int | None) -> None:
        """Change how many jobs may be in the queue; those that are there stay."""
        with files.locked(self.folder) as state:
            state["limits"]["max_submit"] = count

    def grant(self, calls: int) -> None:
        """Let the controller answer so many calls more, whatever time it is.

        Raises:
            ValueError: it answers any number of calls.
        """
        with files.locked(self.folder) as state:
            if state["bucket"] is None:
                raise ValueError("FakeCluster(rate=...) is needed to grant calls")
            state["bucket"]["tokens"] += calls

    # -- breaking it

    def inject(
        self,
        fault: Fault,
        *programs: str,
        times: int | None = None,
        taken: bool = False,
        words: str = "",
    ) -> None:
        """Let something go wrong until it is cleared.

        Args:
            programs: which of them err; none stands for all that can.
            times: how many calls; None is every one.
            taken: whether what was asked for is done all the same.
            words: what is said, where the usual words will not do.
        """
        if not programs and fault in _SUBMISSION_FAULTS:
            programs = ("sbatch",)
        made = files.Fault(
            kind=fault.value,
            programs=list(programs),
            left=times,
            taken=taken or fault is Fault.ACCEPTED_THEN_FAILED,
            words=words,
        )
        with files.locked(self.folder) as state:
            state["faults"].append(made)
            if fault is Fault.ACCOUNTING_LAGS:
                state["books"] = copy.deepcopy(state["jobs"])

    def clear(self, *faults: Fault) -> None:
        """Let all go well again, or only so far as these faults are concerned."""
        gone = {fault.value for fault in faults or Fault}
        with files.locked(self.folder) as state:
            state["faults"] = [fault for fault in state["faults"] if fault["kind"] not in gone]
            if Fault.ACCOUNTING_LAGS in gone:
                state["books"] = None
            released: list[int] = []
            if Fault.HANG in gone:
                released, state["hung"] = state["hung"], []
        _signal(released, signal.SIGUSR1)

    # -- behind it

    def _end_all(self) -> None:
        """End all jobs, and the programs that hang."""
        with files.locked(self.folder) as state:
            hung, state["hung"] = state["hung"], []
        _signal(hung, signal.SIGKILL)
        self._steer("end-all")

    def _steer(self, *words: str) -> None:
        result = LocalTransport().run(Command(argv=(str(self.bin / CONTROL), *words)))
        if result.exit_code != 0:
            raise RuntimeError(result.words)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
