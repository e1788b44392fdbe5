"""Trying again on a real Slurm: with more memory, away from a node that failed, and after a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobferry.model.status import Failure, JobState
from tests.live.states import EATS_MEMORY, FOREVER, SETTLED, Site
from tests.rigs.daemons import wait_until

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


def until_run(site: Site, job_id: str, number: int) -> None:
    """Look until the attempt of that number is in the queue."""

    def is_there() -> bool:
        site.clock.advance(SETTLED)
        (record,) = site.client.refresh([site.client.store.get(job_id)], force=True)
        return record.submissions[-1].number == number and record.submissions[-1].native_id is not None

    wait_until(is_there, limit=60, what=f"attempt {number}")


def test_job_that_ran_out_of_memory_succeeds_with_more(site_on_slurm: Site) -> None:
    if not site_on_slurm.rig.real_out_of_memory:
        pytest.skip("real OUT_OF_MEMORY needs root and version 1 cgroups")
    job = site_on_slurm.submit(EATS_MEMORY, mem="60M", retry="OUT_OF_MEMORY:4:mem*8<=1G")

    until_run(site_on_slurm, job.id, 2)
    until_over(site_on_slurm, job.id)

    record = site_on_slurm.client.store.get(job.id)
    assert JobState.COMPLETED is record.state
    assert {Failure.OUT_OF_MEMORY} == {attempt.status.failure for attempt in record.attempts}


def until_over(site: Site, job_id: str) -> None:
    def is_over() -> bool:
        site.clock.advance(SETTLED)
        return site.client.refresh([site.client.store.get(job_id)], force=True)[0].state.final

    wait_until(is_over, limit=90, what="the end")


def test_node_that_failed_is_stayed_away_from(site_on_slurm: Site) -> None:
    first, second, *_ = site_on_slurm.rig.nodes
    job = site_on_slurm.start(FOREVER, retry="NODE_FAIL", native=["--no-requeue"])
    node = site_on_slurm.client.store.get(job.id).status.nodes[0]

    site_on_slurm.rig.set_node(node, "down")
    until_run(site_on_slurm, job.id, 2)
    native_id = site_on_slurm.client.store.get(job.id).native_id or ""
    site_on_slurm.rig.wait_for_state(native_id, "RUNNING")

    shown = site_on_slurm.rig.job(native_id)
    assert node == shown["ExcNodeList"]
    assert shown["NodeList"] in {first, second} - {node}
    site_on_slurm.client.cancel([site_on_slurm.client.store.get(job.id)])


def test_job_that_is_warned_saves_its_work_and_is_started_again(site_on_slurm: Site) -> None:
    script = (
        "trap 'echo saved >checkpoint; exit 75' USR2; echo start $JOBFERRY_RESTARTS; "
        "[ ! -f checkpoint ] || exit 0; while :; do sleep 0.1; done"
    )
    # Slurm may send it up to a minute early: at a limit of one minute that is soon
    job = site_on_slurm.submit(script, time="1m", signal="USR2@55", retry="TIMEOUT:3:same")
    checkpoint = site_on_slurm.folder_of(job) / "work" / "checkpoint"
    wait_until(checkpoint.exists, limit=90, what="the warning")
    site_on_slurm.rig.wait_for_state(str(job.native_id), "PENDING", "RUNNING", "COMPLETED")
    begin_at_once(site_on_slurm, str(job.native_id))

    until_over(site_on_slurm, job.id)

    record = site_on_slurm.client.store.get(job.id)
    assert (JobState.COMPLETED, 1, 1) == (record.state, record.status.restarts, len(record.submissions))
    assert "start 0\nstart 1\n" == job.stdout()


def begin_at_once(site: Site, native_id: str) -> None:
    """Spare the two minutes that Slurm lets pass before a job that was put back starts again."""
    wait_until(
        lambda: site.rig.job(native_id).get("JobState") in ("PENDING", "COMPLETED"), limit=60, what="put back"
    )
    site.rig.start_again(native_id)


def test_lost_store_is_made_anew_from_the_command_line(site_on_slurm: Site, tmp_path: Path) -> None:
    done, failed = site_on_slurm.submit("true"), site_on_slurm.submit("exit 3")
    for job in (done, failed):
        site_on_slurm.end(job)
    config = tmp_path / "config.toml"
    root = site_on_slurm.folder / "root"
    config.write_text(f'[machines.rig]\nscheduler = "slurm"\nroot = "{root}"\n')

    def jobferry(*words: str) -> str:
        command = [sys.executable, "-m", "jobferry", *words]
        environment = {
            **site_on_slurm.rig.environment,
            "JOBFERRY_CONFIG": str(config),
            "JOBFERRY_STORE": str(tmp_path / "new.db"),
            "HOME": str(tmp_path),
        }
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    told = jobferry("doctor", "--rebuild", "rig")

    assert done.id in told
    assert failed.id in told
    listed = jobferry("list", "--all", "--format", "json")
    assert '"state": "COMPLETED"' in listed
    assert '"exit_code": 3' in listed
