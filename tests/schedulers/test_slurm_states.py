"""Slurm's words for states: as the manual lists them, as they are cut short, and as nobody knows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobferry.errors import SchedulerError
from jobferry.model.command import CommandResult
from jobferry.model.status import Failure, JobState
from jobferry.schedulers.base import Observation
from jobferry.schedulers.slurm import Slurm
from tests.schedulers.captures import load, names

REAL = "slurm/22.05.8"
SLURM = Slurm()

# squeue(1) of 22.05, "JOB STATE CODES", in its order: the short code, the word, what it is to us.
# Those of ONLY_IN_THE_MANUAL could not be brought about; every other one stands in a capture.
MANUAL: list[tuple[str, str, JobState, Failure | None]] = [
    ("BF", "BOOT_FAIL", JobState.FAILED, Failure.NODE_FAIL),
    ("CA", "CANCELLED", JobState.CANCELLED, None),
    ("CD", "COMPLETED", JobState.COMPLETED, None),
    ("CF", "CONFIGURING", JobState.RUNNING, None),
    ("CG", "COMPLETING", JobState.RUNNING, None),
    ("DL", "DEADLINE", JobState.FAILED, Failure.TIMEOUT),
    ("F", "FAILED", JobState.FAILED, Failure.EXIT_CODE),
    ("NF", "NODE_FAIL", JobState.FAILED, Failure.NODE_FAIL),
    ("OOM", "OUT_OF_MEMORY", JobState.FAILED, Failure.OUT_OF_MEMORY),
    ("PD", "PENDING", JobState.QUEUED, None),
    ("PR", "PREEMPTED", JobState.FAILED, Failure.PREEMPTED),
    ("R", "RUNNING", JobState.RUNNING, None),
    ("RD", "RESV_DEL_HOLD", JobState.HELD, None),
    ("RF", "REQUEUE_FED", JobState.QUEUED, None),
    ("RH", "REQUEUE_HOLD", JobState.HELD, None),
    ("RQ", "REQUEUED", JobState.QUEUED, None),
    ("RS", "RESIZING", JobState.RUNNING, None),
    ("RV", "REVOKED", JobState.QUEUED, None),
    ("SI", "SIGNALING", JobState.RUNNING, None),
    ("SE", "SPECIAL_EXIT", JobState.HELD, None),
    ("SO", "STAGE_OUT", JobState.RUNNING, None),
    ("ST", "STOPPED", JobState.SUSPENDED, None),
    ("S", "SUSPENDED", JobState.SUSPENDED, None),
    ("TO", "TIMEOUT", JobState.FAILED, Failure.TIMEOUT),
]
# flags that squeue of later versions, or its source, knows besides
LATER = ("LAUNCH_FAILED", "RECONFIG_FAIL", "POWER_UP_NODE")
ONLY_IN_THE_MANUAL = {
    *("BOOT_FAIL", "CONFIGURING", "REQUEUE_FED", "REQUEUE_HOLD", "REQUEUED", "RESIZING", "REVOKED"),
    *("SIGNALING", "STAGE_OUT"),
}
WORDS = [word for _, word, _, _ in MANUAL]
INVENTED = ("THAWING", "COMPLETED_MAYBE", "completed", "Completed", "CANCELLED-BY-1000", "0", "*", "FAILED*")


def queue(*rows: tuple[str, str]) -> dict[str, dict[int | None, Observation]]:
    text = "".join(f"{row_id}|{word}|N/A||None|job\n" for row_id, word in rows)
    seen = SLURM.parse_status(CommandResult(exit_code=0, stdout=text.encode()), ["7", "8", "9"])
    return {native_id: dict(tasks) for native_id, tasks in seen.items()}


def accounting(*rows: tuple[str, str]) -> dict[str, dict[int | None, Observation]]:
    text = "".join(f"{row_id}|{word}|0:0|Unknown|Unknown|n1|job\n" for row_id, word in rows)
    seen = SLURM.parse_history(CommandResult(exit_code=0, stdout=text.encode()), ["7", "8", "9"])
    return {native_id: dict(tasks) for native_id, tasks in seen.items()}


Read = Callable[..., dict[str, dict[int | None, Observation]]]
BOTH = pytest.mark.parametrize("read", [queue, accounting])


def test_manual_lists_24_states() -> None:
    assert 24 == len(set(WORDS)) == len({code for code, *_ in MANUAL})


def test_every_other_state_has_been_seen_for_real() -> None:
    said = "".join(load(name).text for name in names(REAL, "squeue"))
    real = {line.split("|")[1] for line in said.splitlines() if line.count("|") == 5}

    assert set(WORDS) - ONLY_IN_THE_MANUAL == real


@BOTH
@pytest.mark.parametrize(("code", "word", "state", "failure"), MANUAL)
def test_word_of_the_manual_is_known(
    read: Read, code: str, word: str, state: JobState, failure: Failure | None
) -> None:
    seen = read(("7", word))["7"][None]

    assert (state, failure, word) == (seen.state, seen.failure, seen.native_state)


@BOTH
@pytest.mark.parametrize(("code", "word", "state", "failure"), MANUAL)
def test_word_counts_for_a_task_alone(
    read: Read, code: str, word: str, state: JobState, failure: Failure | None
) -> None:
    seen = read(("7_3", word), ("7_[4-6%2]", "PENDING"), ("7_2", "RUNNING"))["7"]

    assert (state, failure) == (seen[3].state, seen[3].failure)
    assert {2, 3, 4, 5, 6} == set(seen)
    assert {JobState.QUEUED} == {seen[task].state for task in (4, 5, 6)}


@BOTH
@pytest.mark.parametrize("code", [code for code, *_ in MANUAL])
def test_short_code_is_never_asked_for_and_says_nothing(read: Read, code: str) -> None:
    assert "%t" not in SLURM.status_command(["7"]).argv[-1]
    assert read(("7", code))["7"][None].state is None


@BOTH
@pytest.mark.parametrize("word", INVENTED)
def test_unknown_word_says_nothing_and_touches_nobody_else(read: Read, word: str) -> None:
    seen = read(("8", "RUNNING"), ("7", word), ("9_1", "PENDING"), ("9_2", word), ("9_3", "COMPLETED"))

    assert (None, None, word) == (
        seen["7"][None].state,
        seen["7"][None].failure,
        seen["7"][None].native_state,
    )
    assert JobState.RUNNING is seen["8"][None].state
    assert {1: JobState.QUEUED, 2: None, 3: JobState.COMPLETED} == {
        task: row.state for task, row in seen["9"].items()
    }


@BOTH
@pytest.mark.parametrize("word", WORDS)
def test_word_that_was_cut_is_known_only_while_it_can_mean_no_other(read: Read, word: str) -> None:
    for length in range(len(word) + 1):
        cut = f"{word[:length]}+"
        meant = [known for known in (*WORDS, *LATER) if known.startswith(word[:length])]

        seen = read(("7", cut), ("8", "RUNNING"))

        assert (seen["7"][None].state is not None) == (meant == [word]), cut
        assert JobState.RUNNING is seen["8"][None].state


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        # sacct's columns are 10 wide where nobody asked for more
        ("CANCELLED+", JobState.CANCELLED),
        ("OUT_OF_ME+", JobState.FAILED),
        ("COMPLETI+", JobState.RUNNING),
        ("COMPLETE+", JobState.COMPLETED),
        ("COMPLET+", None),
        ("REQUEUE_+", None),
        ("RE+", None),
        ("S+", None),
    ],
)
def test_cut_words_as_they_come(cut: str, state: JobState | None) -> None:
    assert state is accounting(("7", cut))["7"][None].state


@pytest.mark.parametrize("word", ["CANCELLED by 0", "CANCELLED by 1000", "CANCELLED by 4294967294"])
def test_cancelled_by_somebody_is_cancelled_and_keeps_the_name(word: str) -> None:
    seen = accounting(("7", word), ("8_1", word), ("8_2", "RUNNING"))

    assert (JobState.CANCELLED, word) == (seen["7"][None].state, seen["7"][None].native_state)
    assert (JobState.CANCELLED, JobState.RUNNING) == (seen["8"][1].state, seen["8"][2].state)


# -- what an administrator's hand brings about


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("stopped", JobState.SUSPENDED, None),
        ("completing", JobState.RUNNING, None),
        ("deadline", JobState.FAILED, "DeadLine"),
        ("reservation-deleted", JobState.HELD, "Reservation soon was deleted"),
        ("special-exit", JobState.HELD, "job requeued in held state"),
        pytest.param(
            "requeue-hold",
            JobState.HELD,
            "job requeued in held state",
        ),
    ],
)
def test_rare_states_as_they_were_seen(name: str, state: JobState, reason: str | None) -> None:
    answer = load(f"{REAL}/squeue-{name}")
    native_id = answer.text.partition("|")[0]

    seen = SLURM.parse_status(answer, [native_id])[native_id][None]

    assert (state, reason) == (seen.state, seen.reason)


@pytest.mark.parametrize("program", ["squeue", "sacct", "scontrol"])
def test_deadline_is_a_time_limit_to_all_three(program: str) -> None:
    answer = load(f"{REAL}/{program}-deadline")
    read = SLURM.parse_status if program == "squeue" else SLURM.parse_history

    seen = read(answer, ["3"])["3"][None]

    assert (JobState.FAILED, Failure.TIMEOUT) == (seen.state, seen.failure)
    assert seen.started_at is None


# -- limits


@pytest.mark.parametrize("name", names(REAL, "sbatch-limit"))
def test_limit_is_told_in_slurms_own_words(name: str) -> None:
    with pytest.raises(SchedulerError, match=r"Limit|Invalid job array"):
        SLURM.parse_submit(load(name))


def test_tasks_above_a_limit_wait_with_the_reason() -> None:
    tasks = SLURM.parse_status(load(f"{REAL}/squeue-limit-running"), ["4"])["4"]

    assert {0: None, 1: None, 2: "QOSMaxJobsPerUserLimit", 3: "QOSMaxJobsPerUserLimit"} == {
        task: seen.reason for task, seen in tasks.items()
    }


def test_largest_array_is_known_from_the_probe() -> None:
    assert 11 == SLURM.parse_probe(load(f"{REAL}/probe-limited")).max_array_size
