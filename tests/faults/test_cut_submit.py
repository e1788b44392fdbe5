"""Submissions over a link that breaks at a chosen byte."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from jobferry.client import Client
from jobferry.machine_handle import Machine
from tests.faults.bench import AFTER_SETTLING, Bench, measure
from tests.faults.breaks import Break, Kind, Side, Traffic
from tests.faults.link import BreakingLink
from tests.faults.points import between, frames, sample
from tests.rigs.sshd import poll_until

pytestmark = pytest.mark.timeout(600)

Submit = Callable[[Machine, str], object]

# what the client meets when it tries again by itself: a sound link, the same break, or no machine at all
THEN: dict[str, dict[str, Any]] = {"back": {}, "again": {"times": 2}, "refused": {"refused": True}}


def one(bench: Bench) -> Submit:
    return lambda machine, key: machine.submit(bench.counted(key), name=key)


def array(bench: Bench) -> Submit:
    return lambda machine, key: machine.submit(bench.counted(key), name=key, array="0-2")


def many(bench: Bench, count: int) -> Submit:
    def submit(machine: Machine, key: str) -> None:
        # a job's name is the key, a dash and its number: each counts its own runs
        client = machine.client
        assert client is not None
        names = [f"{key}-{number:02}" for number in range(count)]
        drafts = [client.draft(machine, bench.counted(name), {"name": name}) for name in names]
        client.submit(machine, drafts)

    return submit


def traffic_of(bench: Bench, submit: Submit) -> Traffic:
    def act(_: Client, machine: Machine) -> object:
        return submit(machine, "k9999")

    (traffic,) = measure(bench, act)
    return traffic


def break_at_each(bench: Bench, submit: Submit, plans: Iterable[Break]) -> int:
    """Submit once for each break, let a new client carry on, and count what became of the jobs."""
    broken = 0
    for number, plan in enumerate(plans):
        bench.on_the_second()
        _, machine = bench.connect(plan)
        bench.attempt(key := f"k{number:04}", plan, lambda: submit(machine, key))  # noqa: B023
        broken += bench.link.is_broken
    bench.carry_on()
    bench.judge()
    return broken


@pytest.mark.parametrize("then", THEN)
def test_job_runs_once_wherever_the_answer_is_cut(bench: Bench, then: str) -> None:
    traffic = traffic_of(bench, one(bench))
    points = {side: frames(traffic, side) + between(traffic, side, 10) for side in (Side.OUT, Side.ERR)}

    plans = [Break(kind=Kind.CUT, side=side, at=at, **THEN[then]) for side in points for at in points[side]]
    broken = break_at_each(bench, one(bench), plans)

    assert {} == bench.figures.faults
    assert broken > 0.9 * len(plans)


@pytest.mark.parametrize("then", THEN)
def test_job_runs_once_wherever_the_request_is_cut(bench: Bench, then: str) -> None:
    traffic = traffic_of(bench, one(bench))
    points = frames(traffic, Side.IN) + between(traffic, Side.IN, 20)

    plans = [Break(kind=Kind.CUT, side=Side.IN, at=at, **THEN[then]) for at in points]
    broken = break_at_each(bench, one(bench), plans)

    assert {} == bench.figures.faults
    assert len(plans) == broken


@pytest.mark.parametrize("then", ["back", "again"])
@pytest.mark.parametrize("side", list(Side))
def test_job_runs_once_when_one_direction_dies(bench: Bench, side: Side, then: str) -> None:
    traffic = traffic_of(bench, one(bench))
    points = frames(traffic, side) + between(traffic, side, 4)

    break_at_each(bench, one(bench), (Break(kind=Kind.HALF, side=side, at=at, **THEN[then]) for at in points))

    assert {} == bench.figures.faults


@pytest.mark.parametrize("side", list(Side))
def test_delay_anywhere_is_no_failure(bench: Bench, side: Side) -> None:
    traffic = traffic_of(bench, one(bench))
    points = sample(frames(traffic, side), 3) + between(traffic, side, 3)

    break_at_each(bench, one(bench), (Break(kind=Kind.DELAY, side=side, at=at) for at in points))

    assert {} == bench.figures.faults
    assert [] == [tried.error for tried in bench.tries.values() if tried.error]


@pytest.mark.parametrize("then", THEN)
def test_array_runs_each_task_once_wherever_the_answer_is_cut(bench: Bench, then: str) -> None:
    traffic = traffic_of(bench, array(bench))
    points = sample(frames(traffic, Side.OUT), 10) + between(traffic, Side.OUT, 4)

    plans = [Break(kind=Kind.CUT, side=Side.OUT, at=at, **THEN[then]) for at in points]
    break_at_each(bench, array(bench), plans)

    assert {} == bench.figures.faults


@pytest.mark.parametrize("then", ["back", "again"])
def test_array_runs_each_task_once_wherever_the_request_is_cut(bench: Bench, then: str) -> None:
    traffic = traffic_of(bench, array(bench))
    points = sample(frames(traffic, Side.IN), 6) + between(traffic, Side.IN, 4)

    plans = [Break(kind=Kind.CUT, side=Side.IN, at=at, **THEN[then]) for at in points]
    break_at_each(bench, array(bench), plans)

    assert {} == bench.figures.faults


# -- what is held back, and arrives all the same


@pytest.mark.parametrize("side", [Side.IN, Side.OUT])
@pytest.mark.parametrize("first_client", ["gives up", "goes on waiting"])
def test_request_that_stalls_until_another_client_is_done_runs_nothing_twice(
    bench: Bench, side: Side, first_client: str
) -> None:
    traffic = traffic_of(bench, one(bench))
    points = sample(frames(traffic, side), 6) + between(traffic, side, 4)
    stalled: list[tuple[BreakingLink, threading.Thread]] = []
    for number, at in enumerate(points):
        bench.on_the_second()
        plan = Break(kind=Kind.STALL, side=side, at=at, refused=True)
        _, machine = bench.connect(plan)
        stalled.append((bench.link, _submit_aside(bench, machine, f"k{number:04}", plan)))

    for link, thread in stalled:
        if first_client == "gives up":
            link.give_up()
            thread.join(10)
    other, _ = bench.connect()
    # nobody is believed to be at work for longer than some hours
    bench.clock.advance(AFTER_SETTLING if first_client == "gives up" else 7 * 3600)
    other.wait(other.store.find())
    bench.note_final()
    for link, thread in stalled:
        link.thaw()
        thread.join(10)
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    assert not any(thread.is_alive() for _, thread in stalled)


def _submit_aside(bench: Bench, machine: Machine, key: str, plan: Break) -> threading.Thread:
    link = bench.link
    submit = one(bench)
    thread = threading.Thread(target=lambda: bench.attempt(key, plan, lambda: submit(machine, key)))
    thread.start()
    poll_until(lambda: link.is_broken or not thread.is_alive(), what="the stall")
    return thread
