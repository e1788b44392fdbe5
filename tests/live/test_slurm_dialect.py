"""What the dialect writes, as a real Slurm takes it."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest

from jobferry.conformance.schedulers import HOSTILE
from jobferry.data import read
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.spec import JobSpec, Resources
from jobferry.schedulers.slurm import Slurm
from tests.rigs.slurm import SlurmRig

pytestmark = pytest.mark.live

SLURM = Slurm()
FACTS = MachineFacts(scheduler="slurm")
JOB = "0123456789ab"


def ask(rig: SlurmRig, command: Command, *variables: str) -> CommandResult:
    """Run a command of the dialect with the functions it may call."""
    script = read("remote.sh") + read("slurm.sh") + '"$@"'
    own = [f"{name}={value}" for name, value in command.environment.items()]
    said: subprocess.CompletedProcess[str] = rig.run(
        "env", *variables, *own, "sh", "-c", script, "sh", *command.argv
    )
    return CommandResult(exit_code=said.returncode, stdout=said.stdout.encode(), stderr=said.stderr.encode())


def submit(rig: SlurmRig, spec: JobSpec, native_name: str, *variables: str) -> str:
    lines = "".join(f"#SBATCH {line}\n" for line in SLURM.directives(spec, native_name))
    (rig.work / "launch.slurm").write_text(f"#!/bin/sh\n{lines}\ntrue\n", "utf-8")
    return SLURM.parse_submit(ask(rig, SLURM.submit_command("launch.slurm", JOB, {}), *variables))


def test_job_of_any_name_is_found_by_it(slurm: SlurmRig) -> None:
    for number, name in enumerate(HOSTILE):
        native_name = f"{name}-{JOB}{number}"

        native_id = submit(slurm, JobSpec(command=("true",), native=("--hold",)), native_name)

        found = SLURM.parse_find(ask(slurm, SLURM.find_command([native_name], FACTS)), [native_name])
        slurm.run("scancel", native_id)
        assert found == {native_name: native_id}, name


def test_variables_of_a_login_do_not_stand_above_what_was_asked_for(slurm: SlurmRig) -> None:
    asked = Resources(time=timedelta(minutes=7), partition="debug", mem_per_cpu=64 * 1024**2)
    spec = JobSpec(command=("true",), resources=asked, native=("--hold",))
    theirs = (
        "SBATCH_JOB_NAME=bad",
        "SBATCH_PARTITION=short",
        "SBATCH_TIMELIMIT=1",
        "SBATCH_MEM_PER_NODE=999",
    )

    native_id = submit(slurm, spec, f"mine-{JOB}", *theirs, "SBATCH_WAIT=1", "SBATCH_ARRAY_INX=0-3")

    job = slurm.job(native_id)
    slurm.run("scancel", native_id)
    assert (f"mine-{JOB}", "debug", "00:07:00") == (job["JobName"], job["Partition"], job["TimeLimit"])
    assert job["MinMemoryCPU"] == "64M"
    assert "ArrayJobId" not in job


def test_variables_of_a_login_count_for_what_was_not_asked_for(slurm: SlurmRig) -> None:
    spec = JobSpec(command=("true",), native=("--hold",))

    native_id = submit(slurm, spec, f"mine-{JOB}", "SBATCH_PARTITION=short", "SBATCH_TIMELIMIT=1")

    job = slurm.job(native_id)
    slurm.run("scancel", native_id)
    assert ("short", "00:01:00") == (job["Partition"], job["TimeLimit"])


def test_many_jobs_are_asked_for_at_once_without_accounting(slurm: SlurmRig) -> None:
    ids = [slurm.submit("--wrap", f"exit {code}") for code in range(10)]
    for native_id in ids:
        slurm.wait_for_state(native_id, "COMPLETED", "FAILED")

    seen = SLURM.parse_history(ask(slurm, SLURM.history_command(ids, FACTS)), ids)

    assert list(range(10)) == [seen[native_id][None].exit_code for native_id in ids]
