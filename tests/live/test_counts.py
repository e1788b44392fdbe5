"""What each verb costs: requests and processes over there, exactly; times are measured elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.machine_handle import Machine
from jobferry.transports.connection import Connection
from tests.rigs.fixtures_cluster import MakeMachine

pytestmark = pytest.mark.live


@pytest.fixture
def machine(over_there: MakeMachine) -> Machine:
    """A machine that is known and connected; its jobs are held, so that nothing happens by itself."""
    made = over_there()
    made.submit(["true"], native=["--hold"], time="5m").cancel()
    return made


@pytest.fixture
def cost(client: Client, machine: Machine) -> Callable[[Callable[[], object]], tuple[int, int]]:
    """Count the requests and the processes that something takes."""
    connection: Connection = client.open(machine).connection

    def count(work: Callable[[], object]) -> tuple[int, int]:
        before = connection.requests, connection.processes
        work()
        return connection.requests - before[0], connection.processes - before[1]

    return count


Cost = Callable[[Callable[[], object]], tuple[int, int]]
ONE_REQUEST = (1, 0)


@pytest.mark.parametrize("number", [1, 100])
def test_submitting_and_looking_and_cancelling_are_one_request_each(
    machine: Machine, client: Client, cost: Cost, number: int
) -> None:
    works = [["true"]] * number

    submitted = cost(lambda: machine.submit_all(works, native=["--hold"], time="5m"))
    records = client.store.find(unfinished=True)[-number:]
    looked_at = cost(lambda: client.refresh(records, force=True))

    assert number == len(records)
    assert (ONE_REQUEST, ONE_REQUEST) == (submitted, looked_at)
    # cancelling looks once more at what became of them
    assert (2, 0) == cost(lambda: client.cancel(records))


def test_command_is_one_request(machine: Machine, cost: Cost) -> None:
    assert ONE_REQUEST == cost(lambda: machine.exec("true"))


def test_small_inputs_travel_inside_the_request(machine: Machine, cost: Cost, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(1000))

    assert ONE_REQUEST == cost(
        lambda: machine.submit(["true"], inputs=[str(tmp_path / "a"), str(tmp_path / "b")], native=["--hold"])
    )


def test_large_inputs_take_one_process_for_all(machine: Machine, cost: Cost, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(200_000))
    (tmp_path / "tree" / "deep").mkdir(parents=True)

    inputs = [str(tmp_path / "large"), str(tmp_path / "tree")]

    assert (1, 1) == cost(lambda: machine.submit(["true"], inputs=inputs, native=["--hold"]))


def test_small_results_come_inside_the_answer(machine: Machine, cost: Cost, tmp_path: Path) -> None:
    job = machine.submit("for i in $(seq 100); do echo $i >$i.txt; done", outputs=["*.txt"], time="5m")
    job.wait(60)

    assert ONE_REQUEST == cost(lambda: job.fetch(tmp_path))
    assert 100 == len(list(tmp_path.glob("*.txt")))


def test_whole_log_is_one_request(machine: Machine, cost: Cost) -> None:
    job = machine.submit("seq 10000", time="5m")
    job.wait(60)

    assert ONE_REQUEST == cost(lambda: job.stdout())
