"""What the fake batch system allows a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.testing import FakeCluster, Fault
from tests.unit.fake_programs import call, squeue, submit, write_script

TOO_MANY = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
    " (job submit limit, user's size and/or time limits)\n"
)
TOO_LONG = "sbatch: error: Batch job submission failed: Invalid job array specification\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(
        tmp_path / "cluster", autostart=False, max_array_size=8, max_submit=5, max_jobs_running=2
    ) as cluster:
        yield cluster


def test_array_is_refused_for_its_highest_index(cluster: FakeCluster) -> None:
    write_script(cluster, "true")

    assert (1, "", TOO_LONG) == call(cluster, "sbatch", "--array=8", "job.sh")
    assert (0, "1\n", "") == call(cluster, "sbatch", "--parsable", "--array=7", "job.sh")
    assert "MaxArraySize            = 8\n" in call(cluster, "scontrol", "show", "config")[1]


def test_each_task_counts_as_a_submitted_job(cluster: FakeCluster) -> None:
    write_script(cluster, "true")

    assert (1, "", TOO_MANY) == call(cluster, "sbatch", "--array=0-5", "job.sh")
    assert "1" == submit(cluster, "true", "--array=0-3")
    assert "5" == submit(cluster, "true")
    assert (1, "", TOO_MANY) == call(cluster, "sbatch", "job.sh")
    assert 5 == len(cluster.jobs)


def test_ended_job_makes_room_for_another(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-4")
    write_script(cluster, "true")
    assert 1 == call(cluster, "sbatch", "job.sh")[0]

    call(cluster, "scancel", "1_3")

    assert "6" == submit(cluster, "true")


def test_limit_of_submissions_can_change_and_go(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-4")

    cluster.set_max_submit(None)
    submit(cluster, "true", "--array=0-7")
    cluster.set_max_submit(3)

    assert (1, "", TOO_MANY) == call(cluster, "sbatch", "job.sh")
    assert 13 == len(cluster.jobs)


def test_only_so_many_jobs_run_at_a_time(cluster: FakeCluster) -> None:
    submit(cluster, "sleep 60", "--array=0-2")
    submit(cluster, "sleep 60")

    cluster.start_jobs()
    assert squeue(cluster) == [
        "1_0 RUNNING None",
        "1_1 RUNNING None",
        "1_[2] PENDING QOSMaxJobsPerUserLimit",
        "4 PENDING QOSMaxJobsPerUserLimit",
    ]

    cluster.set_state("1_0", "NODE_FAIL")
    assert squeue(cluster) == [
        "1_1 RUNNING None",
        "1_2 RUNNING None",
        "4 PENDING QOSMaxJobsPerUserLimit",
    ]


def test_accounting_tells_the_limits_of_a_user(cluster: FakeCluster) -> None:
    asked = ("show", "assoc", "where", "user=alice", "format=User,MaxSubmitJobs,MaxSubmit,MaxJobs,GrpSubmit")

    assert (0, "alice|5|5|2|\n", "") == call(cluster, "sacctmgr", "-nP", *asked)


@pytest.mark.parametrize("name", ["MaxSubmitPU", "MaxSubmitJobsPU", "MaxSubmitJobsPerUser"])
def test_accounting_tells_the_limits_of_a_qos_by_any_name(cluster: FakeCluster, name: str) -> None:
    assert (0, "normal|5|2\n", "") == call(
        cluster, "sacctmgr", "-nP", "show", "qos", f"format=Name,{name},MaxJobsPU"
    )


def test_limit_there_is_none_of_is_an_empty_column(cluster: FakeCluster) -> None:
    cluster.set_max_submit(None)

    assert (0, "Name|MaxSubmitPU\nnormal|\n", "") == call(
        cluster, "sacctmgr", "-P", "show", "qos", "format=Name,MaxSubmitJobsPU"
    )


@pytest.mark.parametrize(
    ("mode", "argv", "words"),
    [
        ("on", ("show", "qos", "format=Name,Nonsense"), "Unknown field 'nonsense'"),
        ("on", ("show", "nonsense"), "No valid entity in list command"),
        ("off", ("show", "qos"), "You are not running a supported accounting_storage plugin"),
        ("down", ("show", "qos"), "Connection refused"),
    ],
)
def test_limits_that_cannot_be_told_are_an_error(
    cluster: FakeCluster, mode: str, argv: tuple[str, ...], words: str
) -> None:
    cluster.set_accounting(mode)  # type: ignore[arg-type]

    code, said, errors = call(cluster, "sacctmgr", "-nP", *argv)

    assert (1, "") == (code, said)
    assert words in errors


def test_program_of_the_limits_can_hang_and_fail_like_the_others(cluster: FakeCluster) -> None:
    cluster.inject(Fault.TIMED_OUT, "sacctmgr", times=1)

    assert [1, 0] == [call(cluster, "sacctmgr", "show", "qos")[0] for _ in range(2)]
