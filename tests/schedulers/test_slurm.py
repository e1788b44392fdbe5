"""The dialect of Slurm, against what Slurm 22.05.8 really printed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.conformance import schedulers
from jobferry.errors import ParseError, SchedulerBusy, SchedulerError, SpecError, SubmitRefused
from jobferry.model.command import CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.spec import JobSpec, Resources, parse_array
from jobferry.model.status import Failure, JobState
from jobferry.model.warning import WarningSignal
from jobferry.schedulers.base import Observation
from jobferry.schedulers.slurm import Slurm
from jobferry.schedulers.slurm_words import REASONS, REFUSALS, STATES
from tests.schedulers.captures import load, names

REAL = "slurm/22.05.8"
SLURM = Slurm()
ACCOUNTING = MachineFacts(scheduler="slurm", accounting=True)
NO_ACCOUNTING = MachineFacts(scheduler="slurm")


class TestSlurm(schedulers.SchedulerSuite):
    scheduler = SLURM
    accepted: ClassVar[Mapping[str, Sequence[str]]] = {
        "1": (load(f"{REAL}/sbatch-ok").text,),
        "3": (load(f"{REAL}/sbatch-ok-not-parsable").text,),
        "67108869": ("67108869;east\n", "67108869;east \r\n"),
    }
    refused = tuple(load(name).stderr.decode() for name in names(REAL, "sbatch-refused"))
    ambiguous = (
        (1, load(f"{REAL}/sbatch-frozen").stderr.decode()),
        (1, load(f"{REAL}/sbatch-gone").stderr.decode()),
        (1, "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received"),
        (1, "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"),
        (1, "sbatch: error: Batch job submission failed: Message receive failure"),
        (1, "sbatch: error: Batch job submission failed: Transport endpoint is not connected"),
        (1, ""),
        (137, "Killed"),
        (143, ""),
    )
    ids = ("411", "412", "413")
    states: ClassVar[Mapping[str, JobState]] = {word: state for word, (state, _) in STATES.items()}
    failed_queries = tuple(
        (1, load(f"{REAL}/{name}").stderr.decode())
        for name in ("squeue-frozen", "squeue-gone", "sacct-gone", "find-accounting-gone")
    )
    # without accounting, each of a few jobs is asked for on its own
    commands = 8
    facts = ACCOUNTING

    def queue(self, words: Mapping[str, str]) -> str:
        return "".join(f"{native_id}|{word}|N/A||None\n" for native_id, word in words.items())

    def history(self, words: Mapping[str, str]) -> str:
        return "".join(f"{native_id}|{word}|0:0|Unknown|Unknown|n1\n" for native_id, word in words.items())


def answer(stdout: str, code: int = 0, stderr: str = "") -> CommandResult:
    return CommandResult(exit_code=code, stdout=stdout.encode(), stderr=stderr.encode())


def asked_id(name: str) -> str:
    """Find the one id that a capture asks for."""
    queue = load(f"{REAL}/squeue-{name}").text
    found = re.search(r"^\d+", queue, re.MULTILINE)
    assert found is not None
    return found[0]


def queue_of(name: str) -> Mapping[int | None, Observation]:
    native_id = asked_id(name)
    return SLURM.parse_status(load(f"{REAL}/squeue-{name}"), [native_id])[native_id]


def history_of(program: str, name: str) -> Mapping[int | None, Observation]:
    native_id = asked_id(name)
    return SLURM.parse_history(load(f"{REAL}/{program}-{name}"), [native_id])[native_id]


# -- states

OUTCOMES = [
    ("completed", JobState.COMPLETED, None, 0, None),
    ("failed", JobState.FAILED, Failure.EXIT_CODE, 3, None),
    ("signal", JobState.FAILED, Failure.SIGNAL, None, 11),
    ("launch-failed", JobState.FAILED, Failure.LAUNCH, None, None),
    ("out-of-memory", JobState.FAILED, Failure.OUT_OF_MEMORY, None, None),
    ("node-fail", JobState.FAILED, Failure.NODE_FAIL, 0, None),
]


@pytest.mark.parametrize("program", ["sacct", "scontrol"])
@pytest.mark.parametrize(("name", "state", "failure", "code", "signal"), OUTCOMES)
def test_ended_job(
    program: str, name: str, state: JobState, failure: Failure | None, code: int | None, signal: int | None
) -> None:
    seen = history_of(program, name)[None]

    assert (state, failure, code, signal) == (seen.state, seen.failure, seen.exit_code, seen.signal)
    assert seen.started_at is not None
    assert seen.ended_at is not None
    assert len(seen.nodes) == 1


@pytest.mark.parametrize("program", ["sacct", "scontrol"])
@pytest.mark.parametrize(
    ("name", "state", "failure"),
    [
        ("timeout", JobState.FAILED, Failure.TIMEOUT),
        ("preempted", JobState.FAILED, Failure.PREEMPTED),
        ("cancelled", JobState.CANCELLED, None),
    ],
)
def test_job_that_was_ended(program: str, name: str, state: JobState, failure: Failure | None) -> None:
    seen = history_of(program, name)[None]

    assert (state, failure) == (seen.state, seen.failure)


@pytest.mark.parametrize("program", ["sacct", "scontrol"])
@pytest.mark.parametrize("name", ["cancelled-held", "resources"])
def test_job_cancelled_before_its_start_never_began(program: str, name: str) -> None:
    for seen in (history_of(program, name)[None], queue_of(name)[None]):
        assert (JobState.CANCELLED, None, None, ()) == (seen.state, seen.reason, seen.started_at, seen.nodes)


def test_job_killed_for_its_dependency_has_failed_of_it() -> None:
    for seen in (queue_of("dependency-killed")[None], history_of("scontrol", "dependency-killed")[None]):
        assert (JobState.FAILED, Failure.DEPENDENCY) == (seen.state, seen.failure)
        assert seen.reason == "DependencyNeverSatisfied"


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("running", JobState.RUNNING, None),
        ("suspended", JobState.SUSPENDED, None),
        ("held", JobState.HELD, "JobHeldUser"),
        ("partition-down", JobState.QUEUED, "PartitionDown"),
        ("begin-time", JobState.QUEUED, "BeginTime"),
        ("requeued", JobState.QUEUED, "BeginTime"),
        ("dependency-never", JobState.QUEUED, "DependencyNeverSatisfied"),
        ("completed", JobState.COMPLETED, None),
        ("timeout", JobState.FAILED, "TimeLimit"),
        ("out-of-memory", JobState.FAILED, "OutOfMemory"),
        ("node-fail", JobState.FAILED, "NodeDown"),
    ],
)
def test_job_in_the_queue(name: str, state: JobState, reason: str | None) -> None:
    seen = queue_of(name)[None]

    assert (state, reason) == (seen.state, seen.reason)
    assert (seen.started_at is None) == (state in (JobState.QUEUED, JobState.HELD))
    assert reason is None or SLURM.explain(reason)


def test_times_are_utc() -> None:
    seen = SLURM.parse_status(answer("7|RUNNING|1795236515|n1|None\n"), ["7"])["7"][None]

    assert datetime(2026, 11, 21, 4, 48, 35, tzinfo=UTC) == seen.started_at


def test_requeued_job_counts_its_starts() -> None:
    assert history_of("scontrol", "requeued")[None].restarts == 1


def test_all_states_of_the_manual_and_its_flags_are_known() -> None:
    manual = """BOOT_FAIL CANCELLED COMPLETED CONFIGURING COMPLETING DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY
        PENDING PREEMPTED RUNNING RESV_DEL_HOLD REQUEUE_FED REQUEUE_HOLD REQUEUED RESIZING REVOKED SIGNALING
        SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED TIMEOUT LAUNCH_FAILED RECONFIG_FAIL POWER_UP_NODE"""

    assert set(manual.split()) == set(STATES)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CANCELLED by 1000", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("OUT_OF_ME+", JobState.FAILED),
        ("COMPLET+", None),
        ("+", None),
        ("", None),
        ("NEW_IN_99 by 3", None),
    ],
)
def test_words_that_are_longer_or_shorter_than_the_state(word: str, state: JobState | None) -> None:
    seen = SLURM.parse_history(answer(f"7|{word}|0:0|1|2|n1\n"), ["7"])["7"][None]

    assert (state, word) == (seen.state, seen.native_state)


@pytest.mark.parametrize(
    ("word", "code", "failure", "exit_code", "signal"),
    [
        ("FAILED", "0:53", Failure.LAUNCH, None, None),
        ("OUT_OF_MEMORY", "0:125", Failure.OUT_OF_MEMORY, None, None),
        ("FAILED", "0:9", Failure.SIGNAL, None, 9),
        ("FAILED", "1:0", Failure.EXIT_CODE, 1, None),
        ("TIMEOUT", "0:15", Failure.TIMEOUT, None, 15),
        ("FAILED", "", Failure.EXIT_CODE, None, None),
        ("FAILED", "x:y", Failure.EXIT_CODE, None, None),
        ("FAILED", "9" * 5000 + ":0", Failure.EXIT_CODE, None, None),
    ],
)
def test_exit_codes(
    word: str, code: str, failure: Failure, exit_code: int | None, signal: int | None
) -> None:
    seen = SLURM.parse_history(answer(f"7|{word}|{code}|1|2|n1\n"), ["7"])["7"][None]

    assert (failure, exit_code, signal) == (seen.failure, seen.exit_code, seen.signal)


# -- ids


def test_tasks_that_wait_share_a_line() -> None:
    tasks = queue_of("array")

    running = [task for task, seen in tasks.items() if seen.state is JobState.RUNNING]
    assert {1, 2} == set(running)
    assert {*range(1, 7), 9, *range(12, 41, 4)} == set(tasks)


@pytest.mark.parametrize("program", ["sacct", "scontrol"])
def test_tasks_in_accounting(program: str) -> None:
    tasks = history_of(program, "array-done")

    assert {0: 0, 1: 1, 2: 2, 3: 3} == {task: seen.exit_code for task, seen in tasks.items()}
    assert set(queue_of("array")) == set(history_of(program, "array"))


@pytest.mark.parametrize(
    ("cut", "tasks"),
    [
        ("7_[4-9%2]", [4, 5, 6, 7, 8, 9]),
        ("7_[0-6:3]", [0, 3, 6]),
        ("7_[1-3,20-29,40,44,7", [1, 2, 3, *range(20, 30), 40, 44]),
        ("7_[1-3,5-...]", [1, 2, 3]),
        ("7_[1-3,5...]", [1, 2, 3]),
        ("7_[12", []),
        ("7_[x-y]", []),
        ("7_[]", []),
        ("7_5", [5]),
    ],
)
def test_list_of_tasks_that_was_cut_names_those_before_the_cut(cut: str, tasks: list[int]) -> None:
    seen = SLURM.parse_status(answer(f"{cut}|PENDING|N/A||None\n8|RUNNING|N/A|n1|None\n"), ["7", "8"])

    assert tasks == sorted(task for task in seen.get("7", {}) if task is not None)
    assert seen["8"][None].state is JobState.RUNNING


def test_long_lists_are_asked_for_whole() -> None:
    assert SLURM.status_command(["1"]).environment["SLURM_BITSTR_LEN"] == "0"


def test_first_part_of_a_heterogeneous_job_speaks_for_it() -> None:
    said = answer("63+1|FAILED|1|n2|None\n63+0|RUNNING|1|n1|None\n63+2|FAILED|1|n3|None\n")

    assert queue_of("het")[None].state is JobState.HELD
    assert history_of("sacct", "het")[None].state is JobState.QUEUED
    assert SLURM.parse_status(said, ["63"])["63"][None].state is JobState.RUNNING


def test_one_answer_tells_of_all_jobs() -> None:
    wanted = [str(number) for number in range(1, 40)]

    seen = SLURM.parse_status(load(f"{REAL}/squeue-everything"), wanted)

    assert len(seen) == 29
    assert seen["36"][None].state is JobState.HELD


# -- what is not there


def test_forgotten_job_is_absent_and_no_failure() -> None:
    assert {} == SLURM.parse_status(load(f"{REAL}/squeue-purged"), ["1"])
    assert {} == SLURM.parse_status(load(f"{REAL}/squeue-purged-several"), ["1", "2"])
    assert {} == SLURM.parse_history(load(f"{REAL}/scontrol-purged"), ["1"])


@pytest.mark.parametrize("program", ["sacct", "scontrol"])
def test_forgotten_job_among_others_is_absent(program: str) -> None:
    completed, failed = asked_id("completed"), asked_id("failed")

    seen = SLURM.parse_history(load(f"{REAL}/{program}-several"), [completed, "999999", failed])

    assert {completed, failed} == set(seen)


def test_controller_without_any_job_has_not_failed() -> None:
    assert {} == SLURM.parse_history(answer("No jobs in the system\n"), ["7"])


def test_question_of_which_a_part_was_not_answered_says_nothing() -> None:
    some = load(f"{REAL}/scontrol-completed")
    busy = load(f"{REAL}/scontrol-frozen")

    with pytest.raises(SchedulerBusy, match=r"^slurm_load_jobs error: Socket timed out"):
        SLURM.parse_history(replace(some, stderr=busy.stderr), [asked_id("completed")])


def test_disabled_accounting_knows_nothing_which_is_an_answer() -> None:
    assert {} == SLURM.parse_history(load(f"{REAL}/sacct-disabled"), ["1"])


def test_name_that_looks_like_fields_changes_nothing() -> None:
    real = load(f"{REAL}/scontrol-failed").text
    name = real.partition(" JobName=")[2].partition(" UserId=")[0]
    forged = real.replace(f"JobName={name}", "JobName=a JobState=COMPLETED ExitCode=0:0")
    forged = forged.replace(" Power=", " Comment=JobState=COMPLETED JobState=COMPLETED Power=")

    seen = SLURM.parse_history(answer(forged), [asked_id("failed")])

    assert seen[asked_id("failed")][None].exit_code == 3


@given(st.text(st.sampled_from("0123456789_[]-:,%+| .\n\r\x00abRUNIGé"), max_size=60))
def test_no_line_can_break_the_readers(text: str) -> None:
    said = CommandResult(exit_code=0, stdout=text.encode())

    for read in (SLURM.parse_status, SLURM.parse_history):
        with suppress(ParseError):
            read(said, ["7", "0", "1"])
    with suppress(SchedulerBusy):
        SLURM.parse_find(said, ["job-0123456789ab"])


@given(st.lists(st.text(max_size=20).filter(lambda text: "|" not in text), min_size=5, max_size=6))
def test_no_field_can_break_the_readers(fields: list[str]) -> None:
    for native_id in ("7", "7_3", "7_[1-2]"):
        said = CommandResult(exit_code=0, stdout="|".join([native_id, *fields[1:]]).encode())
        for read in (SLURM.parse_status, SLURM.parse_history):
            with suppress(ParseError):
                read(said, ["7"])


# -- looking up


def test_job_is_found_by_its_name() -> None:
    name = "unique-name-0123456789ab"

    assert SLURM.parse_find(load(f"{REAL}/find-known"), [name]) == {name: "1"}
    assert SLURM.parse_find(load(f"{REAL}/find-unknown"), [name]) == {name: None}


def test_jobs_are_looked_up_together_and_only_what_is_certain_is_absent() -> None:
    here, gone = "a b-0123456789ab", "c|d-0123456789ac"
    rows = f"17_4|{here}\n17_[5-9]|{here}\n"

    assert SLURM.parse_find(answer(rows), [here, gone]) == {here: "17", gone: None}
    # with a banner, or half an answer, what was found counts, and what was not is not known
    assert SLURM.parse_find(answer(f"motd 12\n{rows}"), [here, gone]) == {here: "17"}
    assert SLURM.parse_find(answer(rows, 1), [here, gone]) == {here: "17"}
    assert f"{here},{gone}" in SLURM.find_command([here, gone], ACCOUNTING).argv


@pytest.mark.parametrize("name", ["find-frozen", "find-gone", "find-accounting-gone"])
def test_search_that_failed_does_not_say_unknown(name: str) -> None:
    with pytest.raises(SchedulerBusy):
        SLURM.parse_find(load(f"{REAL}/{name}"), ["unique-name-0123456789ab"])


def test_name_is_written_as_it_is_looked_up() -> None:
    name = "a, b-0123456789ab"

    directives = SLURM.directives(JobSpec(command=("true",)), name)

    assert '--job-name="a_ b-0123456789ab"' in directives
    assert "a_ b-0123456789ab" in SLURM.find_command([name], ACCOUNTING).argv


# -- submitting


@pytest.mark.parametrize("name", names(REAL, "sbatch-refused"))
def test_refusal_starts_with_slurms_own_words(name: str) -> None:
    with pytest.raises(SubmitRefused, match=r"^sbatch: "):
        SLURM.parse_submit(load(name))


@pytest.mark.parametrize(
    "case",
    ["account", "array-form", "constraint", "gpus", "memory", "nodes", "partition", "qos", "reservation"],
)
def test_refusal_has_a_next_step(case: str) -> None:
    with pytest.raises(SubmitRefused) as caught:
        SLURM.parse_submit(load(f"{REAL}/sbatch-refused-{case}"))

    assert caught.value.hint in REFUSALS.values()


def test_dependencies_are_one_flag() -> None:
    command = SLURM.submit_command("launch.slurm", "0123456789ab", {"afterok": ["1", "2"], "afterany": ["3"]})

    assert "--dependency=afterok:1:2,afterany:3" in command.argv
    assert "--kill-on-invalid-dep=yes" in command.argv


# -- directives


def directives(spec: JobSpec) -> tuple[str, ...]:
    return SLURM.directives(spec, "job-0123456789ab")


def test_resources_are_sbatchs_options() -> None:
    asked = Resources(
        nodes=2,
        cpus_per_task=4,
        gpus_per_node=2,
        gpu_type="a100",
        mem=6 * 1024**3,
        time=timedelta(days=1, hours=2),
        constraint="[f1&f2]",
        exclusive=True,
    )

    written = directives(JobSpec(command=("true",), resources=asked))

    assert {
        "--nodes=2",
        "--cpus-per-task=4",
        "--gpus-per-node=a100:2",
        "--mem=6G",
        "--time=1-02:00:00",
        '--constraint="[f1&f2]"',
        "--exclusive",
    } <= set(written)


def test_array_and_warning() -> None:
    warning = WarningSignal(name="USR2", before=timedelta(minutes=2))
    written = directives(JobSpec(command=("true",), array=parse_array("0-3,7%2"), signal=warning))

    assert "--array=0-3,7%2" in written
    assert "--output=out/launch.%a" in written
    assert "--signal=B:USR2@120" in written


def test_native_flags_are_last_and_as_they_are() -> None:
    native = ("--gres=gpu:1 --comment='a b'", "-x n7")

    assert native == directives(JobSpec(command=("true",), native=native))[-2:]


@pytest.mark.parametrize(
    "flag", ["--job-name=x", "-J x", "-Jx", "--array=0-3", "-a0-3", " --quiet", "--wait", "-W"]
)
def test_native_flag_that_would_lose_the_job_is_refused(flag: str) -> None:
    with pytest.raises(SpecError):
        directives(JobSpec(command=("true",), native=(flag,)))


def test_native_flag_that_only_begins_alike_is_taken() -> None:
    assert directives(JobSpec(command=("true",), native=("--wait-all-nodes=1", "--no-requeue")))


# -- what is there


def test_probe() -> None:
    facts = SLURM.parse_probe(load(f"{REAL}/probe-accounting"))

    assert facts.scheduler_version == "22.05.8"
    assert (20001, 300, True) == (facts.max_array_size, facts.min_job_age, facts.accounting)
    assert facts.partitions[0] == "debug*|up|infinite|2|idle"
    assert not SLURM.parse_probe(load(f"{REAL}/probe-no-accounting")).accounting


def test_probe_tells_the_exit_codes_after_which_jobs_start_again() -> None:
    text = load(f"{REAL}/probe-accounting").text
    none, some = (
        f"{text}RequeueExit             = {codes}\nRequeueExitHold         = {held}\n"
        for codes, held in (("(null)", "(null)"), ("1-3,99", "7"))
    )

    assert () == SLURM.parse_probe(answer(none)).requeue_exits
    assert (1, 2, 3, 7, 99) == SLURM.parse_probe(answer(some)).requeue_exits


@pytest.mark.parametrize(
    "said", [answer("", 127, "sbatch: command not found"), answer("hello\n"), answer("")]
)
def test_probe_of_a_machine_without_slurm(said: CommandResult) -> None:
    with pytest.raises(SchedulerError) as caught:
        SLURM.parse_probe(said)

    assert caught.value.hint


@pytest.mark.parametrize("reason", [*REASONS, "(ReqNodeNotAvail, UnavailableNodes:n[1-3])"])
def test_reasons_are_explained(reason: str) -> None:
    assert SLURM.explain(reason)
