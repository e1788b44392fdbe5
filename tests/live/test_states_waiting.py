"""Jobs that wait, are held, suspended or started again on a real Slurm, and are unfinished throughout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.errors import SchedulerError
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.status import Failure, JobState, JobStatus
from tests.live.states import RUNS_TWICE, Site
from tests.rigs.daemons import wait_until
from tests.rigs.slurm import SlurmRig
from tests.rigs.sshd import SshdRig, is_root
from tests.rigs.sshd import missing as sshd_missing

pytestmark = pytest.mark.live


# -- held


@pytest.fixture
def alice(
    accounting: str, request: pytest.FixtureRequest, client: Client
) -> Iterator[tuple[SlurmRig, Machine]]:
    """An ordinary user's way to a rig: root's own jobs are held by an administrator whatever root does."""
    if reason := sshd_missing():
        pytest.skip(reason)
    if not is_root():
        pytest.skip("needs two people: an administrator and a user")
    rig: SlurmRig = request.getfixturevalue("slurm" if accounting == "off" else "slurm_dbd")
    with SshdRig(setenv=rig.environment) as sshd, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(sshd.runtime))
        host = sshd.host("plain", "jf-alice")
        root = f"jobs/states-{client.store.path.parent.parent.name}"
        yield rig, Machine(name="rig", host=host, ssh=sshd.ssh, scheduler="slurm", root=root, client=client)
        client.close()


def look(client: Client, job: Job) -> Job:
    return Job(client.refresh([job.record], force=True)[0], client)


def test_job_held_by_us_is_held_until_we_release_it(alice: tuple[SlurmRig, Machine], client: Client) -> None:
    rig, machine = alice
    job = machine.submit("true", partition="down", time="10m")

    job.hold()

    status = look(client, job).record.status
    assert (JobState.HELD, "JobHeldUser") == (status.state, status.reason)
    job.release()
    assert JobState.QUEUED is look(client, job).record.state
    rig.run("scancel", str(job.native_id))


def test_job_held_by_an_administrator_is_not_ours_to_release(
    alice: tuple[SlurmRig, Machine], client: Client
) -> None:
    rig, machine = alice
    job = machine.submit("true", partition="down", time="10m")

    rig.run("scontrol", "hold", str(job.native_id))

    status = look(client, job).record.status
    assert (JobState.HELD, "JobHeldAdmin") == (status.state, status.reason)
    with pytest.raises(SchedulerError, match="denied"):
        job.release()
    rig.run("scancel", str(job.native_id))


def test_held_job_says_who_holds_it_and_ends_when_it_is_let_go(site_on_slurm: Site) -> None:
    job = site_on_slurm.submit("true", native=["--hold"])

    status = site_on_slurm.stays_unfinished(job)

    assert JobState.HELD is status.state
    told = site_on_slurm.why(job)
    assert "it is held" in told.words[0]
    assert "JobHeld" in dict(told.evidence)["queue"]
    job.release()
    assert JobState.COMPLETED is site_on_slurm.end(job).state


# -- what never starts, and what stands still


def test_dependency_that_cannot_be_met_leaves_the_job_waiting_with_the_reason(site_on_slurm: Site) -> None:
    failed = site_on_slurm.submit("exit 1")
    site_on_slurm.end(failed)
    waits = ["--dependency", f"afterok:{failed.native_id}"]
    job = site_on_slurm.submit("true", native=["=".join(waits), "--kill-on-invalid-dep=no"])
    wait_until(
        lambda: site_on_slurm.look(job).reason == "DependencyNeverSatisfied", limit=15, what="the reason"
    )

    status = site_on_slurm.stays_unfinished(job)

    assert JobState.QUEUED is status.state
    assert "it can never start" in site_on_slurm.why(job).words[1]
    site_on_slurm.rig.run("scancel", str(job.native_id))
    assert Failure.DEPENDENCY is site_on_slurm.end(job).failure


def test_suspended_job_is_suspended_and_goes_on(site_on_slurm: Site) -> None:
    job = site_on_slurm.start("sleep 1")
    site_on_slurm.scontrol("suspend", str(job.native_id))

    status = site_on_slurm.stays_unfinished(job)

    assert JobState.SUSPENDED is status.state
    assert "suspended" in site_on_slurm.why(job).words[0]
    site_on_slurm.scontrol("resume", str(job.native_id))
    assert JobState.COMPLETED is site_on_slurm.end(job).state


def test_stopped_job_counts_as_suspended(site_on_slurm: Site) -> None:
    job = site_on_slurm.start("sleep 600")
    site_on_slurm.rig.run("scancel", "--signal=STOP", str(job.native_id))
    site_on_slurm.rig.wait_for_state(str(job.native_id), "STOPPED")

    status = site_on_slurm.stays_unfinished(job)

    assert (JobState.SUSPENDED, "STOPPED") == (status.state, status.native_state)
    site_on_slurm.rig.run("scancel", "--signal=CONT", str(job.native_id))


def test_deadline_that_passes_while_the_job_waits_is_a_time_limit(site_on_slurm: Site) -> None:
    node = site_on_slurm.rig.nodes[0]
    site_on_slurm.start(exclusive=True, native=[f"--nodelist={node}"])
    job = site_on_slurm.submit("true", time="1m", native=[f"--nodelist={node}"])
    # it cannot end before then, so it ends at once
    site_on_slurm.scontrol("update", f"JobId={job.native_id}", "Deadline=now+2")

    status = site_on_slurm.end(job)

    assert (JobState.FAILED, Failure.TIMEOUT) == (status.state, status.failure)
    assert "DEADLINE" in dict(site_on_slurm.why(job).evidence)["queue"]


# -- started again


def requeue(site: Site) -> Job:
    job = site.start(RUNS_TWICE)
    site.scontrol("requeue", str(job.native_id))
    return job


def preempt(site: Site) -> Job:
    job = site.start(RUNS_TWICE, partition="lowrq", exclusive=True)
    site.rig.submit("--partition=high", "--exclusive", "--wrap", "true")
    return job


def lose_node(site: Site) -> Job:
    node = site.rig.nodes[0]
    job = site.start(RUNS_TWICE, native=[f"--nodelist={node}"])
    site.rig.set_node(node, "down")
    return job


AGAIN = {"by hand": requeue, "preempted": preempt, "node down": lose_node}


def put_back(site: Site, how: str) -> Job:
    job = AGAIN[how](site)
    site.rig.wait_for_state(str(job.native_id), "PENDING")
    # the first run is over when its record is there, or when nothing of it runs
    wait_until(site.rig.idle, limit=30, what="idle nodes")
    return job


@pytest.mark.parametrize("how", AGAIN)
def test_job_started_again_waits_and_then_runs_to_its_own_end(site_on_slurm: Site, how: str) -> None:
    job = put_back(site_on_slurm, how)

    status = site_on_slurm.stays_unfinished(job)

    assert JobState.QUEUED is status.state
    site_on_slurm.start_now(job)
    status = site_on_slurm.end(job)
    assert (JobState.COMPLETED, 0, 1) == (status.state, status.exit_code, status.restarts)
    assert "0\n1\n" == job.stdout()
    assert "it was started again 1 time" in site_on_slurm.why(job).words


@pytest.mark.parametrize("how", ["by hand", "preempted"])
def test_restart_is_counted_while_the_job_waits_for_it(site_on_slurm: Site, how: str) -> None:
    job = put_back(site_on_slurm, how)

    assert 1 == site_on_slurm.look(job).restarts


def test_job_that_waits_to_run_again_does_not_look_like_running_between_two_polls(
    site_on_slurm: Site,
) -> None:
    job = put_back(site_on_slurm, "by hand")
    polled = site_on_slurm.look(job)

    between = site_on_slurm.client.refresh([site_on_slurm.client.store.resolve(job.id)])[0].status

    assert (JobState.QUEUED, JobState.QUEUED) == (polled.state, between.state)


ENDS_TWICE = "echo $JOBFERRY_RESTARTS; [ $JOBFERRY_RESTARTS != 0 ] || exit {}"


def ended(site: Site, job: Job) -> JobStatus:
    """Wait until the record of the job's first end is there, and look at the records alone."""
    wait_until((site.folder_of(job) / "state" / "job.finished").exists, limit=30, what="the first end")
    site.client.refresh([site.client.store.resolve(job.id)])
    site.clock.advance(1)
    return site.client.refresh([site.client.store.resolve(job.id)])[0].status


@pytest.mark.parametrize(("code", "state"), [(87, JobState.QUEUED), (90, JobState.HELD)])
def test_job_that_the_site_starts_again_for_its_exit_code_has_not_ended(
    site_on_slurm: Site, code: int, state: JobState
) -> None:
    job = site_on_slurm.submit(ENDS_TWICE.format(code))
    first = ended(site_on_slurm, job)
    site_on_slurm.rig.wait_for_state(str(job.native_id), "PENDING", "SPECIAL_EXIT")
    put_back = site_on_slurm.stays_unfinished(job)

    site_on_slurm.start_now(job)
    if state is JobState.HELD:
        site_on_slurm.scontrol("release", str(job.native_id))
    status = site_on_slurm.end(job)

    assert (JobState.RUNNING, state) == (first.state, put_back.state)
    assert (JobState.COMPLETED, 0, 1) == (status.state, status.exit_code, status.restarts)
    assert "0\n1\n" == job.stdout()


@pytest.mark.parametrize(
    ("words", "native_state"),
    [
        pytest.param(["requeuehold"], "PENDING", id="requeuehold"),
        pytest.param(["requeuehold", "State=SpecialExit"], "SPECIAL_EXIT", id="special exit"),
    ],
)
def test_job_put_back_and_held_is_held(site_on_slurm: Site, words: list[str], native_state: str) -> None:
    job = site_on_slurm.start(RUNS_TWICE)
    site_on_slurm.scontrol(*words, str(job.native_id))
    site_on_slurm.rig.wait_for_state(str(job.native_id), native_state)
    wait_until(site_on_slurm.rig.idle, limit=30, what="idle nodes")

    status = site_on_slurm.stays_unfinished(job)

    assert JobState.HELD is status.state


@pytest.mark.parametrize("state", [[], ["State=SpecialExit"]], ids=["requeuehold", "special exit"])
def test_job_put_back_and_held_runs_to_its_end_when_it_is_let_go(
    site_on_slurm: Site, state: list[str]
) -> None:
    job = site_on_slurm.start(RUNS_TWICE)
    site_on_slurm.scontrol("requeuehold", *state, str(job.native_id))
    site_on_slurm.rig.wait_for_state(str(job.native_id), "PENDING", "SPECIAL_EXIT")
    site_on_slurm.stays_unfinished(job)

    site_on_slurm.start_now(job)
    site_on_slurm.scontrol("release", str(job.native_id))

    status = site_on_slurm.end(job)
    assert (JobState.COMPLETED, 1) == (status.state, status.restarts)
    assert "0\n1\n" == job.stdout()


def test_folder_of_a_job_that_ran_twice_keeps_both_ends(site_on_slurm: Site) -> None:
    job = put_back(site_on_slurm, "by hand")
    state: Path = site_on_slurm.folder_of(job) / "state"
    first = (state / "job.finished").read_text()

    site_on_slurm.start_now(job)
    site_on_slurm.end(job)

    assert first == (state / "job.finished.0").read_text()
    assert "stopped=TERM" in first


SAVES_AND_STOPS = "trap 'exit 0' TERM; sleep 600 & wait"


def test_job_that_saved_its_work_to_run_again_is_not_done_when_that_run_is_cancelled(
    site_on_slurm: Site,
) -> None:
    job = site_on_slurm.start(SAVES_AND_STOPS)
    site_on_slurm.scontrol("requeue", str(job.native_id))
    wait_until((site_on_slurm.folder_of(job) / "state" / "job.finished").exists, limit=15, what="first end")
    site_on_slurm.rig.wait_for_state(str(job.native_id), "PENDING")
    assert not site_on_slurm.look(job).state.final

    site_on_slurm.rig.run("scancel", str(job.native_id))

    assert JobState.CANCELLED is site_on_slurm.end(job).state
