"""The rig that keeps its users short refuses in the words of the captures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.daemons import wait_until
from tests.rigs.fixtures_cluster import MakeMachine
from tests.rigs.slurm import SlurmRig
from tests.schedulers.captures import load

pytestmark = pytest.mark.live

REAL = "slurm/22.05.8"


@pytest.fixture
def short(limited_slurm: SlurmRig) -> Iterator[SlurmRig]:
    """A rig without a job in its queue, before the test and after."""
    yield limited_slurm
    limited_slurm.run("scancel", "-u", limited_slurm.layout.user)
    wait_until(lambda: not limited_slurm.run("squeue", "-h").stdout, limit=15, what="an empty queue")


def refusal(rig: SlurmRig, *options: str) -> str:
    said = rig.run("sbatch", "--parsable", "--hold", *options, "--wrap", "true")
    assert 1 == said.returncode
    return said.stderr


def captured(name: str) -> str:
    return load(f"{REAL}/sbatch-limit-{name}").stderr.decode()


def test_jobs_above_the_limit_of_the_qos_are_refused(short: SlurmRig) -> None:
    for _ in range(4):
        short.submit("--hold", "--wrap", "true")

    assert captured("submit") == refusal(short)


def test_tasks_count_as_jobs(short: SlurmRig) -> None:
    assert captured("submit-array") == refusal(short, "--array=0-4")
    assert short.submit("--hold", "--array=0-3", "--wrap", "true")


def test_array_index_above_the_largest_is_refused(short: SlurmRig) -> None:
    assert captured("array-index") == refusal(short, "--array=11")


def test_limit_of_the_association_counts_where_the_qos_has_none(short: SlurmRig) -> None:
    short.submit("--hold", "--qos=open", "--array=0-5", "--wrap", "true")

    assert captured("association") == refusal(short, "--qos=open")


def test_limits_can_be_asked_for(short: SlurmRig) -> None:
    said = short.run("sacctmgr", "-nP", "show", "qos", "format=Name,MaxSubmitJobsPU,MaxJobsPU")

    assert load(f"{REAL}/sacctmgr-qos").stdout.decode() == said.stdout


def test_job_runs_on_it_by_way_of_jobferry(short: SlurmRig, on_rig: MakeMachine) -> None:
    job = on_rig(short).submit("echo ran", time="5m")

    job.wait(60)

    assert "ran\n" == job.stdout()
