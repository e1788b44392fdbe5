"""The programs of the fake cluster, answered by this process, with what is to go wrong gone wrong."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from jobferry.testing import FakeClock, FakeCluster, FakeTransport
from jobferry.testing.fakesched import faults, slurm
from jobferry.testing.fakesched.state import Said, create, locked, note_call
from tests.faults.clients import OrderlyTransport, wait_until
from tests.faults.stubs import Call, Desk


class AnsweredCluster(FakeCluster):
    """A cluster that takes jobs and tells of them, and runs none.

    Attributes:
        failed: the programs that have failed since it was last cleared.
    """

    def __init__(self, folder: Path, clock: FakeClock, accounting: str) -> None:
        super().__init__(folder, autostart=False)
        self._clock = clock
        self._first = self._begin
        self._first["accounting"] = accounting
        self._hung: list[tuple[Call, bool]] = []
        self._links: list[tuple[FakeTransport, OrderlyTransport]] = []
        self.failed: set[str] = set()
        self._noted: list[int] = []

    def __enter__(self) -> Self:
        for name in ("bin", "spool", "root", "orders"):
            (self.folder / name).mkdir(parents=True)
        create(self.folder, self._first)
        self._desk = Desk(self.folder, self._answer)
        self._desk.open((*slurm.PROGRAMS, "date", "sleep"))
        return self

    def close(self) -> None:
        self._desk.close()

    @property
    def accounting(self) -> str:
        with locked(self.folder) as state:
            return state["accounting"]

    def link(self, over: OrderlyTransport) -> FakeTransport:
        """Return a link of its own to the cluster, over this machine."""
        made = FakeTransport(over=over, environment=self.environment, clock=self._clock)
        self._links.append((made, over))
        return made

    # -- the programs

    def _answer(self, call: Call) -> Said | None:
        """Answer a call; None leaves it without an answer until somebody lets it go."""
        if call.program == "date":
            return f"{int(self._clock.now().timestamp())}\n", "", 0
        if call.program == "sleep":
            # longer than asked is allowed, and saves real time
            self._clock.advance(4 * float(call.argv[0]))
            return "", "", 0
        note_call(self.folder, [call.program, *call.argv])
        if self._has_fault(call.program):
            self.failed.add(call.program)
        taken = self._take_hang(call.program)
        if taken is None:
            return faults.call(self.folder, call.program, lambda: self._do(call))
        if taken:
            self._do(call)
        self._hung.append((call, taken))
        self._desk.set_aside(call)
        steady = 0
        # a shell may have come to this call before its link knows of it
        while steady < 3:
            for link, _ in self._links:
                link.cut()
            time.sleep(0.002)
            left = sum(over.left() for _, over in self._links)
            steady = steady + 1 if left >= len(self._hung) else 0
        return None

    def _has_fault(self, program: str) -> bool:
        with locked(self.folder) as state:
            return any(
                fault["kind"] != "banner" and fault["left"] != 0
                for fault in state["faults"]
                if program in fault["programs"] or not fault["programs"]
            )

    def fails(self, program: str) -> bool:
        """Whether a program fails now, or has failed since `failed` was last cleared."""
        return program in self.failed or self._has_fault(program)

    @property
    def tells_history(self) -> bool:
        """Whether accounting can be asked, and is up to date."""
        with locked(self.folder) as state:
            there = state["accounting"] == "on" and state["books"] is None
        return there and not self.fails("sacct")

    def _take_hang(self, program: str) -> bool | None:
        with locked(self.folder) as state:
            for fault in state["faults"]:
                named = program in fault["programs"] or not fault["programs"]
                if fault["kind"] == "hang" and named and fault["left"] != 0:
                    fault["left"] = None if fault["left"] is None else fault["left"] - 1
                    return fault["taken"]
        return None

    def _do(self, call: Call) -> Said:
        argv = call.argv
        if call.program == "sbatch":
            argv = [*argv[:-1], f"{call.folder}/{argv[-1]}"] if argv[-1][0] != "-" else argv
        with locked(self.folder) as state:
            said = slurm.PROGRAMS[call.program](state, self.folder, argv)
            # it was taken by this process, which is elsewhere
            for job in state["jobs"][len(self._noted) :]:
                job["folder"] = call.folder
                self._noted.append(job["submission"])
        return said

    @property
    def hung(self) -> int:
        return len(self._hung)

    def let_go(self, *, dead: bool = False) -> None:
        """Let what hangs go on, or die with the machine it runs on, and what waits for it come to its end."""
        hung, self._hung = self._hung, []
        for call, taken in hung:
            if dead:
                with suppress(ProcessLookupError):
                    os.kill(call.pid, signal.SIGKILL)
            else:
                self._desk.reply(
                    call, ("", "", 0) if taken and call.program != "sbatch" else self._late(call, taken)
                )
            wait_until(lambda call=call: not _is_alive(call.parent))  # type: ignore[misc]

    def _late(self, call: Call, taken: bool) -> Said:
        if not taken:
            return self._do(call)
        with locked(self.folder) as state:
            mine = [job for job in state["jobs"] if job["folder"] == call.folder]
            return f"{mine[-1]['array'] or mine[-1]['native_id']}\n", "", 0


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
