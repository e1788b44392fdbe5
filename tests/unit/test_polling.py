"""What one poll makes of a job's record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobferry.evidence import Said, Witnesses
from jobferry.judging import apply, said_of
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import JobSpec, parse_array
from jobferry.model.status import JobState, JobStatus
from jobferry.model.submission import Submission
from jobferry.questions import news_calls, record_calls
from jobferry.render.records import Records, parse_records
from jobferry.schedulers.base import Observation
from jobferry.verdict import FINISHING, judge
from jobferry.watch import ending_pause

NOW = datetime(2026, 3, 1, tzinfo=UTC)
JOB = JobRecord(
    id="000000000001",
    spec=JobSpec(command=("true",)),
    machine=Machine(name="m"),
    base=Path("/"),
    status=JobStatus(state=JobState.QUEUED),
    submissions=(Submission(native_id="7", sent=True),),
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

    assert [("jf_records", JOB.id, "1", "job,1-3")] == record_calls(array)
    # of task 1 only the end would be news, of the others the beginning as well
    assert [("jf_news", JOB.id, "1", "job,1-3", "job,2-3")] == news_calls([array])


def test_of_what_was_tried_again_only_the_last_run_counts() -> None:
    again = JOB.with_submissions(Submission(number=2, run=2, native_id="8", sent=True))
    first = finished("job", status=1)
    second = finished("job", native="8").replace("restarts=0", "restarts=0 run=2")

    before = Witnesses(numbers=(2,), runs={None: 2}, queue={None: RUNNING}, records=records(first))
    after = Witnesses(numbers=(2,), runs={None: 2}, queue={}, records=records(first, second))

    assert JobState.RUNNING is apply(again, before, judge, NOW).state
    assert JobState.COMPLETED is apply(again, after, judge, NOW).state
    assert [("jf_records", JOB.id, "2", "job")] == record_calls(again)


def test_what_was_seen_of_an_earlier_attempt_says_nothing_of_a_later_one() -> None:
    again = JOB.with_submissions(Submission(number=2, run=2, native_id="8", sent=True))
    seen = Witnesses(queue={None: COMPLETED}, records=records(finished("job", status=1)))

    assert again is apply(again, seen, judge, NOW)


def test_each_task_is_judged_by_the_native_job_that_runs_it() -> None:
    entry = Submission(native_id="9", twins=("7",), sent=True)
    array = replace(ARRAY, spec=replace(JOB.spec, array=parse_array("0-2")), submissions=(entry,))
    left = Observation(state=JobState.FAILED, native_state="FAILED", exit_code=118)
    said: dict[str, Said] = {"7": {0: RUNNING, 1: left, 2: left}, "9": {0: left, 1: RUNNING}}

    found = said_of(array, said, records(started("0"), started("1", native="9")))

    # of task 2 nobody has begun: both have gone
    assert {0: RUNNING, 1: RUNNING, 2: left} == found


def test_parts_of_an_array_are_told_apart() -> None:
    parts = (
        Submission(native_id="7", tasks=(0, 1), sent=True),
        Submission(number=2, native_id="8", tasks=(2, 3), offset=2, sent=True),
    )
    array = replace(ARRAY, submissions=parts)
    said: dict[str, Said] = {"7": {0: COMPLETED, 1: RUNNING}, "8": {0: RUNNING, 1: COMPLETED}}

    found = said_of(array, said)

    assert {0: COMPLETED, 1: RUNNING, 2: RUNNING, 3: COMPLETED} == found


def test_large_arrays_are_looked_at_less_often() -> None:
    def going_on(count: int) -> JobRecord:
        running = {task: JobStatus(state=JobState.RUNNING) for task in range(count)}
        return replace(ARRAY, tasks={**running, count: JobStatus(state=JobState.COMPLETED)})

    assert ending_pause([JOB, going_on(10)]) == FINISHING.total_seconds()
    assert ending_pause([going_on(500), going_on(500)]) == 4.0
    assert ending_pause([going_on(9_999)]) == 5.0
