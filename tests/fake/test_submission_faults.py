"""Submissions that go wrong on the way: whatever breaks, the job runs once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from jobferry.errors import ConnectError, SchedulerBusy, SubmitRefused, TransportError
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.testing import Fault
from jobferry.verdict import SETTLE
from tests.fake.conftest import Site, Sites, dead_process, owned_by

AFTER_SETTLING = SETTLE.total_seconds() + 1

# a submission that was taken, and said something else
TAKEN: dict[str, Callable[[Site], None]] = {
    "timed out": lambda site: site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True),
    "failure": lambda site: site.cluster.inject(Fault.ACCEPTED_THEN_FAILED, times=1),
    "garbage": lambda site: site.cluster.inject(Fault.GARBAGE, "sbatch", times=1, taken=True),
    "no word": lambda site: site.cluster.inject(Fault.GARBAGE, "sbatch", times=1, taken=True, words="\n"),
}
# one that was not taken, and does not say so clearly
NOT_TAKEN: dict[str, Callable[[Site], None]] = {
    "timed out": lambda site: site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1),
    "down": lambda site: site.cluster.inject(Fault.DOWN, "sbatch", times=1),
    "rate limited": lambda site: site.cluster.inject(Fault.RATE_LIMITED, "sbatch", times=1),
    "garbage": lambda site: site.cluster.inject(Fault.GARBAGE, "sbatch", times=1),
}


def submit_in_doubt(site: Site) -> None:
    with pytest.raises(SchedulerBusy, match="not known yet"):
        site.submit()


@pytest.mark.parametrize("fault", TAKEN)
def test_job_that_was_taken_is_adopted_by_its_name(site: Site, fault: str) -> None:
    TAKEN[fault](site)
    submit_in_doubt(site)

    record = site.wait()

    assert record.state is JobState.COMPLETED
    assert record.native_id == site.cluster.jobs[0].native_id
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 1


@pytest.mark.parametrize(
    "fault",
    NOT_TAKEN,
)
def test_job_that_was_not_taken_is_tried_again_once_after_the_settle_time(site: Site, fault: str) -> None:
    NOT_TAKEN[fault](site)
    submit_in_doubt(site)

    assert site.look().state is JobState.SUBMITTING
    assert site.look(after=SETTLE.total_seconds() - 1).state is JobState.SUBMITTING
    assert len(site.cluster.called("sbatch")) == 1

    assert site.look(after=2).state.submitted
    assert site.wait().state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 2
    assert site.runs == 1


def test_waiting_alone_finds_out_and_tries_again(site: Site) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1)
    submit_in_doubt(site)

    assert site.wait().state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 2
    assert site.runs == 1


def test_array_that_was_taken_is_adopted_whole(site: Site) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    with pytest.raises(SchedulerBusy):
        site.submit(array="0-3")

    assert site.wait().state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 4


@pytest.mark.parametrize("program", ["squeue", "sacct"])
@pytest.mark.parametrize("fault", [Fault.TIMED_OUT, Fault.DOWN, Fault.RATE_LIMITED])
def test_nothing_is_tried_again_while_the_job_cannot_be_looked_up(
    site: Site, fault: Fault, program: str
) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1)
    submit_in_doubt(site)
    site.cluster.inject(fault, program)

    for _ in range(3):
        assert site.look(after=AFTER_SETTLING).state is JobState.SUBMITTING

    assert len(site.cluster.called("sbatch")) == 1
    site.cluster.clear()
    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


@pytest.mark.parametrize("program", ["squeue", "sacct"])
def test_garbage_in_the_look_up_does_not_run_a_job_twice(site: Site, program: str) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    submit_in_doubt(site)
    site.cluster.wait_for_jobs("COMPLETED")
    if program == "sacct":
        # only accounting still knows it
        site.cluster.forget(site.cluster.jobs[0].native_id)
    site.cluster.inject(Fault.GARBAGE, "squeue", "sacct")

    site.look(after=AFTER_SETTLING)
    site.cluster.clear()

    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


def test_job_that_only_accounting_remembers_is_adopted(site: Site) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    submit_in_doubt(site)
    site.cluster.wait_for_jobs("COMPLETED")
    site.cluster.forget(site.cluster.jobs[0].native_id)

    assert site.look(after=AFTER_SETTLING).state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 1


def test_job_that_everybody_has_forgotten_is_not_run_twice(make_site: Sites) -> None:
    site = make_site(accounting="off")
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    submit_in_doubt(site)
    site.cluster.wait_for_jobs("COMPLETED")
    site.cluster.forget(site.cluster.jobs[0].native_id)

    site.look(after=AFTER_SETTLING)

    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


def test_second_job_that_was_taken_late_leaves_at_once(idle: Site) -> None:
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    submit_in_doubt(idle)
    # the controller shows it only after the settle time
    hidden = idle.cluster.jobs[0].native_id
    idle.cluster.forget(hidden, accounting=True)

    idle.look(after=AFTER_SETTLING)
    idle.cluster.start_jobs()
    # who leaves before the end is known leaves without success
    idle.cluster.wait_for(lambda cluster: {job.state for job in cluster.jobs} <= {"COMPLETED", "FAILED"})

    assert idle.wait().state is JobState.COMPLETED
    assert len(idle.cluster.jobs) == 2
    assert idle.runs == 1


@pytest.mark.parametrize(
    "words",
    [
        "Invalid account or account/partition combination specified",
        "Invalid partition name specified",
        "Requested node configuration is not available",
        "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    ],
)
def test_refusal_is_final_and_keeps_the_words(site: Site, words: str) -> None:
    site.cluster.inject(Fault.REFUSED, words=words)

    with pytest.raises(SubmitRefused) as caught:
        site.submit()

    assert words in caught.value.message
    record = site.look(after=AFTER_SETTLING)
    assert (record.state, record.status.failure) == (JobState.FAILED, Failure.REJECTED)
    assert words in (record.status.reason or "")
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 0


def test_refused_partition_is_not_taken(site: Site) -> None:
    with pytest.raises(SubmitRefused, match="Invalid partition name"):
        site.submit(partition="nonesuch")

    assert site.cluster.jobs == []


def test_banner_around_every_answer_changes_nothing(site: Site) -> None:
    site.cluster.inject(Fault.BANNER, words="*** 12 users\n7\nsee https://example.org/42 ***")

    job = site.submit("echo hello")

    assert job.wait() is JobState.COMPLETED
    assert job.native_id == site.cluster.jobs[0].native_id
    assert site.runs == 1


@pytest.mark.parametrize("taken", [False, True])
def test_submission_that_hangs_while_the_link_is_lost_runs_once(site: Site, taken: bool) -> None:
    site.cluster.inject(Fault.HANG, "sbatch", times=1, taken=taken)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(site.submit)
        site.cluster.wait_for(lambda cluster: cluster.called("sbatch") != [])
        site.link.cut()
        submitting.exception()

    # it is still in somebody's hand over there
    assert site.look().state.submitted is taken
    site.cluster.clear(Fault.HANG)

    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


def test_submission_that_hangs_past_the_settle_time_runs_once(site: Site) -> None:
    site.cluster.inject(Fault.HANG, "sbatch", times=1)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(site.submit)
        site.cluster.wait_for(lambda cluster: cluster.called("sbatch") != [])
        site.link.cut()
        submitting.exception()

    record = site.look(after=AFTER_SETTLING)
    # only now does the first one get through: two jobs are in the queue for one
    site.cluster.clear(Fault.HANG)
    site.cluster.wait_for(lambda cluster: len(cluster.jobs) == 2)
    site.cluster.wait_for_jobs("COMPLETED")

    assert record.state.submitted
    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


@pytest.mark.parametrize("size", [0, 1, 16, 40, 63, 64, 65, 66, 90, 116, 125, 132])
def test_link_cut_at_any_byte_of_the_answer_runs_once(site: Site, size: int) -> None:
    # the shell that carries the submission is a new one, and is cut after so many bytes
    site.link.cut()
    site.link.cut_after(size)
    with suppress(TransportError, SchedulerBusy):
        site.submit()

    site.clock.advance(AFTER_SETTLING)

    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


def test_machine_out_of_reach_takes_nothing_and_says_so(site: Site) -> None:
    site.link.cut()
    site.link.fail_next(1, ConnectError("no route to host"))

    with pytest.raises(ConnectError, match="no route to host"):
        site.submit()

    record = site.look(after=AFTER_SETTLING)
    assert (record.state, record.status.failure) == (JobState.FAILED, Failure.REJECTED)
    assert record.status.reason == "no route to host"
    assert site.cluster.called("sbatch") == []


def test_link_lost_on_the_way_to_a_machine_then_out_of_reach_is_a_doubt(site: Site) -> None:
    site.cluster.inject(Fault.HANG, "sbatch", times=1, taken=True)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(site.submit)
        site.cluster.wait_for(lambda cluster: cluster.jobs != [])
        site.link.fail_next(1, ConnectError("no route to host"))
        site.link.cut()
        error = submitting.exception()

    assert isinstance(error, SchedulerBusy)
    assert site.wait().state is JobState.COMPLETED
    assert site.runs == 1


def test_client_killed_before_it_sent_anything_is_gone_on_with(site: Site) -> None:
    record = site.draft(site.counted())
    assert site.runs == 0

    ended = site.other_client().wait([record])

    assert ended[0].state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 1


def test_client_killed_before_the_answer_is_gone_on_with(site: Site) -> None:
    job = site.submit()
    site.cluster.wait_for_jobs("COMPLETED")
    left = replace(job.record.submissions[0], native_id=None, submitted_at=None, owner=dead_process())
    unanswered = replace(job.record, status=JobStatus(state=JobState.SUBMITTING), submissions=(left,))
    site.client.store.update(job.id, lambda old: replace(unanswered, revision=old.revision))

    (ended,) = site.other_client().wait([site.only_job])

    assert ended.state is JobState.COMPLETED
    assert ended.native_id == site.cluster.jobs[0].native_id
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 1


def test_two_clients_that_go_on_at_once_submit_once(site: Site) -> None:
    record = site.draft(site.counted())
    clients = [site.other_client() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda client: client.refresh([record]), clients))

    site.clock.advance(AFTER_SETTLING)
    assert site.wait().state is JobState.COMPLETED
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 1


def test_submission_in_hand_of_a_living_process_is_left_to_it(site: Site) -> None:
    record = site.draft(site.counted())
    alive = dead_process().rpartition(":")[0] + ":1"
    site.client.store.update(record.id, lambda old: owned_by(old, alive))

    assert site.look(after=AFTER_SETTLING).state is JobState.CREATED
    assert site.cluster.called("sbatch") == []


def test_cancelled_in_doubt_and_not_taken_never_runs(site: Site) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1)
    submit_in_doubt(site)

    site.client.cancel([site.only_job])

    assert site.look(after=AFTER_SETTLING).state is JobState.CANCELLED
    assert len(site.cluster.called("sbatch")) == 1
    assert site.runs == 0


def test_cancelled_in_doubt_but_taken_never_runs(idle: Site) -> None:
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    submit_in_doubt(idle)

    idle.client.cancel([idle.only_job])
    idle.cluster.start_jobs()

    assert idle.look(after=AFTER_SETTLING).state is JobState.CANCELLED
    assert len(idle.cluster.called("sbatch")) == 1
    assert idle.runs == 0
