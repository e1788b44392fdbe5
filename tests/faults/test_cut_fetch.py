"""Fetching outputs over a link that breaks at a chosen byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.errors import JobferryError
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from tests.faults.bench import Bench, measure
from tests.faults.breaks import Break, Kind, Side, Traffic
from tests.faults.points import between, frames, sample

pytestmark = pytest.mark.timeout(600)

SMALL, LARGE = 40_000, 1_300_000


class Outputs:
    """A job that has ended, and what it made."""

    def __init__(self, bench: Bench, size: int) -> None:
        self.bench = bench
        self.files = {
            "a.txt": b"a\n",
            "deep/er/b.bin": random.Random(size).randbytes(size),
            "deep/empty": b"",
            "z z.txt": b"last\n" * 100,
        }
        source = bench.folder / "made"
        for name, data in self.files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        _, machine = bench.connect()
        job = machine.submit(bench.counted("made", f"cp -R {source}/. ."), name="made", outputs=["*"])
        job.wait()
        self.id = job.id
        bench.hang_up()

    def fetch(self, client: Client, to: Path) -> object:
        return Job(client.store.get(self.id), client).fetch(to)

    def spoilt(self, to: Path, *, all_of_it: bool) -> list[str]:
        """Name what stands in its place and is not right, and what is missing if all must be there.

        What a fetch keeps aside, under a name of its own, is passed over.
        """
        said = []
        for path in sorted(to.rglob("*")):
            name = str(path.relative_to(to))
            is_aside = ".jobferry-" in name
            if path.is_file() and not is_aside and self.files.get(name) != path.read_bytes():
                said.append(f"{name} has {path.stat().st_size} bytes")
        if all_of_it:
            said += [f"{name} is missing" for name in self.files if not (to / name).exists()]
            said += ["its folder is left aside"] if (to / f".jobferry-{self.id}").exists() else []
        return said


def traffic_of(outputs: Outputs) -> list[Traffic]:
    def act(client: Client, _: Machine) -> object:
        return outputs.fetch(client, outputs.bench.folder / "measured")

    return measure(outputs.bench, act)


def break_at_each(outputs: Outputs, plans: list[Break]) -> int:
    """Fetch once for each break, and again with a new client."""
    bench, broken = outputs.bench, 0
    for number, plan in enumerate(plans):
        to = bench.folder / f"home{number:04}"
        client, _ = bench.connect(plan)
        tried = bench.attempt(to.name, plan, lambda: outputs.fetch(client, to))  # noqa: B023
        broken += bench.link.is_broken
        found = outputs.spoilt(to, all_of_it=tried.error is None)
        bench.hang_up()
        client, _ = bench.connect()
        found += carry_on(lambda: outputs.fetch(client, to))  # noqa: B023
        found += outputs.spoilt(to, all_of_it=True)
        bench.figures.spoilt += [f"{plan}: {words}" for words in found]
        bench.hang_up()
    bench.note_final()
    bench.judge()
    return broken


def carry_on(fetch: Callable[[], object]) -> list[str]:
    """Fetch once more, which must go well."""
    try:
        fetch()
    except JobferryError as error:
        return [f"a new client was told: {error}"]
    return []


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.HALF, Kind.DELAY])
@pytest.mark.parametrize("times", [1, 2])
def test_outputs_in_the_answer_arrive_whole_wherever_it_breaks(bench: Bench, kind: Kind, times: int) -> None:
    outputs = Outputs(bench, SMALL)
    (traffic,) = traffic_of(outputs)
    points = [(Side.OUT, at) for at in frames(traffic, Side.OUT) + between(traffic, Side.OUT, 10)]
    points += [(Side.IN, at) for at in sample(frames(traffic, Side.IN), 4) + between(traffic, Side.IN, 2)]
    points += [(Side.ERR, at) for at in sample(frames(traffic, Side.ERR), 3)]
    if kind is Kind.DELAY:
        points = points[:: 4 * times]

    plans = [Break(kind=kind, side=side, at=at, times=times) for side, at in points]
    broken = break_at_each(outputs, plans)

    assert {} == bench.figures.faults
    assert broken > 0.9 * len(plans)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.HALF])
@pytest.mark.parametrize("process", [0, 1])
def test_outputs_in_a_stream_of_their_own_arrive_whole_wherever_it_breaks(
    bench: Bench, kind: Kind, process: int
) -> None:
    outputs = Outputs(bench, LARGE)
    asking, streaming = traffic_of(outputs)
    traffic = (asking, streaming)[process]
    total = len(traffic.sides[Side.OUT])
    # a tar stream is in blocks of 512 bytes, and ends in empty ones
    blocks = [512, 1024, total - 10240, total - 1024, total - 512, total - 1, total]
    points = sample(sorted({0, 1, *blocks, *frames(traffic, Side.OUT)[-4:]}), 10)
    points += sample(range(total), 12, salt="stream")

    plans = [Break(kind=kind, side=Side.OUT, at=at, first=process) for at in points]
    broken = break_at_each(outputs, plans)

    assert {} == bench.figures.faults
    assert broken == len(plans)
