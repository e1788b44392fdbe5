"""A fake controller that answers only so many calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobferry.testing import FakeCluster, Fault
from tests.unit.fake_programs import call, write_script

LIMITED = "Slurm temporarily unable to accept job, sleeping and retrying\n"


def test_calls_above_the_burst_are_refused_and_do_nothing(tmp_path: Path) -> None:
    with FakeCluster(tmp_path, rate=(3, 0), autostart=False) as cluster:
        write_script(cluster, "true")

        said = [call(cluster, "sbatch", "--parsable", "job.sh") for _ in range(4)]

        assert [(0, f"{number}\n", "") for number in (1, 2, 3)] == said[:3]
        assert (1, "", f"sbatch: error: Batch job submission failed: {LIMITED}") == said[3]
        assert 3 == len(cluster.jobs)
        assert 1 == cluster.refused


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("squeue",), f"slurm_load_jobs error: {LIMITED}"),
        (("scontrol", "show", "config"), f"slurm_load_jobs error: {LIMITED}"),
        (("scancel", "1"), f"scancel: error: {LIMITED}"),
    ],
)
def test_every_call_of_the_controller_needs_a_token(
    tmp_path: Path, argv: tuple[str, ...], words: str
) -> None:
    with FakeCluster(tmp_path, rate=(1, 0)) as cluster:
        assert 0 == call(cluster, "squeue")[0]

        assert (1, "", words) == call(cluster, *argv)
        assert 0 == call(cluster, "sacct")[0]
        assert 0 == call(cluster, "sbatch", "--version")[0]


def test_granted_calls_are_answered(tmp_path: Path) -> None:
    with FakeCluster(tmp_path, rate=(0, 0)) as cluster:
        assert 1 == call(cluster, "squeue")[0]

        cluster.grant(2)

        assert [0, 0, 1] == [call(cluster, "squeue")[0] for _ in range(3)]


def test_time_brings_new_calls_but_no_more_than_the_burst(tmp_path: Path) -> None:
    with FakeCluster(tmp_path, rate=(1, 6e6)) as cluster:
        assert [0] * 5 == [call(cluster, "squeue")[0] for _ in range(5)]

    with FakeCluster(tmp_path, rate=(2, 0.001)) as cluster:
        assert [0, 0, 1] == [call(cluster, "squeue")[0] for _ in range(3)]


def test_only_a_limited_cluster_can_grant_calls(tmp_path: Path) -> None:
    with FakeCluster(tmp_path) as cluster, pytest.raises(ValueError, match="rate"):
        cluster.grant(1)


def test_limit_of_calls_goes_before_other_faults(tmp_path: Path) -> None:
    with FakeCluster(tmp_path, rate=(0, 0)) as cluster:
        cluster.inject(Fault.GARBAGE, "squeue", times=1)
        assert (1, "", f"slurm_load_jobs error: {LIMITED}") == call(cluster, "squeue")

        cluster.grant(1)
        assert "<html>" in call(cluster, "squeue")[1]
