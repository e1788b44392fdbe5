"""What goes in several submissions, over a link that breaks or by a client that is killed.

Three ways lead there: a job that waited here is sent, an array goes in parts, a job is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from jobferry.client import Client
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from jobferry.testing import FakeCluster
from tests.faults.bench import Bench, Figures, measure
from tests.faults.breaks import Break, Kind, Side, Traffic
from tests.faults.points import between, frames, sample
from tests.faults.test_cut_submit import THEN, break_at_each, traffic_of
from tests.faults.test_kill import Victims, some_of

pytestmark = pytest.mark.timeout(600)

Leave = Callable[[Bench, str], str]
# three parts, the last of one task
TASKS = "0-4"


@pytest.fixture
def narrow(tmp_path: Path, figures: Figures) -> Iterator[Bench]:
    """A cluster that takes arrays of two tasks."""
    with FakeCluster(tmp_path / "cluster", max_array_size=2) as cluster:
        made = Bench(tmp_path, cluster, figures)
        yield made
        made.hang_up()


def leave_waiting(bench: Bench, key: str, **options: Any) -> str:
    """Leave a job as one does that found no room; the process that submitted it goes on."""
    client, machine = bench.connect()
    drafted = client.draft(machine, bench.counted(key), {"name": key, **options})
    record = drafted.with_submissions(replace(drafted.submissions[0], waits="kept back"))
    client.store.add([record])
    bench.hang_up()
    return record.id


def leave_array_waiting(bench: Bench, key: str) -> str:
    return leave_waiting(bench, key, array="0-2")


def leave_failed(bench: Bench, key: str, **options: Any) -> str:
    """Leave a job whose first run has failed, so that the next look at it tries again."""
    client, machine = bench.connect()
    firsts = bench.folder / "firsts"
    firsts.mkdir(exist_ok=True)
    count = f"echo ran >>{firsts}/{key}.${{JOBFERRY_ARRAY_INDEX:-job}}"
    first = f'[ "$JOBFERRY_RUN" -gt 1 ] || {{ {count}; exit 3; }}\n'
    job = machine.submit(first + bench.counted(key), name=key, retry="EXIT_CODE:1", **options)
    bench.wait_until_idle()
    (record,) = client.refresh([job.record])
    assert not record.state.final
    bench.hang_up()
    return record.id


def leave_tasks_failed(bench: Bench, key: str) -> str:
    return leave_failed(bench, key, array="0-1")


LEFT: dict[str, Leave] = {
    "waiting job": leave_waiting,
    "waiting array": leave_array_waiting,
    "failed job": leave_failed,
    "failed tasks": leave_tasks_failed,
}
CUT = list(product(LEFT, (Side.IN, Side.OUT), ("again", "refused")))


def look_at(client: Client, job_id: str) -> list[JobRecord]:
    """Look at one job; the batch system is asked for nobody else."""
    return client.refresh([client.store.get(job_id)])


def leave(bench: Bench, left: Leave, key: str) -> str:
    job_id = left(bench, key)
    # a record that has been there for a moment is believed
    bench.clock.advance(1)
    return job_id


def prime(bench: Bench, left: Leave) -> None:
    """Let the batch system be asked now, so that nobody may for a while."""
    job_id = leave(bench, left, "k9998")
    client, _ = bench.connect()
    look_at(client, job_id)
    bench.hang_up()


def look_traffic(bench: Bench, left: Leave) -> Traffic:
    prime(bench, left)
    job_id = leave(bench, left, "k9999")
    return measure(bench, lambda client, _: look_at(client, job_id))[0]


def points_of(traffic: Traffic, side: Side, edges: int, others: int) -> list[int]:
    return sample(frames(traffic, side), edges, salt=str(side)) + between(traffic, side, others)


def break_looks(bench: Bench, left: Leave, plans: list[Break]) -> int:
    broken = 0
    for number, plan in enumerate(plans):
        job_id = leave(bench, left, key := f"k{number:04}")
        bench.on_the_second()
        client, _ = bench.connect(plan)
        bench.attempt(key, plan, partial(look_at, client, job_id))
        broken += bench.link.is_broken
        # nobody heard of it: what is lost now is lost for good
        bench.tries[key].error = None
    return broken


def judge(bench: Bench) -> None:
    bench.judge()
    for path in (bench.folder / "firsts").glob("*"):
        runs = len(path.read_text().split())
        if runs > 1:
            bench.figures.duplicates.append(f"{path.name}: its first run ran {runs} times")


@pytest.mark.parametrize(("left", "side", "then"), CUT)
def test_what_waits_or_is_tried_again_runs_once_wherever_the_link_is_cut(
    bench: Bench, left: str, side: Side, then: str
) -> None:
    traffic = look_traffic(bench, LEFT[left])
    points = points_of(traffic, side, 5, 2)

    plans = [Break(kind=Kind.CUT, side=side, at=at, **THEN[then]) for at in points]
    broken = break_looks(bench, LEFT[left], plans)
    bench.disown()
    bench.carry_on()
    judge(bench)

    assert {} == bench.figures.faults
    assert broken > 0.7 * len(plans)


@pytest.mark.parametrize("then", ["back", "again"])
@pytest.mark.parametrize("side", [Side.IN, Side.OUT, Side.ERR])
def test_array_in_parts_runs_each_task_once_wherever_the_link_is_cut(
    narrow: Bench, side: Side, then: str
) -> None:
    def submit(machine: Machine, key: str) -> object:
        return machine.submit(narrow.counted(key), name=key, array=TASKS)

    traffic = traffic_of(narrow, submit)
    points = points_of(traffic, side, 8, 3)

    plans = [Break(kind=Kind.CUT, side=side, at=at, **THEN[then]) for at in points]
    break_at_each(narrow, submit, plans)

    assert {} == narrow.figures.faults


# -- killed


@pytest.mark.parametrize("left", LEFT)
def test_what_waits_or_is_tried_again_runs_once_at_whatever_line_its_sender_is_killed(
    bench: Bench, left: str
) -> None:
    victims = Victims(bench, "look")
    prime(bench, LEFT[left])
    steps = some_of(victims.steps({"id": leave(bench, LEFT[left], "k9999")}), 14, 14)
    ids = {key: LEFT[left](bench, key) for key in (f"k{number:04}" for number in range(len(steps)))}
    bench.clock.advance(1)

    ends = victims.kill_at(steps, lambda key: {"id": ids[key]})
    bench.carry_on()
    judge(bench)

    assert {} == bench.figures.faults
    assert ends.count(-9) > 0.9 * len(steps)


def test_array_in_parts_runs_each_task_once_at_whatever_line_its_client_is_killed(narrow: Bench) -> None:
    def make(key: str) -> dict[str, Any]:
        return {"works": [(narrow.counted(key), {"name": key, "array": TASKS})]}

    victims = Victims(narrow, "submit")
    steps = some_of(victims.steps(make("k9999")), 18, 8)

    ends = victims.kill_at(steps, make)
    narrow.carry_on()
    narrow.judge()

    assert {} == narrow.figures.faults
    assert [-9] * len(steps) == ends


# -- cancelled in the middle


def test_array_in_parts_whose_cancel_is_cut_is_cancelled_by_the_next_client(narrow: Bench) -> None:
    _, machine = narrow.connect()
    gate = narrow.folder / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.2; done"
    jobs = [machine.submit(narrow.counted(f"k{n:04}", wait), name=f"k{n:04}", array=TASKS) for n in range(4)]
    narrow.cluster.wait_for(lambda _: len(list(narrow.tally.iterdir())) == 20, limit=60)
    narrow.hang_up()
    for number, job in enumerate(jobs):
        plan = Break(kind=Kind.CUT, side=Side.IN if number % 2 else Side.OUT, at=1 + 40 * number, times=2)
        client, _ = narrow.connect(plan)
        narrow.attempt(f"k{number:04}", plan, partial(client.cancel, [client.store.get(job.id)]))

    narrow.carry_on(act=lambda client: client.cancel(client.store.find()))
    narrow.judge(JobState.CANCELLED)

    assert {} == narrow.figures.faults
