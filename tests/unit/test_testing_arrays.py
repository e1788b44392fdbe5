"""How the fake batch system shows arrays, and what it makes of dependencies; all as seen on 22.05."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.testing import FakeCluster
from tests.unit.fake_programs import call, squeue, submit, write_script

# exits with the number of its task: the first task of an array from 0 on succeeds
BY_NUMBER = 'exit "$SLURM_ARRAY_TASK_ID"'


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", autostart=False) as cluster:
        yield cluster


def sacct(cluster: FakeCluster, *options: str) -> list[str]:
    return call(cluster, "sacct", "-nPX", "--format=JobID,State", *options)[1].splitlines()


def shown(cluster: FakeCluster, native_id: str) -> list[list[str]]:
    said = call(cluster, "scontrol", "show", "job", "-o", native_id)[1]
    return [line.split()[:3] for line in said.splitlines()]


def ended(cluster: FakeCluster, *native_ids: str) -> None:
    """Let jobs run to their end."""
    cluster.start_jobs(*native_ids)
    cluster.wait_for(lambda it: all(job.state != "RUNNING" for job in it.jobs))


# -- rows


def test_tasks_that_wait_share_a_row_everywhere(cluster: FakeCluster) -> None:
    submit(cluster, "sleep 60", "--array=0-2,4-6,9%2")
    cluster.start_jobs("1_1")

    rows = squeue(cluster, "%i|%K|%T")
    assert ["1_[0,2,4-6,9%2]|0,2,4-6,9%2|PENDING", "1_1|1|RUNNING"] == rows
    assert ["1_[0,2,4-6,9%2]|PENDING", "1_1|RUNNING"] == sacct(cluster)
    assert [
        ["JobId=1", "ArrayJobId=1", "ArrayTaskId=0,2,4-6,9%2"],
        ["JobId=3", "ArrayJobId=1", "ArrayTaskId=1"],
    ] == shown(cluster, "1")


def test_held_task_parts_from_those_that_wait_for_another_reason(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-3", "--hold")

    call(cluster, "scontrol", "release", "1_2")

    assert ["1_[0-1,3] PENDING JobHeldUser", "1_[2] PENDING Resources"] == squeue(cluster)


def test_array_cancelled_whole_keeps_the_row_of_those_that_waited(cluster: FakeCluster) -> None:
    submit(cluster, "sleep 60", "--array=0-5%2")
    cluster.start_jobs("1")

    call(cluster, "scancel", "1")

    cluster.wait_for_jobs("CANCELLED")
    rows = squeue(cluster, "%i|%T|%N|%r", "--states=all")
    assert [
        "1_0|CANCELLED|fake1|None",
        "1_1|CANCELLED|fake1|None",
        "1_[2-5%2]|CANCELLED||JobArrayTaskLimit",
    ] == rows
    assert ["1_0", "1_1", "1_[2-5%2]"] == [row.split("|")[0] for row in sacct(cluster)]
    assert ["JobId=1", "ArrayJobId=1", "ArrayTaskId=2-5%2"] in shown(cluster, "1")


def test_task_cancelled_before_it_began_is_seen_nowhere_again(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-4")

    call(cluster, "scancel", "1_2", "1_3")

    assert ["1_[0-1,4] PENDING"] == squeue(cluster, "%i %T", "--states=all")
    assert ["1_[0-1,4]|PENDING"] == sacct(cluster)
    assert (0, "", "") == call(cluster, "squeue", "-h", "--jobs=1_3", "--states=all")
    assert (1, "Job 1_3 not found\n", "") == call(cluster, "scontrol", "show", "job", "-o", "1_3")
    assert ["PENDING", "PENDING", "CANCELLED", "CANCELLED", "PENDING"] == [job.state for job in cluster.jobs]


def test_array_of_which_each_task_was_cancelled_is_a_row_without_a_task(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-2")

    call(cluster, "scancel", "1_0", "1_1", "1_2")

    assert ["1 CANCELLED"] == squeue(cluster, "%i %T", "--states=all")
    assert ["1"] == [row.split("|")[0] for row in sacct(cluster)]
    assert [["JobId=1", "ArrayJobId=1", "ArrayTaskId=4294967294"]] == shown(cluster, "1")


def test_task_cancelled_while_it_runs_has_a_row(cluster: FakeCluster) -> None:
    submit(cluster, "sleep 60", "--array=0-2")
    cluster.start_jobs("1_0")

    call(cluster, "scancel", "1_0")

    cluster.wait_for(lambda _: "CANCELLED" == cluster.jobs[0].state)
    assert ["1_0 CANCELLED", "1_[1-2] PENDING"] == squeue(cluster, "%i %T", "--states=all")


# -- dependencies


def test_job_waits_for_several_of_several_kinds(cluster: FakeCluster) -> None:
    for _ in range(3):
        submit(cluster, "true")
    submit(cluster, "true", "--dependency=afterok:1:2,afterany:3,after:3+5")
    assert [
        "afterok:1(unfulfilled),afterok:2(unfulfilled),afterany:3(unfulfilled),after:3+5(unfulfilled)"
    ] == (squeue(cluster, "%E", "--jobs=4"))

    ended(cluster, "1", "2", "4")
    assert ["4 PENDING Dependency"] == squeue(cluster, "%i %T %r", "--jobs=4")

    ended(cluster, "3")
    cluster.wait_for_jobs("COMPLETED")


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("afterany", "COMPLETED"),
        ("afternotok", "COMPLETED"),
        ("afterok", "PENDING"),
        ("aftercorr", "PENDING"),
        ("after", "COMPLETED"),
    ],
)
def test_job_after_an_array_of_which_one_task_failed(cluster: FakeCluster, kind: str, state: str) -> None:
    submit(cluster, BY_NUMBER, "--array=0-1")
    submit(cluster, "true", f"--dependency={kind}:1")

    cluster.start_jobs("1_0", "3")
    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[0].state)
    assert [f"3 PENDING Dependency {kind}:1_*(unfulfilled)"] == squeue(cluster, "%i %T %r %E", "--jobs=3")

    cluster.start_jobs("1_1")
    cluster.wait_for(lambda it: ["FAILED", state] == [job.state for job in it.jobs[1:]])
    if state == "PENDING":
        never = f"3 PENDING DependencyNeverSatisfied {kind}:1_*(failed)"
        assert [never] == squeue(cluster, "%i %T %r %E")


def test_job_after_an_array_that_went_well_is_not_one_after_a_failure(cluster: FakeCluster) -> None:
    submit(cluster, "true", "--array=0-1")
    submit(cluster, "true", "--dependency=afternotok:1")

    ended(cluster, "1", "3")

    assert ["3 PENDING DependencyNeverSatisfied"] == squeue(cluster)


def test_job_after_one_task_looks_at_that_alone(cluster: FakeCluster) -> None:
    submit(cluster, BY_NUMBER, "--array=0-1")
    submit(cluster, "true", "--dependency=afterok:1_0")

    cluster.start_jobs("1_0", "3")

    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[2].state)
    assert "PENDING" == cluster.jobs[1].state


def test_tasks_after_the_tasks_of_their_number(cluster: FakeCluster) -> None:
    submit(cluster, BY_NUMBER, "--array=0-2")
    submit(cluster, "true", "--array=0-2", "--dependency=aftercorr:1")

    ended(cluster, "1_0", "1_1", "4")
    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[3].state)

    assert ["4_1 PENDING DependencyNeverSatisfied", "4_2 PENDING Dependency"] == squeue(cluster)[1:]


def test_one_of_several_is_enough_when_asked_so(cluster: FakeCluster) -> None:
    submit(cluster, "exit 1")
    submit(cluster, "true", "--dependency=afterok:1?afternotok:1")

    ended(cluster, "1", "2")

    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[1].state)


@pytest.mark.parametrize(
    ("option", "state", "row"),
    [
        ("yes", "CANCELLED", "2_[1-3] CANCELLED DependencyNeverSatisfied"),
        ("no", "PENDING", "2_[1-3] PENDING DependencyNeverSatisfied"),
    ],
)
def test_job_that_can_never_start_is_cancelled_only_when_asked(
    cluster: FakeCluster, option: str, state: str, row: str
) -> None:
    submit(cluster, "exit 1")
    submit(cluster, "true", "--array=1-3", "--dependency=afterok:1", f"--kill-on-invalid-dep={option}")

    ended(cluster, "1")
    cluster.wait_for(lambda _: "FAILED" == cluster.jobs[0].state)

    assert [row] == squeue(cluster, "%i %T %r", "--states=all", "--jobs=2")
    assert [f"2_[1-3]|{state}"] == sacct(cluster, "--jobs=2")


@pytest.mark.parametrize("dependency", ["afterok:99", "afterany:99:98,afternotok:97", "afterok:1_7"])
def test_unknown_job_is_waited_for_by_nobody(cluster: FakeCluster, dependency: str) -> None:
    submit(cluster, "true", "--array=0-1")
    submit(cluster, "true", f"--dependency={dependency}")
    assert ["(null)"] == squeue(cluster, "%E", "--jobs=3")

    ended(cluster, "3")

    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[2].state)


def test_failure_that_the_queue_forgot_lets_the_next_job_go(cluster: FakeCluster) -> None:
    submit(cluster, "exit 1")
    ended(cluster, "1")
    cluster.forget("1")

    submit(cluster, "true", "--dependency=afterok:1")
    cluster.start_jobs()

    cluster.wait_for(lambda _: "COMPLETED" == cluster.jobs[1].state)


def test_dependency_means_the_job_that_had_the_id(cluster: FakeCluster) -> None:
    submit(cluster, "true")
    submit(cluster, "true", "--dependency=afterok:1")
    cluster.reuse_id("1")
    submit(cluster, "true", "--hold")

    cluster.start_jobs()

    cluster.wait_for(lambda _: ["COMPLETED", "COMPLETED", "PENDING"] == [job.state for job in cluster.jobs])


@pytest.mark.parametrize("dependency", ["afterwards:1", "afterok", "afterok:", "afterok:one"])
def test_dependency_that_cannot_be_read_is_refused(cluster: FakeCluster, dependency: str) -> None:
    write_script(cluster, "true")

    assert (1, "", "sbatch: error: Batch job submission failed: Job dependency problem\n") == call(
        cluster, "sbatch", f"--dependency={dependency}", "job.sh"
    )
