"""Functions, sweeps and chains on a real Slurm; with a real sshd between where that matters."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jobferry as jf
from jobferry.client import Client
from jobferry.errors import JobFailed
from jobferry.machine_handle import Machine
from jobferry.model.status import Failure, JobState
from tests.rigs.daemons import wait_until
from tests.rigs.fixtures_cluster import MakeMachine
from tests.rigs.slurm import SlurmRig

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

FACTOR = 3


def scaled(x: int) -> int:
    if x == 13:
        raise ValueError("unlucky")
    return FACTOR * x


def add(*values: int) -> int:
    return sum(values)


class Counter:
    """Counts until it has been stopped and started again, then five more; writes each number down."""

    def __init__(self) -> None:
        self.done = 0
        self.until: int | None = None

    def __call__(self, log: str) -> int:
        import time

        while self.until is None or self.done < self.until:
            time.sleep(0.1)
            self.done += 1
            with open(log, "a") as file:
                file.write(f"{self.done}\n")
        return self.done

    def checkpoint(self, log: str) -> Counter:
        self.until = self.done + 5
        return self


@pytest.fixture
def rigged(on_rig: MakeMachine, slurm: SlurmRig) -> Machine:
    return on_rig(slurm)


def put_back(rig: SlurmRig, native_id: str) -> None:
    """Spare the two minutes that Slurm lets pass before a job that was put back starts again."""
    wait_until(lambda: rig.job(native_id).get("Restarts") == "1", limit=90, what="put back")
    wait_until(lambda: rig.job(native_id).get("JobState") == "PENDING", limit=30, what="waiting again")
    rig.start_again(native_id)


def test_calls_and_chains_through_ssh(over_there: MakeMachine) -> None:
    machine = over_there()

    first = machine.call(scaled, 2, time="5m")
    second = machine.call(scaled, 4, time="5m")
    third = machine.call(add, first, second, time="5m")

    assert 18 == third.result(100)
    with pytest.raises(ValueError, match="unlucky"):
        machine.call(scaled, 13, time="5m").result(100)
    with jf.Executor(machine, time="5m") as executor:
        assert [3, 6, 9] == list(executor.map(scaled, [1, 2, 3], timeout=100))


def test_a_call_is_one_request_once_the_python_is_known(over_there: MakeMachine, client: Client) -> None:
    machine = over_there()
    machine.call(scaled, 1, time="5m").result(100)
    connection = client.open(machine).connection

    def cost(work: Any) -> tuple[int, int]:
        before = connection.requests, connection.processes
        work()
        return connection.requests - before[0], connection.processes - before[1]

    assert (1, 0) == cost(lambda: machine.call(scaled, 1, time="5m"))
    assert (1, 0) == cost(lambda: machine.sweep(scaled, jf.grid(x=range(100)), time="5m", native=["--hold"]))
    sweep = machine.sweep(scaled, jf.grid(x=range(30)), time="5m").wait(100)
    assert (1, 0) == cost(lambda: sweep.to_records())


def test_100_mb_go_there_and_back(over_there: MakeMachine, rigged: Machine) -> None:
    data = bytes(range(256)) * 409_600
    array = np.arange(13_107_200, dtype=np.float64)

    assert data[::-1] == over_there().call(lambda x: x[::-1], data, time="5m", mem="1G").result(200)
    # the array, its negative, and what Python and numpy take: no copy more would fit
    negative = rigged.call(np.negative, array, time="5m", mem="290M").result(200)
    np.testing.assert_array_equal(-array, negative)


def test_sweep_above_the_largest_array_goes_in_parts(limited_slurm: SlurmRig, on_rig: MakeMachine) -> None:
    machine = on_rig(limited_slurm, defaults=jf.Resources(qos="narrow"))

    sweep = machine.sweep(scaled, jf.grid(x=range(18)), tasks_per_job=1, time="5m", name="parts")

    assert [3 * x for x in range(18) if x != 13] == [
        value for value in sweep.results(200, return_exceptions=True) if isinstance(value, int)
    ]
    assert 1 == len(sweep.jobs)
    assert len({entry.native_id for entry in sweep.jobs[0].record.submissions}) > 1


def test_chunks_use_the_processors_of_their_element(rigged: Machine) -> None:
    sweep = rigged.sweep(scaled, jf.grid(x=range(100)), tasks_per_job=50, cpus_per_task=2, time="5m")

    found = sweep.results(100, return_exceptions=True)

    assert 99 == sum(isinstance(value, int) for value in found)
    assert [13] == [task.index for task in sweep.failed]


def test_chain_ends_with_nobody_here(rigged: Machine, tmp_path: Path) -> None:
    script = f"""
        import jobferry as jf
        def slow(x):
            import time
            time.sleep(2)
            return x + 1
        def fail(x):
            raise ValueError("in the middle")
        m = jf.Machine(name="rig", transport="local", scheduler="slurm", root={rigged.root!r})
        a = m.call(slow, 1, time="5m")
        b = m.call(slow, a, time="5m")
        c = m.call(fail, b, time="5m")
        d = m.call(slow, c, time="5m")
        print(a.id, b.id, c.id, d.id)
        """
    program = tmp_path / "chain.py"
    program.write_text(textwrap.dedent(script))
    store = rigged.opened_client.store.path
    said = subprocess.run(
        [sys.executable, str(program)],
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(tmp_path), "JOBFERRY_STORE": str(store)}
        | {"SLURM_CONF": str(_conf())},
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(rigged.root) / "jobs"
    a, b, c, d = said.stdout.split()
    # nobody looks: the far side alone brings it to its end
    wait_until(lambda: (folder / c / "state" / "job.finished").exists(), limit=60, what="the third job")

    jobs = {job.id: job for job in rigged.jobs()}
    jobs[d].wait(100)
    assert 3 == jobs[b].result()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="in the middle"):
        jobs[c].result()  # type: ignore[attr-defined]
    assert Failure.DEPENDENCY is jobs[d].status.failure
    with pytest.raises(JobFailed, match="dependency"):
        jobs[d].result()  # type: ignore[attr-defined]
    assert 2 == jobs[a].result()  # type: ignore[attr-defined]


def _conf() -> str:
    import os

    return os.environ["SLURM_CONF"]


def test_callable_saves_its_work_when_it_is_warned(rigged: Machine, slurm: SlurmRig, tmp_path: Path) -> None:
    log = tmp_path / "log"

    # Slurm may warn up to a minute early: at a limit of one minute that is soon
    job = rigged.call(Counter(), str(log), time="1m", signal="USR2@55")
    put_back(slurm, str(job.native_id))

    result = job.result(120)
    assert 1 == job.status.restarts
    # it went on from where it was
    numbers = [int(line) for line in log.read_text().split()]
    assert list(range(1, result + 1)) == sorted(set(numbers))
    assert len(numbers) - len(set(numbers)) <= 1


def test_function_looks_how_much_time_is_left(rigged: Machine, slurm: SlurmRig, tmp_path: Path) -> None:
    state = tmp_path / "state"

    def count(until: int) -> tuple[int, bool]:
        done = int(state.read_text()) if state.exists() else 0
        began, left = done, jf.remaining()
        while done < until:
            if done and done == began + 10:
                state.write_text(str(done))
                jf.again()
            time.sleep(0.1)
            done += 1
        return done, 0 < left <= 60

    job = rigged.call(count, 15, time="1m", retry="TIMEOUT:2")
    put_back(slurm, str(job.native_id))

    assert (15, True) == job.result(120)
    assert 1 == job.status.restarts


def test_who_asks_too_often_is_out_of_time(here: Machine) -> None:
    job = here.call(lambda: jf.again(), time="5m", retry="TIMEOUT:1:same")

    with pytest.raises(JobFailed):
        job.result(60)
    assert (JobState.FAILED, Failure.TIMEOUT) == (job.state, job.status.failure)
