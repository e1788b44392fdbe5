"""Limits of the batch system and of the machine: arrays go in parts, and what finds no room waits here."""

from __future__ import annotations

import pytest

from jobferry.errors import SpecError, SubmitRefused
from jobferry.model.status import Failure, JobState
from jobferry.testing import Fault
from tests.fake.conftest import Site, Sites

AN_INTERVAL = 31.0
A_WHILE = 11 * 60.0


def indices(site: Site) -> list[str]:
    """What each run of a task wrote down of itself."""
    return sorted(site.counter.read_text().split(), key=int)


def submit_array(site: Site, array: str) -> None:
    site.machine.submit(f"echo $JOBFERRY_ARRAY_INDEX $SLURM_ARRAY_TASK_ID >>'{site.counter}'", array=array)


# -- arrays in parts


def test_array_larger_than_the_limit_goes_in_parts(make_site: Sites) -> None:
    site = make_site(max_array_size=11)

    submit_array(site, "0-24")

    assert 3 == len(site.cluster.called("sbatch"))
    assert ["1_0", "12_0", "23_0"] == [j.native_id for j in site.cluster.jobs if j.native_id.endswith("_0")]
    assert site.wait().state is JobState.COMPLETED
    # a task sees its own number under both names, whatever part it came in
    assert sorted([str(n) for n in range(25)] * 2, key=int) == indices(site)


def test_each_task_of_a_part_has_its_own_verdict_and_log(make_site: Sites) -> None:
    site = make_site(max_array_size=3)
    job = site.machine.submit("echo of $JOBFERRY_ARRAY_INDEX; exit $JOBFERRY_ARRAY_INDEX", array="0,5,9-11")

    job.wait()

    assert {0: 0, 5: 5, 9: 9, 10: 10, 11: 11} == {task: s.exit_code for task, s in job.tasks.items()}
    assert "of 10\n" == job.stdout(task=10)
    assert job.record.state is JobState.FAILED


def test_limit_at_a_time_holds_over_all_parts(make_site: Sites) -> None:
    site = make_site(max_array_size=3, autostart=False)

    submit_array(site, "0-5%1")

    first, second = site.cluster.called("sbatch")
    assert not any("--dependency" in word for word in first)
    assert "--dependency=afterany:1" in second


def test_array_in_parts_is_cancelled_whole(make_site: Sites) -> None:
    site = make_site(max_array_size=3, autostart=False)
    submit_array(site, "0-5")

    site.client.cancel([site.only_job])

    assert site.look(after=AN_INTERVAL).state is JobState.CANCELLED
    assert {"CANCELLED"} == {job.state for job in site.cluster.jobs}


def test_machine_without_arrays_says_so(make_site: Sites) -> None:
    site = make_site(max_array_size=0)

    with pytest.raises(SpecError, match="takes no arrays"):
        submit_array(site, "0-5")

    assert [] == site.client.store.find()


# -- the backlog


def test_jobs_above_the_limit_wait_here_and_are_sent_as_places_come_free(make_site: Sites) -> None:
    site = make_site(max_submit=3, autostart=False)
    jobs = site.machine.submit_all([site.counted()] * 8)

    assert 3 == len(site.cluster.jobs)
    waiting = [job for job in site.client.store.find() if job.state is JobState.CREATED]
    assert 5 == len(waiting)
    assert "until the machine takes more" in (waiting[0].status.reason or "")
    assert "QOSMaxSubmitJobPerUserLimit" in (waiting[0].status.reason or "")

    site.cluster.start_jobs()
    site.cluster.wait_for_jobs("COMPLETED")
    site.clock.advance(AN_INTERVAL)
    # another process comes by and looks at something else of that machine
    site.other_client().refresh([jobs[0].record, jobs[7].record])

    assert 6 == len(site.cluster.jobs)
    drain(site)
    assert {JobState.COMPLETED} == {record.state for record in site.client.store.find()}
    assert 8 == site.runs


def drain(site: Site) -> None:
    """Let all jobs run, and all that waits be sent, however long it takes."""
    for _ in range(30):
        site.cluster.start_jobs()
        site.cluster.wait_for(
            lambda cluster: not {"PENDING", "RUNNING", "COMPLETING"} & {job.state for job in cluster.jobs}
        )
        site.clock.advance(AN_INTERVAL)
        records = site.client.refresh(site.client.store.find(unfinished=True))
        if all(record.state.final for record in records):
            return
    raise AssertionError(f"still unfinished: {records}")


def test_array_larger_than_what_may_be_queued_goes_as_places_come_free(make_site: Sites) -> None:
    site = make_site(max_submit=6, autostart=False)
    submit_array(site, "0-19")

    assert 6 == len(site.cluster.jobs)
    drain(site)

    assert site.only_job.state is JobState.COMPLETED
    assert sorted([str(n) for n in range(20)] * 2, key=int) == indices(site)


def test_wait_sends_what_waits(make_site: Sites) -> None:
    site = make_site(max_submit=2)
    site.machine.submit_all([site.counted()] * 5)

    ended = site.client.wait(site.client.store.find())

    assert [JobState.COMPLETED] * 5 == [record.state for record in ended]
    assert 5 == site.runs


def test_own_limit_of_a_machine_is_kept_without_a_refusal(make_site: Sites) -> None:
    site = make_site(max_jobs=2, autostart=False)
    site.machine.submit_all([site.counted()] * 3)
    submit_array(site, "0-3")

    assert 2 == len(site.cluster.called("sbatch"))
    drain(site)
    assert {JobState.COMPLETED} == {record.state for record in site.client.store.find()}


def test_waiting_job_that_is_cancelled_is_never_sent(make_site: Sites) -> None:
    site = make_site(max_jobs=1, autostart=False)
    _, second = site.machine.submit_all([site.counted()] * 2)

    second.cancel()
    drain(site)

    assert second.record.state is JobState.CANCELLED
    assert 1 == site.runs


def test_full_machine_is_not_asked_again_and_again(make_site: Sites) -> None:
    site = make_site(max_submit=2, autostart=False)
    site.machine.submit_all([site.counted()] * 4)
    before = len(site.cluster.called("sbatch"))

    for _ in range(10):
        site.look_at_all(after=AN_INTERVAL)
    assert before == len(site.cluster.called("sbatch"))

    # what was learnt is doubted after a while: the limit may have been raised
    site.cluster.set_max_submit(None)
    site.look_at_all(after=A_WHILE)
    assert 4 == len(site.cluster.jobs)


def test_refusal_that_may_be_for_any_reason_is_final_while_nothing_of_ours_is_there(site: Site) -> None:
    words = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
    site.cluster.inject(Fault.REFUSED, words=words, times=1)

    with pytest.raises(SubmitRefused, match="violates") as caught:
        site.submit()

    assert "a limit of your account or QOS is reached; try again later" == caught.value.hint

    assert Failure.REJECTED is site.only_job.status.failure


def test_job_that_follows_a_waiting_one_is_sent_after_it(make_site: Sites) -> None:
    site = make_site(max_jobs=1, autostart=False)
    site.submit()
    second = site.submit()
    third = site.submit(after=second)

    assert "until" in (third.record.unsent[0].waits or "")
    drain(site)

    assert {JobState.COMPLETED} == {record.state for record in site.client.store.find()}
    assert 3 == site.runs
