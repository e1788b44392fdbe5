"""What the model test has found, each as small as it gets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from jobferry.errors import JobferryError, SchedulerBusy
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState
from jobferry.testing import FakeClock, Fault
from tests.fake.conftest import Site, dead_process, idle, make_site, site  # noqa: F401

SETTLED = 31.0


def killed_while_sending(site: Site, **options: object) -> JobRecord:  # noqa: F811
    """Leave a job as a client does that is killed between writing down that it sends, and sending."""
    record = site.client.draft(site.machine, site.counted(), options)
    facts = site.client.open(site.machine).facts
    sent = replace(
        record,
        root=facts.root,
        status=replace(record.status, state=JobState.SUBMITTING),
        submissions=(replace(record.submissions[0], sent=True, owner=dead_process()),),
    )
    site.client.store.add([sent])
    return sent


def look_a_few_times(site: Site) -> None:  # noqa: F811
    for _ in range(3):
        site.clock.advance(SETTLED)
        with suppress(JobferryError):
            site.client.refresh(site.client.store.find(), force=True)


def test_submission_whose_dependency_cannot_be_met_any_more_stops_no_other_job(site: Site) -> None:  # noqa: F811
    first = site.submit("exit 1")
    assert JobState.FAILED is first.wait()
    sent = killed_while_sending(site, after=f"{first.id}:afterok")
    other = site.submit()
    site.cluster.wait_for(lambda cluster: len(cluster.jobs) == 2)

    look_a_few_times(site)

    assert JobState.COMPLETED is site.client.store.get(other.id).state
    after = site.client.store.get(sent.id)
    assert (JobState.FAILED, Failure.DEPENDENCY) == (after.state, after.status.failure)


def test_retried_submission_whose_dependency_has_failed_meanwhile_stops_no_other_job(site: Site) -> None:  # noqa: F811
    first = site.submit("sleep 60")
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1)
    with pytest.raises(SchedulerBusy):
        site.submit(after=f"{first.id}:afterok")
    other = site.submit()
    site.cluster.wait_for(lambda _: site.runs == 2)
    site.cluster.set_state(first.native_id or "", "CANCELLED")
    site.cluster.wait_for(lambda cluster: {job.state for job in cluster.jobs} == {"CANCELLED", "COMPLETED"})
    (ended,) = site.client.refresh([first.record], force=True)
    assert ended.state.final

    look_a_few_times(site)

    assert JobState.COMPLETED is site.client.store.get(other.id).state
    assert all(record.state.final for record in site.client.store.find())


def test_submission_whose_dependency_was_removed_stops_no_other_job(site: Site) -> None:  # noqa: F811
    first = site.submit()
    first.wait()
    killed_while_sending(site, after=f"{first.id}:afterany")
    site.client.remove([first.record], remote=False)
    other = site.submit()
    site.cluster.wait_for(lambda cluster: len(cluster.jobs) >= 2 and cluster.jobs[-1].state == "COMPLETED")

    look_a_few_times(site)

    assert JobState.COMPLETED is site.client.store.get(other.id).state


def test_accounting_that_fails_once_does_not_cost_the_cause_of_an_end(site: Site) -> None:  # noqa: F811
    job = site.submit("sleep 60")
    site.cluster.wait_for(lambda _: site.runs == 1)
    site.cluster.set_state(job.native_id or "", "TIMEOUT")
    site.cluster.wait_for_jobs("TIMEOUT")
    site.cluster.forget(job.native_id or "")
    site.cluster.inject(Fault.DOWN, "sacct", times=1)

    record = [site.look(after=SETTLED) for _ in range(3)][-1]

    assert (JobState.FAILED, Failure.TIMEOUT) == (record.state, record.status.failure)


def test_array_that_two_native_arrays_share_is_not_done_before_its_last_task(idle: Site) -> None:  # noqa: F811
    hold = idle.folder / "hold"
    hold.touch()
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    with pytest.raises(SchedulerBusy):
        idle.submit(f"while [ -e '{hold}' ]; do sleep 0.05; done; exit 3", array="0-1")
    # the first one shows up only after the settle time
    idle.cluster.forget("1", accounting=True)
    idle.look(after=SETTLED)
    idle.cluster.start_jobs("1_0", "3_1")
    idle.cluster.wait_for(lambda _: idle.runs == 2)
    idle.cluster.start_jobs()
    states = ["RUNNING", "FAILED", "FAILED", "RUNNING"]
    idle.cluster.wait_for(lambda cluster: [job.state for job in cluster.jobs] == states)

    records = [idle.look(after=SETTLED) for _ in range(4)]

    # the first one is in no list at all, so that its task may be called lost; none is done
    ends = {task.state for record in records for task in record.tasks.values()}
    assert JobState.COMPLETED not in ends
    assert not records[-1].tasks[1].state.final
    hold.unlink()
    idle.cluster.wait_for(lambda cluster: [job.state for job in cluster.jobs] == ["FAILED"] * 4)
    assert 3 == idle.wait().tasks[1].exit_code


def test_job_that_was_stopped_and_waits_for_its_next_run_has_one_restart(idle: Site) -> None:  # noqa: F811
    job = idle.submit("sleep 60")
    idle.cluster.start_jobs()
    idle.cluster.wait_for(lambda _: idle.runs == 1)
    assert JobState.RUNNING is idle.look().state

    idle.cluster.requeue(job.native_id or "")
    idle.cluster.wait_for_jobs("PENDING")

    record = idle.look(after=SETTLED)
    assert (JobState.QUEUED, 1) == (record.state, record.status.restarts)


def test_no_sleep_leaves_the_clock_where_it_was() -> None:
    clock = FakeClock()

    clock.sleep(1e-9)

    assert clock.monotonic() > 0
