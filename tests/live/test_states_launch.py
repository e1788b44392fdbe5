"""Jobs that die before, or under, their launch script, and arrays: on a real Slurm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobferry.job_handle import Job
from jobferry.model.status import Failure, JobState
from tests.live.states import Site
from tests.rigs.daemons import wait_until

pytestmark = pytest.mark.live


def test_tasks_of_an_array_come_each_to_its_own_end(site_on_slurm: Site) -> None:
    job = site_on_slurm.submit(
        "t=$JOBFERRY_ARRAY_INDEX; touch begun$t; case $t in 1) exit 5 ;; [23]) sleep 600 ;; esac",
        array="0-3",
    )
    work = site_on_slurm.folder_of(job) / "work"
    wait_until(lambda: 4 == len([*work.glob("begun*")]), limit=30, what="all tasks")
    site_on_slurm.rig.run("scancel", f"{job.native_id}_2")

    during = site_on_slurm.stays_unfinished(job)
    site_on_slurm.rig.run("scancel", "--signal=USR2", "--batch", f"{job.native_id}_3")
    status = site_on_slurm.end(job)

    assert JobState.RUNNING is during.state
    assert (JobState.FAILED, 5) == (status.state, status.exit_code)
    tasks = site_on_slurm.client.store.resolve(job.id).tasks
    assert {
        0: (JobState.COMPLETED, None, 0, None),
        1: (JobState.FAILED, Failure.EXIT_CODE, 5, None),
        2: (JobState.CANCELLED, None, None, 15),
        3: (JobState.FAILED, Failure.SIGNAL, None, 12),
    } == {n: (task.state, task.failure, task.exit_code, task.signal) for n, task in tasks.items()}


# -- jobs that die before, or under, their launch script


def lose_folder(site: Site, part: str) -> Job:
    """Submit a job whose folder, or a part of it, is deleted before it starts."""
    job = site.submit("true", native=["--hold"])
    shutil.rmtree(site.folder_of(job) / part)
    site.scontrol("release", str(job.native_id))
    return job


@pytest.mark.parametrize(
    ("part", "failure"),
    [("out", Failure.LAUNCH), ("", Failure.LAUNCH), ("state", Failure.EXIT_CODE)],
    ids=["output folder", "whole folder", "state folder"],
)
def test_job_whose_folder_is_gone_dies_at_once_and_says_of_what(
    site_on_slurm: Site, part: str, failure: Failure
) -> None:
    job = lose_folder(site_on_slurm, part)

    status = site_on_slurm.end(job)

    assert JobState.FAILED is status.state
    assert failure is status.failure
    assert (failure is Failure.EXIT_CODE) == (status.exit_code is not None)
    assert "None" not in " ".join(site_on_slurm.why(job).words)


@pytest.mark.parametrize("part", ["out", "", "state", "work"])
def test_job_whose_folder_is_gone_is_never_done(site_on_slurm: Site, part: str) -> None:
    job = lose_folder(site_on_slurm, part)

    status = site_on_slurm.end(job)

    assert JobState.FAILED is status.state
    assert {"out": "JobLaunchFailure", "": "JobLaunchFailure"}.get(part, "FAILED") in dict(
        site_on_slurm.why(job).evidence
    )["queue"]


def test_signal_that_ends_the_launch_script_itself_is_told(site_on_slurm: Site) -> None:
    job = site_on_slurm.submit("kill -9 $PPID; sleep 600")

    status = site_on_slurm.end(job)

    assert (JobState.FAILED, Failure.SIGNAL, 9) == (status.state, status.failure, status.signal)


def test_output_that_cannot_be_written_is_told_by_the_queue(site_on_slurm: Site) -> None:
    job = site_on_slurm.submit("true", native=["--output=/nonexistent/folder/out"])

    status = site_on_slurm.end(job)

    assert (JobState.FAILED, "JobLaunchFailure") == (status.state, status.reason)
    assert any("could not be started" in words for words in site_on_slurm.why(job).words)
    assert not Path("/nonexistent").exists()
