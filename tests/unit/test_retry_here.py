"""Trying again on a machine without a batch system: with real processes, on this computer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.config import Config
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState
from jobferry.store import Store


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    client = Client(config=Config(), store=Store(tmp_path / "jobs.db"))
    yield Machine(name="here", scheduler="direct", root=str(tmp_path / "root"), client=client)
    client.close()


def test_job_that_fails_is_tried_again_in_its_folder(machine: Machine) -> None:
    job = machine.submit("echo $JOBFERRY_RUN | tee -a runs; [ $JOBFERRY_RUN -gt 2 ]", retry="EXIT_CODE:3")

    assert JobState.COMPLETED is job.wait(60)
    assert "3\n" == job.stdout()
    assert "1\n2\n3\n" == (Path(job.record.root) / "jobs" / job.id / "work" / "runs").read_text()


def test_tasks_that_fail_are_tried_again_alone(machine: Machine) -> None:
    job = machine.submit(
        "echo $JOBFERRY_ARRAY_INDEX; [ $JOBFERRY_ARRAY_INDEX = 1 ] || [ $JOBFERRY_RUN -gt 1 ]",
        array="0-2",
        retry="EXIT_CODE",
    )

    assert JobState.COMPLETED is job.wait(60)
    assert [0, 2] == sorted(attempt.task or 0 for attempt in job.record.attempts)
    assert "0\n1\n2\n" == job.stdout()


def test_job_that_is_warned_is_started_again_by_its_launch_script(machine: Machine) -> None:
    script = (
        "trap 'echo saved >checkpoint; exit 75' USR2; echo start $JOBFERRY_RESTARTS; "
        "[ ! -f checkpoint ] || exit 0; while :; do sleep 0.1; done"
    )
    job = machine.submit(script, time="30s", signal="USR2@29", retry="TIMEOUT:2:same")

    assert JobState.COMPLETED is job.wait(60)
    assert (1, "start 0\nstart 1\n") == (job.status.restarts, job.stdout())


def test_job_that_overran_its_time_is_tried_again_with_more(machine: Machine) -> None:
    job = machine.submit("[ $JOBFERRY_RUN -gt 1 ] || sleep 60", time="1s", retry="TIMEOUT:1:time*1.5")

    assert JobState.COMPLETED is job.wait(60)
    resources = job.record.submissions[-1].resources
    assert resources is not None
    assert resources.time is not None
    assert 60 == resources.time.total_seconds()


def test_cancel_ends_the_attempt_that_runs(machine: Machine) -> None:
    job = machine.submit("[ $JOBFERRY_RUN -gt 1 ] && sleep 60; exit 1", retry="EXIT_CODE:1")
    while len(job.record.attempts) < 1:
        assert not job.state.final
    job.cancel()

    assert JobState.CANCELLED is job.wait(60)
    assert 1 == len(job.record.attempts)
