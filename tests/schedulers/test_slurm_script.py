"""Directives of users' own scripts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from jobferry.errors import SpecError
from jobferry.model.spec import JobSpec, Resources, parse_array
from jobferry.schedulers.slurm import Slurm
from jobferry.schedulers.slurm_script import honour_directives


def honoured(*lines: str, resources: Resources | None = None, named: bool = False) -> JobSpec:
    script = "\n".join(["#!/bin/bash", *lines, "", "true", ""])
    spec = JobSpec(script=script, resources=resources or Resources(), native=("--given",))
    return honour_directives(spec, named=named)[0]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("#SBATCH --nodes=2", Resources(nodes=2)),
        ("#SBATCH -N 2", Resources(nodes=2)),
        ("#SBATCH -N2", Resources(nodes=2)),
        ("#SBATCH --nodes 2", Resources(nodes=2)),
        ("#SBATCH\t-n 4 -c2 -t 1:30:00", Resources(ntasks=4, cpus_per_task=2, time=timedelta(minutes=90))),
        ("#SBATCH --mem=4G", Resources(mem=4 * 1024**3)),
        ("#SBATCH --mem-per-cpu=500", Resources(mem_per_cpu=500 * 1024**2)),
        ("#SBATCH -p gpu -A lab -q long", Resources(partition="gpu", account="lab", qos="long")),
        ("#SBATCH --constraint='[f1&f2]'", Resources(constraint="[f1&f2]")),
        ('#SBATCH --constraint="f1 # f2"', Resources(constraint="f1 # f2")),
        ("#SBATCH --partition=gpu # the fast one", Resources(partition="gpu")),
        ("#SBATCH --gpus-per-node=a100:2", Resources(gpus_per_node=2, gpu_type="a100")),
        ("#SBATCH --gpus-per-node=2", Resources(gpus_per_node=2)),
        ("#SBATCH --exclusive --nodes=1", Resources(exclusive=True, nodes=1)),
        ("#SBATCH --reservation=course", Resources(reservation="course")),
        ("#SBATCH --ntasks-per-node=8\r", Resources(ntasks_per_node=8)),
    ],
)
def test_options_that_are_read(line: str, asked: Resources) -> None:
    spec = honoured(line)

    assert asked == spec.resources
    assert spec.native == ("--given",)


@pytest.mark.parametrize(
    "text",
    [
        "--gres=gpu:1",
        "--mail-type=END --mail-user=me@example.org",
        "--mail-type END",
        "--mem=0",
        "--time=UNLIMITED",
        "--nodes=2-4",
        "--exclusive=user",
        "--signal=B:USR1@60",
        "--comment='it is # mine'",
        "-x n7",
        "-H",
    ],
)
def test_options_that_are_not_ours_are_kept_as_they_are(text: str) -> None:
    spec = honoured(f"#SBATCH {text}")

    assert Resources() == spec.resources
    assert (text, "--given") == spec.native


def test_line_with_both_is_taken_apart() -> None:
    spec = honoured("#SBATCH --job-name=mine --mail-type END --array=0-3 --comment='a b' -N 2 --gres=gpu:1")

    assert ("mine", parse_array("0-3"), Resources(nodes=2)) == (spec.name, spec.array, spec.resources)
    assert spec.native == ('--mail-type END "--comment=a b" --gres=gpu:1', "--given")
    assert Slurm().directives(spec, "mine-0123456789ab")


def test_what_is_given_beside_the_script_goes_first() -> None:
    spec = honoured(
        "#SBATCH -p slow -t 10 --mem=1G", resources=Resources(partition="fast", mem_per_cpu=2**30)
    )

    assert Resources(partition="fast", mem_per_cpu=2**30, time=timedelta(minutes=10)) == spec.resources


def test_later_line_goes_before_an_earlier_one() -> None:
    assert Resources(nodes=3) == honoured("#SBATCH -N 1", "#SBATCH --nodes=3").resources


def test_name_of_the_script_is_taken_unless_one_is_given() -> None:
    assert honoured("#SBATCH -J 'my job'").name == "my job"
    assert honoured("#SBATCH -J mine", named=True).name == "job"


def test_array_of_the_script_is_taken_unless_one_is_given() -> None:
    spec = JobSpec(script="#!/bin/sh\n#SBATCH -a 0-9%2\ntrue\n")

    assert parse_array("0-9%2") == honour_directives(spec, named=False)[0].array


def test_folder_of_the_script_is_where_it_runs() -> None:
    assert PurePosixPath("/scratch/me") == honoured("#SBATCH -D /scratch/me").directory
    assert PurePosixPath("/scratch/me") == honoured("#SBATCH --chdir=/scratch/me").directory


@pytest.mark.parametrize("text", ["--output=x.%j", "-o x", "--error x", "--open-mode=append", "--wait", "-Q"])
def test_what_has_no_effect_is_said(text: str) -> None:
    spec, ignored = honour_directives(JobSpec(script=f"#!/bin/sh\n#SBATCH {text} -N 1\ntrue"), named=False)

    assert (Resources(nodes=1), ()) == (spec.resources, spec.native)
    assert len(ignored) == 1


def test_directives_after_the_first_command_are_not_read() -> None:
    spec = honoured("# a comment", "", "#SBATCH -N 1", "module load x", "#SBATCH -N 9 --mem=0")

    assert Resources(nodes=1) == spec.resources
    assert spec.native == ("--given",)


def test_line_that_only_looks_like_a_directive_is_not_one() -> None:
    assert Resources() == honoured("##SBATCH -N 1", " #SBATCH -N 2", "# SBATCH -N 3").resources


def test_other_parts_of_a_heterogeneous_job_are_left_alone() -> None:
    spec = honoured("#SBATCH -N 1", "#SBATCH hetjob", "#SBATCH -N 7 -p gpu")

    assert Resources(nodes=1) == spec.resources
    assert spec.native == ("hetjob", "-N 7 -p gpu", "--given")


@pytest.mark.parametrize("line", ["#SBATCH --comment='open", "#SBATCH --array=a-b"])
def test_directive_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(SpecError):
        honoured(line)
