"""A client that is killed at a line of its code, and another one that carries on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobferry.errors import SchedulerBusy
from jobferry.model.status import JobState
from tests.faults.bench import AFTER_SETTLING, Bench, Try
from tests.faults.breaks import Break, Kind, Side
from tests.faults.points import sample
from tests.faults.test_cut_cancel import Running
from tests.faults.test_cut_fetch import SMALL, Outputs, carry_on

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
# where a job is taken and written down, every line counts
DENSE = ("submission.py", "ledger.py", "store/jobs.py")
Step = tuple[str, int]
Make = Callable[[str], dict[str, Any]]


class Victims:
    """Clients that do the same and are killed, each at another line."""

    def __init__(self, bench: Bench, verb: str) -> None:
        self._bench = bench
        self._verb = verb

    def steps(self, one: Mapping[str, Any]) -> list[Step]:
        """List the lines that are reached, in the order in which they first are."""
        assert [0] == self._run([{**one, "stop": None}])
        return [(name, line) for name, line in json.loads(self._file("steps").read_text())]

    def kill_at(self, steps: Sequence[Step], make: Make) -> list[int]:
        """Kill one client at each of the lines."""
        tries = []
        for number, (name, line) in enumerate(steps):
            key = f"k{number:04}"
            self._bench.tries[key] = Try(key, f"killed at {name}:{line}")
            tries.append({**make(key), "stop": [name, line]})
        self._bench.figures.points += len(steps)
        return self._run(tries)

    def _run(self, tries: Sequence[Mapping[str, Any]]) -> list[int]:
        plan = {
            "verb": self._verb,
            "seconds": self._bench.seconds,
            "store": str(self._bench.folder / "jobs.db"),
            "cluster": str(self._bench.cluster.folder),
            "steps": str(self._file("steps")),
            "ends": str(self._file("ends")),
            "tries": tries,
        }
        self._file("plan").write_text(json.dumps(plan))
        words = [sys.executable, "-m", "tests.faults.victim", str(self._file("plan"))]
        subprocess.run(words, cwd=ROOT, check=True, timeout=500)
        ends: list[int] = json.loads(self._file("ends").read_text())
        return ends

    def _file(self, name: str) -> Path:
        return self._bench.folder / f"{name}.json"


def some_of(steps: Sequence[Step], dense: int, others: int) -> list[Step]:
    """Pick lines: of those that count, so many, and some of the others; in their order."""
    exact = [at for at, (name, _) in enumerate(steps) if name.startswith(DENSE)]
    rest = [at for at, (name, _) in enumerate(steps) if not name.startswith(DENSE)]
    return [steps[at] for at in sorted(sample(exact, dense) + sample(rest, others))]


def one_job(bench: Bench) -> Make:
    return lambda key: {"works": [(bench.counted(key), {"name": key})]}


def three_jobs(bench: Bench) -> Make:
    def make(key: str) -> dict[str, Any]:
        names = [f"{key}-{number}" for number in range(3)]
        return {"works": [(bench.counted(name), {"name": name}) for name in names]}

    return make


def array(bench: Bench) -> Make:
    return lambda key: {"works": [(bench.counted(key), {"name": key, "array": "0-1"})]}


def large_input(bench: Bench) -> Make:
    """Make jobs whose input goes before the request, in a stream of its own."""
    data = random.Random(0).randbytes(200_000)
    (bench.folder / "big.bin").write_bytes(data)
    check = f"import sys, zlib; sys.exit(zlib.crc32(open('big.bin', 'rb').read()) != {zlib.crc32(data)})"
    script = f'{sys.executable} -S -c "{check}" || exit 9\n'

    def make(key: str) -> dict[str, Any]:
        options = {"name": key, "inputs": [str(bench.folder / "big.bin")]}
        return {"works": [(f"{script}{bench.counted(key)}", options)]}

    return make


KINDS: dict[str, tuple[Callable[[Bench], Make], int, int]] = {
    # what is submitted, and how many lines are tried: of those that count, and of the others
    "one job": (one_job, 100, 30),
    "three jobs": (three_jobs, 15, 5),
    "array": (array, 15, 5),
    "large input": (large_input, 10, 25),
}


@pytest.mark.parametrize("kind", KINDS)
def test_job_runs_once_at_whatever_line_its_client_is_killed(bench: Bench, kind: str) -> None:
    how, dense, others = KINDS[kind]
    make, victims = how(bench), Victims(bench, "submit")
    steps = some_of(victims.steps(make("k9999")), dense, others)

    ends = victims.kill_at(steps, make)
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    assert [-9] * len(steps) == ends


def never_sent(bench: Bench, key: str) -> str:
    client, machine = bench.connect()
    record = client.draft(machine, bench.counted(key), {"name": key})
    client.store.add([record])
    return record.id


def broken_off(bench: Bench, key: str, plan: Break) -> str:
    _, machine = bench.connect(plan)
    with suppress(SchedulerBusy):
        machine.submit(bench.counted(key), name=key)
    (record,) = [record for record in bench.find() if record.spec.name == key]
    return record.id


def doubted_and_not_taken(bench: Bench, key: str) -> str:
    return broken_off(bench, key, Break(kind=Kind.CUT, side=Side.IN, at=10_000, times=2))


def doubted_and_taken(bench: Bench, key: str) -> str:
    return broken_off(bench, key, Break(kind=Kind.CUT, side=Side.ERR, at=1, times=2))


@pytest.mark.parametrize("left", [never_sent, doubted_and_not_taken, doubted_and_taken])
def test_job_runs_once_at_whatever_line_the_client_that_carries_on_is_killed(
    bench: Bench, left: Callable[[Bench, str], str]
) -> None:
    victims = Victims(bench, "refresh")
    measured = left(bench, "k9999")
    bench.clock.advance(AFTER_SETTLING)
    steps = some_of(victims.steps({"id": measured}), 24, 10)
    ids = {key: left(bench, key) for key in (f"k{number:04}" for number in range(len(steps)))}
    bench.disown()
    bench.clock.advance(AFTER_SETTLING)

    ends = victims.kill_at(steps, lambda key: {"id": ids[key]})
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    # one client carries on for all: some of the later ones find nothing left to do
    assert ends.count(-9) > 0.3 * len(steps)


def test_job_whose_canceller_is_killed_is_cancelled_by_the_next_client(bench: Bench) -> None:
    victims = Victims(bench, "cancel")
    measured = Running(bench, 1, "m").jobs[0]
    steps = some_of(victims.steps({"id": measured.id}), 15, 15)
    ids = {job.spec.name: job.id for job in Running(bench, len(steps)).jobs}

    ends = victims.kill_at(steps, lambda key: {"id": ids[key]})
    bench.carry_on(act=lambda client: client.cancel(client.store.find()))
    bench.judge(JobState.CANCELLED)

    assert {} == bench.figures.faults
    assert [-9] * len(steps) == ends


def test_job_whose_canceller_was_killed_is_called_what_it_truly_became(bench: Bench) -> None:
    victims = Victims(bench, "cancel")
    measured = Running(bench, 1, "m").jobs[0]
    steps = some_of(victims.steps({"id": measured.id}), 15, 15)
    jobs = Running(bench, len(steps)).jobs
    ids = {job.spec.name: job.id for job in jobs}

    victims.kill_at(steps, lambda key: {"id": ids[key]})
    (bench.folder / "gate").touch()
    bench.carry_on()
    states = {record.spec.name: record.state for record in bench.find()}
    truth = {name: JobState.COMPLETED if bench.runs(name, "end") else JobState.CANCELLED for name in states}

    bench.figures.jobs += len(states)
    bench.figures.wrong += [
        f"{name}: {states[name]}, in truth {truth[name]}"
        for name in states
        if states[name] is not truth[name]
    ]
    assert {} == bench.figures.faults
    assert {JobState.COMPLETED, JobState.CANCELLED} == set(truth.values())


def fetch_after_kills(bench: Bench, dense: int, others: int, module: str = "") -> list[Path]:
    """Kill fetches, fetch again to the same places, and return these."""
    outputs, victims = Outputs(bench, SMALL), Victims(bench, "fetch")

    def make(key: str) -> dict[str, Any]:
        return {"id": outputs.id, "to": str(bench.folder / f"home{key}")}

    reached = [step for step in victims.steps(make("k9999")) if step[0].startswith(module)]
    steps = some_of(reached, dense, others)
    assert [-9] * len(steps) == victims.kill_at(steps, make)
    for key, tried in bench.tries.items():
        to = Path(make(key)["to"])
        found = outputs.spoilt(to, all_of_it=False)
        client, _ = bench.connect()
        found += carry_on(lambda: outputs.fetch(client, to))  # noqa: B023
        found += outputs.spoilt(to, all_of_it=True)
        bench.figures.spoilt += [f"{tried.where}: {words}" for words in found]
        bench.hang_up()
    bench.judge()
    return [Path(make(key)["to"]) for key in bench.tries]


def test_outputs_arrive_whole_at_whatever_line_their_client_is_killed(bench: Bench) -> None:
    fetch_after_kills(bench, 6, 60)

    assert {} == bench.figures.faults


def test_nothing_but_outputs_comes_home_after_a_fetch_was_killed(bench: Bench) -> None:
    folders = fetch_after_kills(bench, 1, 20, "staging/unpack.py")

    assert [] == [path for to in folders for path in to.rglob(".jobferry-*")]
