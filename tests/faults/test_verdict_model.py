"""The verdict alone, against a truth that is simple to state: thousands of lives of one job.

A job waits, runs, ends or is killed, and may be started again; queue, accounting and records each tell of it
or keep silent, and records lag behind. What is concluded from that is compared with what really happened.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jobferry.evidence import Evidence
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.render.records import Finished, Started
from jobferry.schedulers.base import Observation
from jobferry.verdict import judge, judge_records

DENSITY = float(os.environ.get("JOBFERRY_FAULT_DENSITY", "1"))
START = datetime(2026, 6, 1, 12, tzinfo=UTC)

LIVE = {"waiting": JobState.QUEUED, "running": JobState.RUNNING}
# how a run ends: its exit code, the signal that was sent to it, and whether it could still write its record
ENDS: dict[str, tuple[int, str | None, bool]] = {
    "exit 0": (0, None, True),
    "exit 3": (3, None, True),
    "SEGV": (139, None, True),
    "TIMEOUT": (143, "TERM", True),
    "PREEMPTED": (143, "TERM", True),
    "NODE_FAIL": (0, None, False),
    "OUT_OF_MEMORY": (0, None, False),
}
FAILURES = {
    "exit 3": Failure.EXIT_CODE,
    "SEGV": Failure.SIGNAL,
    "TIMEOUT": Failure.TIMEOUT,
    "PREEMPTED": Failure.PREEMPTED,
    "NODE_FAIL": Failure.NODE_FAIL,
    "OUT_OF_MEMORY": Failure.OUT_OF_MEMORY,
}


class OneJob(RuleBasedStateMachine):
    """One job that is never cancelled, as the queue, accounting and its records tell of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.status = JobStatus(state=JobState.QUEUED)
        self.phase, self.end = "waiting", ""
        self.restarts = 0
        self.asked: tuple[Observation | None] | None = None
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.read_started: Started | None = None
        self.read_finished: Finished | None = None
        self.in_queue = self.in_books = True
        self.told = False

    # -- the job

    @rule()
    def start(self) -> None:
        if self.phase == "waiting":
            self.phase = "running"
            self.finished = None
            self.started = Started(native_id="7", host="n1", restarts=self.restarts, started_at=self.now)

    @rule(end=st.sampled_from(sorted(ENDS)), again=st.booleans())
    def end_run(self, end: str, again: bool) -> None:
        if self.phase != "running":
            return
        status, stopped, writes = ENDS[end]
        if writes:
            self.finished = self._record(status, stopped)
        self.phase, self.end = "ended", end
        if again and end in ("PREEMPTED", "NODE_FAIL"):
            self.phase, self.restarts = "waiting", self.restarts + 1

    @rule()
    def be_cancelled_while_waiting(self) -> None:
        if self.phase == "waiting":
            self.phase, self.end = "ended", "CANCELLED"

    def _record(self, status: int, stopped: str | None) -> Finished:
        signal = status - 128 if status > 128 else None
        return Finished(
            native_id="7",
            host="n1",
            restarts=self.restarts,
            started_at=self.now,
            ended_at=self.now,
            exit_code=None if signal else status,
            signal=signal,
            stopped=stopped,
            cause=None,
            oom_kills=0,
            has_outputs=False,
        )

    @rule(queue=st.booleans(), books=st.booleans())
    def be_forgotten(self, queue: bool, books: bool) -> None:
        if self.phase == "ended":
            self.in_queue, self.in_books = self.in_queue and queue, self.in_books and books

    @rule()
    def let_files_arrive(self) -> None:
        self.read_started, self.read_finished = self.started, self.finished

    @rule(seconds=st.sampled_from([0.25, 1, 29, 31, 3600, 86400]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # -- the looks

    @rule()
    def ask_the_queue(self) -> None:
        """Ask it for the next look; much may happen before the records are read."""
        self.asked = (self._seen(False) if self.in_queue else None,)

    @rule(unknown=st.booleans(), lies=st.booleans(), books=st.sampled_from(["on", "off", "late"]))
    def look(self, unknown: bool, lies: bool, books: str) -> None:
        """Ask all three; the queue may say a new word, or show a job still as running that has ended."""
        (queue,) = self.asked or (self._seen(lies) if self.in_queue else None,)
        if queue is not None and unknown:
            queue = replace(queue, state=None, native_state="QUANTUM_LEAP", failure=None)
        history = None
        if queue is None and self.in_books and books != "off":
            history = self._seen(books == "late")
        before = self.status
        self.told = bool(
            self.in_queue or (history and history.state and history.state.final) or self.read_finished
        )
        self._judge(
            Evidence(queue=queue, history=history, started=self.read_started, finished=self.read_finished)
        )
        if queue is not None and queue.state is None:
            assert before.state is self.status.state, "a word that is not known has changed a state"

    @rule()
    def look_at_records(self) -> None:
        """Read the records alone, as between two polls, or when the queue did not answer."""
        before = self.status
        evidence = Evidence(started=self.read_started, finished=self.read_finished)
        self._judge(evidence, records_only=True)
        if self.read_finished is None:
            assert not self.status.state.final or before.state.final, "final without a word from anybody"
            assert before.misses == self.status.misses, "a query that failed counts as a look in vain"

    def _seen(self, late: bool) -> Observation:
        if self.phase != "ended" or late:
            state = LIVE.get(self.phase, JobState.RUNNING)
            return Observation(state=state, native_state=state.value)
        if self.end == "exit 0":
            return Observation(state=JobState.COMPLETED, native_state="COMPLETED", exit_code=0)
        if self.end == "CANCELLED":
            return Observation(state=JobState.CANCELLED, native_state="CANCELLED by 0")
        failure = FAILURES[self.end]
        return Observation(state=JobState.FAILED, native_state="FAILED", failure=failure)

    def _judge(self, evidence: Evidence, *, records_only: bool = False) -> None:
        before = self.status
        self.asked = None
        self.status = (judge_records if records_only else judge)(before, evidence, self.now)
        after = self.status
        if before.state.final:
            assert before == after, "what is final has changed"
            return
        assert before.restarts <= after.restarts, f"restarts {before.restarts} -> {after.restarts}"
        assert after.restarts <= self.restarts, f"restarts {after.restarts} of {self.restarts}"
        if not after.state.final:
            return
        assert self.phase == "ended", f"{after} while it is {self.phase}"
        if after.state is JobState.LOST:
            assert not self.told, "LOST, but there was a witness"
        elif self.end == "exit 0":
            assert JobState.COMPLETED is after.state
        elif self.end == "CANCELLED":
            # a run before it may have been stopped, and only that one has left a record
            assert after.state in (JobState.CANCELLED, JobState.FAILED)
        else:
            assert JobState.FAILED is after.state
            assert after.failure in (FAILURES[self.end], Failure.SIGNAL), f"{self.end}: {after}"

    @invariant()
    def state_is_one_of_those_a_taken_job_can_have(self) -> None:
        assert self.status.state in (
            JobState.QUEUED,
            JobState.RUNNING,
            JobState.COMPLETED,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
        )

    def teardown(self) -> None:
        """Let the job end, all files arrive and time pass: it is final, and not lost if anybody knows."""
        if self.phase == "waiting":
            self.start()
        self.end_run("exit 0", False)
        self.let_files_arrive()
        for _ in range(4):
            self.let_time_pass(31)
            self.look(False, False, "on")
        assert self.status.state.final, f"it never ended: {self.status}"


TestOneJob = OneJob.TestCase
TestOneJob.settings = settings(
    max_examples=int(800 * DENSITY), stateful_step_count=30, deadline=None, derandomize=True
)
