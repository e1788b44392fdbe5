"""The look-up and the second attempt of a submission, over a link that breaks as well."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from jobferry.client import Client
from jobferry.errors import TransportError
from jobferry.machine_handle import Machine
from tests.faults.bench import AFTER_SETTLING, Bench, measure
from tests.faults.breaks import Break, Kind, Side
from tests.faults.points import between, frames, sample
from tests.faults.test_kill import doubted_and_not_taken, doubted_and_taken

pytestmark = pytest.mark.timeout(600)

LEFT = [doubted_and_not_taken, doubted_and_taken]
Leave = Callable[[Bench, str], str]


def break_the_next_look(bench: Bench, left: Leave, side: Side, times: int) -> list[Break]:
    """Leave jobs in doubt, and break the link of the client that looks them up, each at another byte."""
    measured = left(bench, "k9999")
    bench.clock.advance(AFTER_SETTLING)

    def look(client: Client, _: Machine) -> object:
        return client.refresh([client.store.get(measured)], force=True)

    traffic = measure(bench, look)[0]
    points = sample(frames(traffic, side), 8) + between(traffic, side, 4)
    plans = [Break(kind=Kind.CUT, side=side, at=at, times=times) for at in points]
    ids = [left(bench, f"k{number:04}") for number in range(len(plans))]
    bench.disown()
    bench.clock.advance(AFTER_SETTLING)
    for number, plan in enumerate(plans):
        bench.on_the_second()
        client, _ = bench.connect(plan)
        job_id = ids[number]
        look_once = lambda c=client, i=job_id: c.refresh([c.store.get(i)], force=True)  # noqa: E731
        bench.attempt(f"k{number:04}", plan, look_once)
    return plans


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("side", [Side.IN, Side.OUT])
@pytest.mark.parametrize("left", LEFT)
def test_job_in_doubt_runs_once_wherever_its_look_up_breaks(
    bench: Bench, left: Leave, side: Side, times: int
) -> None:
    break_the_next_look(bench, left, side, times)

    bench.disown()
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults


def test_process_whose_second_attempt_broke_goes_on_with_it(bench: Bench) -> None:
    job_id = doubted_and_not_taken(bench, "k0000")
    bench.hang_up()
    bench.clock.advance(AFTER_SETTLING)
    client, _ = bench.connect()
    sound = bench.link
    # the look-up is answered; the attempt after it is not
    sound.cut_when(f"jf_submit {job_id}".encode())
    with suppress(TransportError):
        client.refresh([client.store.get(job_id)], force=True)
    sound.cut_when(None)
    bench.figures.points += 1

    bench.clock.advance(3600)
    client.refresh([client.store.get(job_id)], force=True)
    bench.clock.advance(3600)
    client.refresh([client.store.get(job_id)], force=True)

    assert client.store.get(job_id).state.submitted
