"""A batch system that lies, forgets or says nothing: never a wrong verdict, never a wrong COMPLETED."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobferry.errors import ConnectError
from jobferry.model.status import Failure, JobState
from jobferry.testing import Fault
from jobferry.verdict import SETTLE
from tests.fake.conftest import Site, Sites

AFTER_SETTLING = SETTLE.total_seconds() + 1
LONG = "sleep 60"
QUERY_FAULTS = [Fault.TIMED_OUT, Fault.DOWN, Fault.RATE_LIMITED]


def start_long_job(site: Site) -> str:
    """Submit a job that does not end by itself, and see it run; return its native id."""
    site.submit(LONG)
    site.cluster.wait_for(lambda _: site.runs == 1)
    record = site.look()
    assert record.state is JobState.RUNNING
    return record.native_id or ""


@pytest.mark.parametrize("fault", QUERY_FAULTS)
def test_query_that_fails_changes_nothing(idle: Site, fault: Fault) -> None:
    idle.submit()
    before = idle.look()
    idle.cluster.inject(fault, "squeue", "sacct", "scontrol")

    after = [idle.look(after=AFTER_SETTLING) for _ in range(4)]

    assert {record.state for record in after} == {JobState.QUEUED}
    assert after[-1].status == before.status


@pytest.mark.parametrize("fault", QUERY_FAULTS)
def test_query_that_fails_is_asked_once_a_poll(idle: Site, fault: Fault) -> None:
    job = idle.submit()
    idle.cluster.inject(fault)

    for _ in range(5):
        _ = job.state

    assert len(idle.cluster.called("squeue")) == 1


@pytest.mark.parametrize("accounting", ["on", "off"])
def test_garbage_from_the_queue_changes_nothing(make_site: Sites, accounting: str) -> None:
    site = make_site(autostart=False, accounting="on" if accounting == "on" else "off")
    site.submit()
    site.look()
    site.cluster.inject(Fault.GARBAGE, "squeue")

    states = {site.look(after=AFTER_SETTLING).state for _ in range(4)}

    assert states == {JobState.QUEUED}


def test_job_hidden_from_the_queue_but_known_to_accounting_goes_on(idle: Site) -> None:
    job = idle.submit()
    idle.look()
    idle.cluster.forget(job.native_id or "")

    states = {idle.look(after=AFTER_SETTLING).state for _ in range(4)}

    assert states == {JobState.QUEUED}


def test_link_that_is_down_for_an_hour_fails_no_job(site: Site) -> None:
    job = site.submit()
    began = site.clock.now()
    site.link.down(began, began + timedelta(hours=1))

    with pytest.raises(ConnectError):
        job.wait()
    assert site.only_job.state is JobState.QUEUED

    site.clock.advance(3601)
    assert job.wait() is JobState.COMPLETED
    assert site.runs == 1


def test_waiting_goes_on_through_an_outage(idle: Site) -> None:
    job = idle.submit()
    began = idle.clock.now()
    notices: list[str] = []

    idle.look()
    # the shell that waits for news is a second one, and cannot be started ten times in a row
    idle.link.fail_next(10, ConnectError("no route to host"))
    idle.clock.at(began + timedelta(minutes=1), idle.cluster.start_jobs)

    (record,) = idle.client.wait([job.record], notice=notices.append)

    assert record.state is JobState.COMPLETED
    assert len(notices) == 1
    assert idle.runs == 1


def test_unknown_word_keeps_the_last_state_and_touches_no_neighbour(site: Site) -> None:
    native_id = start_long_job(site)
    first = site.only_job
    other = site.submit("exit 3")
    site.cluster.set_state(native_id, "QUANTUM_LEAP")

    assert other.wait() is JobState.FAILED
    site.clock.advance(AFTER_SETTLING)
    (record,) = site.client.refresh([first], force=True)

    assert record.state is JobState.RUNNING
    assert record.status.native_state == "QUANTUM_LEAP"


def test_job_still_shown_as_running_after_its_end_is_completed(site: Site) -> None:
    site.cluster.inject(Fault.RUNNING_AFTER_END)

    job = site.submit()

    assert job.wait() is JobState.COMPLETED
    assert len(site.cluster.called("squeue")) <= 2
    assert site.runs == 1


def test_failed_job_still_shown_as_running_has_failed(site: Site) -> None:
    site.cluster.inject(Fault.RUNNING_AFTER_END)

    job = site.submit("exit 4")

    assert job.wait() is JobState.FAILED
    assert job.exit_code == 4


def test_job_that_runs_still_but_is_shown_as_pending_is_not_final(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, "PENDING")

    assert not site.look(after=AFTER_SETTLING).state.final


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("NODE_FAIL", Failure.NODE_FAIL),
        ("OUT_OF_MEMORY", Failure.OUT_OF_MEMORY),
        ("TIMEOUT", Failure.TIMEOUT),
        ("PREEMPTED", Failure.PREEMPTED),
        ("BOOT_FAIL", Failure.NODE_FAIL),
    ],
)
def test_end_from_outside_has_its_cause(site: Site, word: str, failure: Failure) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, word)
    site.cluster.wait_for_jobs(word)

    records = [site.look(after=AFTER_SETTLING) for _ in range(3)]

    assert (records[-1].state, records[-1].status.failure) == (JobState.FAILED, failure)
    assert site.runs == 1


@pytest.mark.parametrize(
    ("word", "failure"), [("NODE_FAIL", Failure.NODE_FAIL), ("OUT_OF_MEMORY", Failure.OUT_OF_MEMORY)]
)
def test_cause_is_found_when_only_accounting_remembers(site: Site, word: str, failure: Failure) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, word)
    site.cluster.forget(native_id)

    record = [site.look(after=AFTER_SETTLING) for _ in range(3)][-1]

    assert (record.state, record.status.failure) == (JobState.FAILED, failure)


@pytest.mark.parametrize(
    ("word", "failure"), [("TIMEOUT", Failure.TIMEOUT), ("PREEMPTED", Failure.PREEMPTED)]
)
def test_cause_is_found_beside_a_last_record(site: Site, word: str, failure: Failure) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, word)
    site.cluster.wait_for_jobs(word)
    site.cluster.forget(native_id)

    record = [site.look(after=AFTER_SETTLING) for _ in range(3)][-1]

    assert (record.state, record.status.failure) == (JobState.FAILED, failure)


def test_cancelled_from_outside_is_cancelled(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, "CANCELLED")
    site.cluster.wait_for_jobs("CANCELLED")

    assert site.look(after=AFTER_SETTLING).state is JobState.CANCELLED


def test_job_started_again_after_the_death_of_its_node_is_not_failed(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, "NODE_FAIL")

    assert site.look().state is JobState.RUNNING

    site.cluster.requeue(native_id)
    site.cluster.wait_for(lambda _: site.runs == 2)
    record = site.look(after=AFTER_SETTLING)
    assert (record.state, record.status.restarts) == (JobState.RUNNING, 1)


def test_job_that_vanished_while_accounting_is_down_is_given_up_after_a_day(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.set_accounting("down")
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)

    states = [site.look(after=hours * 3600.0).state for hours in (1, 1, 10, 11)]

    assert {JobState.RUNNING} == set(states)
    assert JobState.LOST is [site.look(after=3600.0).state for _ in range(4)][-1]


def test_accounting_that_comes_back_tells_the_cause(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.set_accounting("down")
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)
    for _ in range(5):
        site.look(after=3600.0)
    site.cluster.set_accounting("on")

    record = [site.look(after=AFTER_SETTLING) for _ in range(3)][-1]

    assert (JobState.FAILED, Failure.NODE_FAIL) == (record.state, record.status.failure)


def test_job_that_vanished_without_accounting_is_lost_and_never_completed(make_site: Sites) -> None:
    site = make_site(accounting="off")
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)

    states = [site.look(after=AFTER_SETTLING).state for _ in range(4)]

    assert states[0] is JobState.RUNNING
    assert states[-1] is JobState.LOST


def test_vanished_job_is_not_called_lost_within_the_settle_time(make_site: Sites) -> None:
    site = make_site(accounting="off")
    native_id = start_long_job(site)
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)

    states = {site.look(after=4).state for _ in range(6)}

    assert states == {JobState.RUNNING}


def test_job_that_ended_well_needs_neither_queue_nor_accounting(make_site: Sites) -> None:
    site = make_site(accounting="off")
    site.submit()
    site.cluster.wait_for_jobs("COMPLETED")
    site.cluster.forget("1")

    assert site.look(after=7 * 24 * 3600).state is JobState.COMPLETED


def test_job_that_failed_while_nobody_looked_has_failed(make_site: Sites) -> None:
    site = make_site(accounting="off")
    site.submit("exit 5")
    site.cluster.wait_for_jobs("FAILED")
    site.cluster.forget("1")

    record = site.look(after=7 * 24 * 3600)

    assert (record.state, record.status.exit_code) == (JobState.FAILED, 5)


def test_accounting_that_lags_makes_nothing_of_a_live_job(site: Site) -> None:
    site.cluster.inject(Fault.ACCOUNTING_LAGS)
    start_long_job(site)

    assert {site.look(after=AFTER_SETTLING).state for _ in range(3)} == {JobState.RUNNING}


def test_job_that_lagging_accounting_shows_as_running_is_not_lost(site: Site) -> None:
    native_id = start_long_job(site)
    site.cluster.inject(Fault.ACCOUNTING_LAGS)
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)

    assert {site.look(after=AFTER_SETTLING).state for _ in range(4)} == {JobState.RUNNING}

    site.cluster.clear(Fault.ACCOUNTING_LAGS)
    record = [site.look(after=AFTER_SETTLING) for _ in range(2)][-1]
    assert (record.state, record.status.failure) == (JobState.FAILED, Failure.NODE_FAIL)


def test_id_that_another_job_has_now_says_nothing_about_the_first(make_site: Sites) -> None:
    site = make_site(accounting="off")
    native_id = start_long_job(site)
    first = site.only_job
    site.cluster.set_state(native_id, "NODE_FAIL")
    site.cluster.forget(native_id)
    site.cluster.reuse_id(native_id)
    second = site.submit()

    assert second.wait() is JobState.COMPLETED
    for _ in range(4):
        site.clock.advance(AFTER_SETTLING)
        (first,) = site.client.refresh([first], force=True)

    assert first.state is JobState.LOST


def test_second_job_of_a_reused_id_is_judged_by_its_own_end(site: Site) -> None:
    first = site.submit("exit 3")
    first.wait()
    site.cluster.reuse_id(first.native_id or "")

    second = site.submit()

    assert second.wait() is JobState.COMPLETED
    assert second.native_id == first.native_id
    assert first.state is JobState.FAILED
    assert site.runs == 2


def test_second_native_job_of_one_job_does_not_run_it_again(site: Site) -> None:
    job = site.submit()
    job.wait()
    folder = f"{job.record.root}/jobs/{job.id}"

    again = site.machine.exec(["sbatch", "--parsable", "launch.slurm"], directory=folder)
    site.cluster.wait_for_jobs("COMPLETED")

    assert again.exit_code == 0
    assert len(site.cluster.jobs) == 2
    assert site.runs == 1


def test_results_of_a_job_that_accounting_calls_failed_are_still_read(site: Site) -> None:
    job = site.submit("echo partial; exit 6")
    site.cluster.set_accounting("down")

    assert job.wait() is JobState.FAILED
    assert job.stdout() == "partial\n"
