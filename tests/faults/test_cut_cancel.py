"""Cancelling over a link that breaks at a chosen byte."""

from __future__ import annotations

import pytest

from jobferry.client import Client
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from tests.faults.bench import Bench, measure
from tests.faults.breaks import Break, Kind, Side, Traffic
from tests.faults.points import between, frames, sample

pytestmark = pytest.mark.timeout(600)


class Running:
    """Jobs that run until they are told to end."""

    def __init__(self, bench: Bench, count: int, letter: str = "k") -> None:
        self.bench = bench
        self.gate = bench.folder / "gate"
        _, machine = bench.connect()
        client = machine.client
        assert client is not None
        wait = f"until [ -e {self.gate} ]; do sleep 0.2; done"
        names = [f"{letter}{number:04}" for number in range(count)]
        ends = {name: f"{wait}; echo end >{bench.tally}/{name}.end" for name in names}
        drafts = [client.draft(machine, bench.counted(name, ends[name]), {"name": name}) for name in names]
        self.jobs = client.submit(machine, drafts)
        bench.cluster.wait_for(lambda _: all(bench.runs(name) for name in names), limit=60)
        client.refresh(self.jobs, force=True)
        bench.hang_up()


def traffic_of(bench: Bench) -> Traffic:
    job = Running(bench, 1).jobs[0]

    def act(client: Client, _: Machine) -> object:
        return client.cancel([client.store.get(job.id)])

    (traffic,) = measure(bench, act)
    bench.carry_on()
    client, _ = bench.connect()
    client.remove([client.store.get(job.id)], remote=False)
    bench.hang_up()
    (bench.tally / "k0000.job").unlink()
    return traffic


def plans_for(traffic: Traffic, kind: Kind, times: int) -> list[Break]:
    points = [(side, at) for side in Side for at in sample(frames(traffic, side), 6)]
    points += [(side, at) for side in (Side.IN, Side.OUT) for at in between(traffic, side, 2)]
    return [Break(kind=kind, side=side, at=at, times=times) for side, at in points]


def cancel_over(bench: Bench, jobs: list[JobRecord], plans: list[Break]) -> None:
    for job, plan in zip(jobs, plans, strict=True):
        bench.on_the_second()
        client, _ = bench.connect(plan)
        record = client.store.get(job.id)
        bench.attempt(job.spec.name, plan, lambda: client.cancel([record]))  # noqa: B023


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.HALF])
@pytest.mark.parametrize("times", [1, 2])
def test_job_whose_cancel_broke_is_cancelled_by_the_next_client(bench: Bench, kind: Kind, times: int) -> None:
    plans = plans_for(traffic_of(bench), kind, times)
    jobs = Running(bench, len(plans)).jobs

    cancel_over(bench, jobs, plans)
    bench.carry_on(act=lambda client: client.cancel(client.store.find()))
    bench.judge(JobState.CANCELLED)

    assert {} == bench.figures.faults


def test_job_whose_cancel_never_arrived_and_that_ran_to_its_end_is_completed(bench: Bench) -> None:
    traffic = traffic_of(bench)
    # what comes after it asks how the jobs stand
    asked = bytes(traffic.sides[Side.IN]).index(
        b"}\n", bytes(traffic.sides[Side.IN]).index(b"jf_cancel_mark ")
    )
    points = sample(range(asked), 8)
    jobs = Running(bench, len(points)).jobs

    plans = [Break(kind=Kind.CUT, side=Side.IN, at=at, refused=True) for at in points]
    cancel_over(bench, jobs, plans)
    told = [tried.error for tried in bench.tries.values()]
    (bench.folder / "gate").touch()
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    assert None not in told
