"""The table of three witnesses, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.evidence import Evidence
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.render.records import Finished, Started
from jobferry.schedulers.base import Observation
from jobferry.verdict import FINISHING, SETTLE, judge, judge_records, summarise

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUEUED = JobStatus(state=JobState.QUEUED)
RUNNING = JobStatus(state=JobState.RUNNING, native_state="RUNNING")


def finished(exit_code: int | None = 0, **fields: object) -> Finished:
    values: dict[str, object] = {
        "native_id": "7",
        "host": "n1",
        "restarts": 0,
        "started_at": NOW,
        "ended_at": NOW,
        "exit_code": exit_code,
        "signal": None,
        "stopped": None,
        "cause": None,
        "oom_kills": 0,
        "has_outputs": False,
    }
    return Finished(**{**values, **fields})  # type: ignore[arg-type]


def said(state: JobState | None, word: str = "WORD", **fields: object) -> Observation:
    return Observation(state=state, native_state=word, **fields)  # type: ignore[arg-type]


STARTED = Started(native_id="7", host="n1", restarts=0, started_at=NOW)


def test_live_state_of_the_queue_stands() -> None:
    status = judge(QUEUED, Evidence(queue=said(JobState.RUNNING), started=STARTED), NOW)

    assert (JobState.RUNNING, NOW) == (status.state, status.started_at)


def test_requeued_job_is_queued_again() -> None:
    status = judge(RUNNING, Evidence(queue=said(JobState.QUEUED), started=STARTED), NOW)

    assert status.state is JobState.QUEUED


@pytest.mark.parametrize("read", [{"started": STARTED}, {"finished": finished(0)}], ids=["began", "ended"])
def test_job_that_begins_while_it_is_looked_at_has_not_been_put_back(read: dict[str, Any]) -> None:
    # the queue is asked before the records are read: it was still waiting then
    seen = judge(QUEUED, Evidence(queue=said(JobState.QUEUED), **read), NOW)

    assert (JobState.RUNNING, 0) == (seen.state, seen.restarts)
    done = judge(seen, Evidence(finished=finished(0)), NOW + SETTLE)
    assert (JobState.COMPLETED, 0) == (done.state, done.restarts)


def test_job_that_ran_and_was_put_back_between_two_looks_is_queued_with_the_next() -> None:
    evidence = Evidence(queue=said(JobState.QUEUED), finished=finished(None, signal=15, stopped="TERM"))

    first = judge(QUEUED, evidence, NOW)
    second = judge(first, evidence, NOW + timedelta(days=1))

    assert [(JobState.RUNNING, 0), (JobState.QUEUED, 1)] == [(s.state, s.restarts) for s in (first, second)]


def test_batch_system_that_counts_restarts_is_believed_at_once() -> None:
    evidence = Evidence(queue=said(JobState.QUEUED, restarts=1), started=STARTED)

    status = judge(QUEUED, evidence, NOW)

    assert (JobState.QUEUED, 1) == (status.state, status.restarts)


def test_finished_record_under_a_live_queue_is_finishing_until_it_settles() -> None:
    evidence = Evidence(queue=said(JobState.RUNNING), finished=finished(0))

    first = judge(RUNNING, evidence, NOW)
    then = judge(first, evidence, NOW + FINISHING)

    assert (JobState.RUNNING, "finishing") == (first.state, first.reason)
    assert then.state is JobState.COMPLETED


def test_job_stopped_from_outside_is_not_over_while_the_queue_holds_it() -> None:
    evidence = Evidence(queue=said(JobState.RUNNING), finished=finished(None, signal=15, stopped="TERM"))

    first = judge(RUNNING, evidence, NOW)
    later = judge(first, evidence, NOW + timedelta(hours=1))

    assert later.state is JobState.RUNNING


def test_absent_with_exit_0_is_completed() -> None:
    status = judge(RUNNING, Evidence(finished=finished(0)), NOW)

    assert (JobState.COMPLETED, 0) == (status.state, status.exit_code)


def test_absent_with_exit_0_but_killed_for_memory_is_failed() -> None:
    word = said(JobState.FAILED, "OUT_OF_MEMORY", failure=Failure.OUT_OF_MEMORY)

    by_queue = judge(RUNNING, Evidence(queue=word, finished=finished(0)), NOW)
    by_kernel = judge(RUNNING, Evidence(finished=finished(0, oom_kills=1)), NOW)

    assert Failure.OUT_OF_MEMORY == by_queue.failure == by_kernel.failure


def test_exit_0_stands_over_any_other_word() -> None:
    for failure in (Failure.TIMEOUT, Failure.EXIT_CODE, Failure.PREEMPTED):
        word = said(JobState.FAILED, failure=failure)
        assert judge(RUNNING, Evidence(queue=word, finished=finished(0)), NOW).state is JobState.COMPLETED


def test_cause_comes_from_accounting_where_it_knows_better() -> None:
    word = said(JobState.FAILED, "TIMEOUT", failure=Failure.TIMEOUT)
    record = finished(None, signal=15, stopped="TERM")

    known = judge(RUNNING, Evidence(history=word, finished=record), NOW)
    unknown = judge(RUNNING, Evidence(finished=record), NOW)

    assert (JobState.FAILED, Failure.TIMEOUT) == (known.state, known.failure)
    assert (JobState.FAILED, Failure.SIGNAL, 15) == (unknown.state, unknown.failure, unknown.signal)


def test_exit_code_of_the_command_is_kept() -> None:
    status = judge(RUNNING, Evidence(finished=finished(42)), NOW)

    assert (JobState.FAILED, Failure.EXIT_CODE, 42) == (status.state, status.failure, status.exit_code)


def test_signal_after_our_cancel_is_a_cancel() -> None:
    record = finished(None, signal=15, stopped="TERM")

    status = judge(RUNNING, Evidence(finished=record, cancelled=True), NOW)

    assert status.state is JobState.CANCELLED


def test_cancel_behind_our_back_is_a_cancel() -> None:
    word = said(JobState.CANCELLED, "CANCELLED")
    record = finished(None, signal=15, stopped="TERM")

    assert judge(RUNNING, Evidence(queue=word, finished=record), NOW).state is JobState.CANCELLED
    assert judge(QUEUED, Evidence(queue=word), NOW).state is JobState.CANCELLED


def test_end_with_a_code_that_the_site_starts_again_is_told_by_the_queue() -> None:
    between = Evidence(finished=finished(87), requeue_exits=(87,))

    seen = [judge_records(RUNNING, between, NOW)]
    seen.append(judge_records(seen[-1], between, NOW + SETTLE))
    seen.append(judge(seen[-1], replace(between, queue=said(JobState.QUEUED)), NOW + SETTLE))
    gone = judge(seen[1], replace(between, queue=said(JobState.FAILED, exit_code=87)), NOW + SETTLE)
    other = judge_records(seen[1], replace(between, finished=finished(86)), NOW + SETTLE)

    assert [(JobState.RUNNING, 0)] * 2 + [(JobState.QUEUED, 1)] == [(s.state, s.restarts) for s in seen]
    assert [(JobState.FAILED, 87), (JobState.FAILED, 86)] == [(s.state, s.exit_code) for s in (gone, other)]


def test_accounting_speaks_where_there_is_no_record() -> None:
    word = said(JobState.FAILED, "NODE_FAIL", failure=Failure.TIMEOUT)

    assert judge(RUNNING, Evidence(history=word), NOW).failure is Failure.TIMEOUT


def test_accounting_that_still_says_running_changes_nothing() -> None:
    status = judge(RUNNING, Evidence(history=said(JobState.RUNNING, "RUNNING")), NOW)

    assert (JobState.RUNNING, NOW) == (status.state, status.missing_since)


def test_absent_job_is_not_completed_but_lost_after_two_looks_past_the_settle_time() -> None:
    first = judge(RUNNING, Evidence(), NOW)
    early = judge(first, Evidence(), NOW + SETTLE / 2)
    second = judge(early, Evidence(), NOW + SETTLE)
    third = judge(second, Evidence(), NOW + SETTLE + timedelta(seconds=1))

    assert [JobState.RUNNING] * 3 == [first.state, early.state, second.state]
    assert third.state is JobState.LOST
    assert "no queue" in (third.reason or "")


def test_job_that_comes_back_is_missing_no_more() -> None:
    missing = judge(RUNNING, Evidence(), NOW)

    back = judge(missing, Evidence(queue=said(JobState.RUNNING)), NOW + SETTLE)

    assert (None, 0) == (back.missing_since, back.misses)


def test_node_failure_may_be_followed_by_a_requeue() -> None:
    word = said(JobState.FAILED, "NODE_FAIL", failure=Failure.NODE_FAIL)

    first = judge(RUNNING, Evidence(queue=word), NOW)
    again = judge(first, Evidence(queue=said(JobState.QUEUED)), NOW + SETTLE)

    assert [JobState.RUNNING, JobState.QUEUED] == [first.state, again.state]


def test_unknown_word_keeps_the_state() -> None:
    status = judge(RUNNING, Evidence(queue=said(None, "EXPEDITING")), NOW)

    assert (JobState.RUNNING, "EXPEDITING") == (status.state, status.native_state)


def test_task_without_a_beginning_waits_where_records_are_the_queue() -> None:
    queue = said(JobState.RUNNING)

    waiting = judge(QUEUED, Evidence(queue=queue, supervised=True), NOW)
    begun = judge(QUEUED, Evidence(queue=queue, started=STARTED, supervised=True), NOW)

    assert [JobState.QUEUED, JobState.RUNNING] == [waiting.state, begun.state]


def test_records_alone_tell_of_beginning_and_end() -> None:
    begun = judge_records(QUEUED, Evidence(started=STARTED), NOW)
    ending = judge_records(begun, Evidence(finished=finished(0)), NOW)
    ended = judge_records(ending, Evidence(finished=finished(0)), NOW + FINISHING)

    assert [JobState.RUNNING, JobState.RUNNING, JobState.COMPLETED] == [
        begun.state,
        ending.state,
        ended.state,
    ]


def test_silence_of_the_records_changes_nothing() -> None:
    assert RUNNING == judge_records(RUNNING, Evidence(), NOW)


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
def test_final_is_final(state: JobState) -> None:
    status = JobStatus(state=state)

    assert status == judge(status, Evidence(queue=said(JobState.RUNNING), finished=finished(0)), NOW)


OBSERVATIONS = st.none() | st.builds(
    said,
    st.none() | st.sampled_from(sorted(JobState)),
    failure=st.none() | st.sampled_from(sorted(Failure)),
)
FINISHED = st.none() | st.builds(
    finished,
    st.none() | st.integers(0, 3),
    signal=st.none() | st.just(15),
    stopped=st.none() | st.just("TERM"),
    cause=st.sampled_from([None, "TIMEOUT", "DEPENDENCY", "LAUNCH", "nonsense"]),
    oom_kills=st.integers(0, 1),
)


@given(
    st.lists(st.builds(Evidence, queue=OBSERVATIONS, history=OBSERVATIONS, finished=FINISHED), max_size=6),
    st.integers(0, 100),
)
def test_completed_needs_a_record_or_accounting(looks: list[Evidence], seconds: int) -> None:
    status = RUNNING
    for number, evidence in enumerate(looks):
        before = status
        status = judge(status, evidence, NOW + number * timedelta(seconds=seconds))
        if status.state is JobState.COMPLETED and before.state is not JobState.COMPLETED:
            by_record = evidence.finished is not None and evidence.finished.exit_code == 0
            words = [seen.state for seen in (evidence.queue, evidence.history) if seen]
            assert by_record or JobState.COMPLETED in words


def test_array_is_summed_up() -> None:
    done = JobStatus(state=JobState.COMPLETED, exit_code=0, started_at=NOW, ended_at=NOW)
    bad = replace(done, state=JobState.FAILED, failure=Failure.EXIT_CODE, exit_code=42)

    assert summarise([done, QUEUED], NOW).state is JobState.RUNNING
    assert summarise([QUEUED, QUEUED], NOW).state is JobState.QUEUED
    assert summarise([done, done], NOW).state is JobState.COMPLETED
    assert (JobState.FAILED, 42) == (
        summarise([done, bad, done], NOW).state,
        summarise([done, bad, done], NOW).exit_code,
    )
