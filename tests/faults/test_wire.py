"""A TCP connection to a real sshd that breaks at a chosen byte."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.clock import SystemClock
from jobferry.config import Config
from jobferry.errors import JobferryError, WaitTimeout
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from jobferry.store import Store
from tests.faults.bench import AFTER_SETTLING, Figures
from tests.faults.breaks import Break, Kind, Side
from tests.faults.points import SEED, sample
from tests.faults.proxy import Proxy
from tests.rigs.sshd import SshdRig

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

LIMIT = timedelta(seconds=60)
DATA = random.Random(SEED).randbytes(30_000)
_rooms = itertools.count()


class LateClock(SystemClock):
    """The machine's own clock, on a later day."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class Wire:
    """A machine without a batch system behind a real sshd, reached through a proxy."""

    def __init__(self, folder: Path, rig: SshdRig, proxy: Proxy, patch: pytest.MonkeyPatch) -> None:
        self.proxy = proxy
        self.clock = LateClock()
        self.broken = 0
        self.store = folder / "jobs.db"
        self.root = f"wire-{SEED}-{next(_rooms)}-{folder.parent.name}-{folder.name}"
        self._rig = rig
        self._patch = patch

    def connect(self, breaks: Break | None = None) -> Machine:
        """Make a client of the one store, with a connection of its own that breaks."""
        runtime = self._rig.folder / f"w{next(_rooms)}"
        runtime.mkdir(mode=0o700)
        self._patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        self.proxy.is_broken = False
        self.proxy.breaks = breaks
        client = Client(store=Store(self.store), config=Config(), clock=self.clock)
        ssh, host = self._rig.through(self.proxy.port), self._rig.host()
        return Machine(name="wire", host=host, ssh=ssh, scheduler="direct", root=self.root, client=client)

    def hang_up(self, machine: Machine) -> None:
        """End a client and its connection."""
        client_of(machine).close()
        self.proxy.breaks = None
        self.proxy.cut()

    def during(self, act: Callable[[Machine], object], breaks: Break | None = None) -> JobferryError | None:
        """Do something over a connection of its own; return what the user is told."""
        machine = self.connect(breaks)
        try:
            act(machine)
        except JobferryError as error:
            return error
        finally:
            self.broken += self.proxy.is_broken
            self.hang_up(machine)
        return None

    def plans(self, act: Callable[[Machine], object], count: int) -> list[Break]:
        """Measure what something sends and hears, and draw where to break it."""
        machine = self.connect()
        act(machine)
        totals = dict(self.proxy.passed)
        self.hang_up(machine)
        kinds = itertools.cycle([Kind.CUT, Kind.HALF, Kind.CUT, Kind.STALL, Kind.CUT, Kind.DELAY])
        # most of what matters comes last: before it, two machines only get to know each other
        plans = []
        for side in (Side.IN, Side.OUT):
            early = sample(range(1, totals[side]), count // 4, salt=f"early {side}")
            late = sample(range(totals[side] * 2 // 3, totals[side] + 1), count // 4, salt=f"late {side}")
            plans += [Break(kind=next(kinds), side=side, at=at) for at in sorted({*early, *late})]
        return plans

    def counted(self, key: str, script: str = "") -> str:
        return f'echo ran >>"$HOME/{self.root}/{key}.ran"\n{script}'

    def carry_on(self, act: Callable[[Client], object] | None = None) -> dict[str, tuple[JobRecord, int]]:
        """Let a new client bring all to its end; return each job by name, and how often it ran."""
        self.clock.ahead += timedelta(seconds=AFTER_SETTLING)
        machine = self.connect()
        client = client_of(machine)
        if act is not None:
            act(client)
        with suppress(WaitTimeout):
            client.wait(client.store.find(), LIMIT)
        script = f'cd "$HOME/{self.root}" && for f in *.ran; do echo "$f" $(wc -l <"$f"); done'
        ran = dict(line.split() for line in machine.exec(script).stdout.splitlines())
        found = client.store.find()
        self.hang_up(machine)
        return {r.spec.name: (r, int(ran.get(f"{r.spec.name}.ran", 0))) for r in found}


def client_of(machine: Machine) -> Client:
    assert machine.client is not None
    return machine.client


@pytest.fixture
def wire(tmp_path: Path, sshd: SshdRig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Proxy(sshd.ports["plain"]) as proxy:
        made = Wire(tmp_path, sshd, proxy, monkeypatch)
        yield made
        made.during(lambda machine: machine.exec(f'rm -rf "$HOME/{made.root}"'))


def judge(figures: Figures, found: dict[str, tuple[JobRecord, int]], told: dict[str, object]) -> None:
    for name, (record, runs) in found.items():
        figures.jobs += 1
        about = f"{name}: {record.state} ({record.status.reason}), {runs} runs; told: {told.get(name)}"
        if runs > 1:
            figures.duplicates.append(about)
        elif runs == 0 and (record.state is not JobState.FAILED or not told.get(name)):
            figures.lost.append(about)
        elif runs == 1 and record.state is not JobState.COMPLETED:
            figures.wrong.append(about)


def test_job_runs_once_wherever_the_connection_breaks(wire: Wire, figures: Figures) -> None:
    plans = wire.plans(lambda machine: machine.submit(wire.counted("first"), name="first"), 24)
    told: dict[str, object] = {}
    for number, plan in enumerate(plans):
        name = f"k{number:04}"
        submit = lambda machine, n=name: machine.submit(wire.counted(n), name=n)  # noqa: E731
        told[name] = wire.during(submit, plan)
    figures.points += len(plans)

    judge(figures, wire.carry_on(), told)

    assert {} == figures.faults
    assert wire.broken > 0.7 * len(plans)


def test_outputs_arrive_whole_wherever_the_connection_breaks(
    wire: Wire, figures: Figures, tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(DATA)
    inputs = [str(tmp_path / "data.bin")]
    wire.during(
        lambda machine: machine.submit(
            wire.counted("first"), name="first", inputs=inputs, outputs=["data.bin"]
        ).wait()
    )
    (record,) = wire.carry_on()["first"][:1]

    def fetch(machine: Machine, to: Path) -> None:
        Job(record, client_of(machine)).fetch(to)

    plans = wire.plans(lambda machine: fetch(machine, tmp_path / "measured"), 16)
    for number, plan in enumerate(plans):
        to = tmp_path / f"home{number}"
        error = wire.during(lambda machine: fetch(machine, to), plan)  # noqa: B023
        arrived = to / "data.bin"
        if (error is None or arrived.exists()) and DATA != arrived.read_bytes():
            figures.spoilt.append(f"{plan}: {error}")
        again = wire.during(lambda machine: fetch(machine, to))  # noqa: B023
        if again is not None or DATA != arrived.read_bytes():
            figures.spoilt.append(f"{plan}, and again: {again}")
    figures.points += len(plans)

    assert {} == figures.faults
    assert wire.broken > 0.7 * len(plans)


def test_job_is_cancelled_in_the_end_wherever_the_connection_breaks(wire: Wire, figures: Figures) -> None:
    def cancel(machine: Machine, name: str) -> None:
        client = client_of(machine)
        client.cancel([record for record in client.store.find() if record.spec.name == name])

    def submit(machine: Machine, names: list[str]) -> None:
        client = client_of(machine)
        works = {name: wire.counted(name, "sleep 600") for name in names}
        drafts = [client.draft(machine, works[name], {"name": name}) for name in names]
        client.submit(machine, drafts)

    wire.during(lambda machine: submit(machine, ["first"]))
    plans = wire.plans(lambda machine: cancel(machine, "first"), 12)
    names = [f"k{number:04}" for number in range(len(plans))]
    wire.during(lambda machine: submit(machine, names))
    for name, plan in zip(names, plans, strict=True):
        wire.during(lambda machine: cancel(machine, name), plan)  # noqa: B023
    figures.points += len(plans)

    found = wire.carry_on(lambda client: client.cancel(client.store.find()))

    figures.jobs += len(found)
    figures.duplicates += [name for name, (_, runs) in found.items() if runs > 1]
    states = {name: record.state for name, (record, _) in found.items()}
    figures.wrong += [f"{name}: {states[name]}" for name in states if states[name] is not JobState.CANCELLED]
    assert {} == figures.faults
    assert wire.broken > 0.7 * len(plans)
