"""Records of launch scripts, read back: whole ones count, everything else is passed over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.render.records import parse_records

JOB = "0123456789ab"
STARTED = f"started v=1 job={JOB} task=job native=7 host=n1 restarts=0 started=1795236515 pid=12 ."
FINISHED = (
    f"finished v=1 job={JOB} task=job native=7 host=n1 restarts=2 started=1795236515 ended=1795236517"
    " status=3 stopped= cause= oom=0 used=0m0.01s,0m0.00s outputs=1 ."
)


def test_started() -> None:
    started = parse_records(STARTED)[JOB].started[None]

    assert ("7", "n1", 0) == (started.native_id, started.host, started.restarts)
    assert datetime(2026, 11, 21, 4, 48, 35, tzinfo=UTC) == started.started_at


def test_finished() -> None:
    finished = parse_records(FINISHED)[JOB].finished[None]

    assert (3, None, None, None) == (finished.exit_code, finished.signal, finished.stopped, finished.cause)
    assert (2, 0, True) == (finished.restarts, finished.oom_kills, finished.has_outputs)
    assert finished.ended_at == datetime(2026, 11, 21, 4, 48, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "exit_code", "signal"),
    [
        (0, 0, None),
        (128, 128, None),
        (129, None, 1),
        (137, None, 9),
        (192, None, 64),
        (193, 193, None),
        (255, 255, None),
    ],
)
def test_shells_way_to_tell_a_signal(status: int, exit_code: int | None, signal: int | None) -> None:
    finished = parse_records(FINISHED.replace("status=3", f"status={status}"))[JOB].finished[None]

    assert (exit_code, signal) == (finished.exit_code, finished.signal)


def test_cause_and_stop_are_kept() -> None:
    text = FINISHED.replace("stopped= cause= oom=0", "stopped=TERM cause=TIMEOUT oom=2")

    finished = parse_records(text)[JOB].finished[None]

    assert ("TERM", "TIMEOUT", 2) == (finished.stopped, finished.cause, finished.oom_kills)


def test_tasks_are_apart() -> None:
    text = "\n".join(FINISHED.replace("task=job", f"task={task}") for task in (0, 7, "job"))

    assert {0, 7, None} == set(parse_records(text)[JOB].finished)


def test_lines_of_other_jobs_are_theirs() -> None:
    other = "zzzzzzzzzzzz"

    found = parse_records(f"{STARTED}\n{FINISHED.replace(JOB, other)}\ncancel job={other} .\n")

    assert ({None}, set()) == (set(found[JOB].started), set(found[JOB].finished))
    assert ({None}, True) == (set(found[other].finished), found[other].cancelled)
    assert not found[JOB].cancelled


def test_folder_that_is_gone() -> None:
    assert parse_records(f"nofolder job={JOB} .\n")[JOB].folder_missing


@pytest.mark.parametrize("end", range(len(FINISHED) - 1))
def test_half_a_record_is_none(end: int) -> None:
    assert {} == parse_records(FINISHED[:end])


def test_finished_without_a_status_is_none() -> None:
    assert {} == parse_records(FINISHED.replace("status=3 ", ""))[JOB].finished


def test_huge_line_is_passed_over() -> None:
    huge = FINISHED.replace("oom=0", f"oom=0 x={'y' * 5000}")

    assert {None} == set(parse_records(f"{huge}\n{STARTED}\n")[JOB].started)
    assert {} == parse_records(huge)


@pytest.mark.parametrize("number", ["", "-1", "x", "9" * 40, "٣"])
def test_numbers_that_are_none_are_zero_and_no_time(number: str) -> None:
    text = FINISHED.replace("restarts=2", f"restarts={number}").replace("ended=1795236517", f"ended={number}")

    finished = parse_records(text)[JOB].finished[None]

    assert finished.restarts in (0, 3)
    assert finished.ended_at is None or finished.ended_at.year == 1970


@given(st.text(max_size=200))
def test_junk_is_never_an_error(text: str) -> None:
    parse_records(text)
    parse_records(f"{text} .")


@given(
    st.lists(
        st.sampled_from(
            [STARTED, FINISHED, "banner", "finished .", "started job= task=9999999999 .", "\x00\xff ."]
        )
    )
)
def test_junk_hides_no_record(lines: list[str]) -> None:
    found = parse_records("\n".join(lines))

    assert (FINISHED in lines) == (JOB in found and None in found[JOB].finished)
    assert (STARTED in lines) == (JOB in found and None in found[JOB].started)


def test_of_several_runs_the_last_one_counts() -> None:
    again = FINISHED.replace("status=3", "status=0").replace("restarts=", "run=4 restarts=")

    for text in (f"{FINISHED}\n{again}\n", f"{again}\n{FINISHED}\n"):
        found = parse_records(text)[JOB]
        assert (4, 0) == (found.finished[None].run, found.finished[None].exit_code)
        assert {1, 4} == set(found.wholes)
