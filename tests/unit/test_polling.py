"""What one poll makes of a job's record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobferry.evidence import Witnesses
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import JobSpec, parse_array
from jobferry.model.status import JobState, JobStatus
from jobferry.polling import apply, known, told
from jobferry.render.records import Records, parse_records
from jobferry.schedulers.base import Observation
from jobferry.verdict import judge

NOW = datetime(2026, 3, 1, tzinfo=UTC)
JOB = JobRecord(
    id="000000000001",
    spec=JobSpec(command=("true",)),
    machine=Machine(name="m"),
    base=Path("/"),
    status=JobStatus(state=JobState.QUEUED),
    native_id="7",
    created_at=NOW,
)
ARRAY = replace(JOB, spec=replace(JOB.spec, array=parse_array("0-3")))
RUNNING = Observation(state=JobState.RUNNING, native_state="RUNNING")
COMPLETED = Observation(state=JobState.COMPLETED, native_state="COMPLETED")


def records(*lines: str) -> Records:
    return parse_records("\n".join(lines))[JOB.id]


def finished(task: str, native: str = "7", status: int = 0) -> str:
    written = f"job={JOB.id} task={task} native={native} host=n restarts=0"
    return f"finished v=1 {written} started=1 ended=2 status={status} ."


def started(task: str, native: str = "7") -> str:
    return f"started v=1 job={JOB.id} task={task} native={native} host=n restarts=0 started=1 ."


def test_array_is_not_completed_while_a_task_has_not_been_seen() -> None:
    seen = Witnesses(
        queue={3: Observation(state=JobState.QUEUED, native_state="PENDING")},
        records=records(*(finished(str(task)) for task in range(3))),
    )

    after = apply(ARRAY, seen, judge, NOW)

    assert JobState.RUNNING is after.state
    assert {0, 1, 2, 3} == set(after.tasks)


def test_poll_that_tells_nothing_new_changes_nothing() -> None:
    seen = Witnesses(queue={None: RUNNING}, records=records(started("job")))

    once = apply(JOB, seen, judge, NOW)

    assert once is apply(once, seen, judge, NOW)


def test_job_is_followed_to_the_native_job_that_writes_its_records() -> None:
    # two were taken by the batch system; the one we know of left the task to the other
    seen = Witnesses(queue={None: COMPLETED}, records=records(started("job", native="6")))

    after = apply(JOB, seen, judge, NOW)

    assert ("6", JobState.RUNNING) == (after.native_id, after.state)


def test_records_that_were_judged_are_not_asked_for_again() -> None:
    done = JobStatus(state=JobState.COMPLETED, started_at=NOW)
    running = JobStatus(state=JobState.RUNNING, started_at=NOW)
    array = replace(ARRAY, tasks={0: done, 1: running})

    assert ",0.finished," == known(array)
    assert ",0.started,1.started,0.finished," == told(array)
