"""Limits of a real Slurm: arrays in parts, and a backlog that drains as places come free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.machine_handle import Machine
from jobferry.model.status import JobState
from tests.rigs.daemons import wait_until
from tests.rigs.fixtures_cluster import MakeMachine
from tests.rigs.slurm import SlurmRig

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@pytest.fixture
def machine(limited_slurm: SlurmRig, on_rig: MakeMachine) -> Iterator[Machine]:
    """The rig that keeps its users short: no index above 10, and 4 jobs or tasks in the queue."""
    yield on_rig(limited_slurm, poll_interval=None)
    limited_slurm.run("scancel", "-u", limited_slurm.layout.user)
    wait_until(lambda: not limited_slurm.run("squeue", "-h").stdout, limit=30, what="an empty queue")


def test_array_above_the_largest_index_runs_in_parts(machine: Machine) -> None:
    # 20 in the queue, of which 2 run
    job = machine.submit(
        'echo "$JOBFERRY_ARRAY_INDEX $SLURM_ARRAY_TASK_ID"', array="0-14", qos="narrow", time="5m"
    )

    job.wait(200)

    assert JobState.COMPLETED is job.state
    assert 2 == len(job.record.native_ids)
    assert "".join(f"{n} {n}\n" for n in range(15)) == job.stdout()


def test_jobs_above_the_limit_wait_here_and_run_once_each(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"until [ -e '{gate}' ]; do sleep 0.1; done; echo ran"
    jobs = machine.submit_all([script] * 7, time="5m", name="many")
    assert 4 == sum(job.record.native_id is not None for job in jobs)
    waiting = jobs[-1].record
    assert (JobState.CREATED, True) == (waiting.state, "QOSMaxSubmitJob" in (waiting.status.reason or ""))

    gate.touch()
    for job in jobs:
        job.wait(200)

    assert [JobState.COMPLETED] * 7 == [job.state for job in jobs]
    assert ["ran\n"] * 7 == [job.stdout() for job in jobs]


def test_array_larger_than_the_queue_goes_as_places_come_free(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"until [ -e '{gate}' ]; do sleep 0.1; done; echo $JOBFERRY_ARRAY_INDEX"
    job = machine.submit(script, array="0-8", time="5m")
    assert 4 == sum(len(job.record.tasks_of(entry)) for entry in job.record.current if entry.native_id)

    gate.touch()
    job.wait(200)

    assert JobState.COMPLETED is job.state
    assert "".join(f"{n}\n" for n in range(9)) == job.stdout()
