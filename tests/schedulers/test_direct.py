"""The dialect of plain processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pytest

from jobferry.conformance import schedulers
from jobferry.errors import SpecError, SubmitRefused
from jobferry.model.command import CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.spec import JobSpec, Resources
from jobferry.model.status import JobState
from jobferry.model.warning import WarningSignal
from jobferry.schedulers.direct import STATES, Direct

ONE, TWO, THREE = (f"node1:{pid}:8812345:0123456789ab" for pid in (411, 412, 413))


class TestDirect(schedulers.SchedulerSuite):
    scheduler = Direct()
    accepted: ClassVar[Mapping[str, Sequence[str]]] = {
        ONE: (f"{ONE}\n", f"  {ONE} \r\n"),
        f"host-2.site:7:0:{'z' * 12}": (f"host-2.site:7:0:{'z' * 12}\n",),
    }
    refused = ("jobferry: out/launch: cannot create: No space left on device",)
    ambiguous = ((137, ""), (143, "Terminated"))
    ids = (ONE, TWO, THREE)
    states = STATES
    failed_queries = ((1, "sh: cannot fork"), (127, ""))
    facts = MachineFacts(scheduler="direct")

    def queue(self, words: Mapping[str, str]) -> str:
        return "".join(f"{native_id} {word}\n" for native_id, word in words.items())


DIRECT = Direct()


def answer(stdout: str, code: int = 0) -> CommandResult:
    return CommandResult(exit_code=code, stdout=stdout.encode())


def test_what_is_gone_is_absent() -> None:
    seen = DIRECT.parse_status(answer(f"{ONE} gone\n{TWO} R\n"), [ONE, TWO])

    assert {TWO: JobState.RUNNING} == {native_id: tasks[None].state for native_id, tasks in seen.items()}


def test_what_runs_elsewhere_is_not_gone() -> None:
    seen = DIRECT.parse_status(answer(f"{ONE} elsewhere\n"), [ONE])

    assert (None, "elsewhere") == (seen[ONE][None].state, seen[ONE][None].native_state)
    assert DIRECT.explain("elsewhere") is not None


def test_job_that_was_started_is_found_by_its_record() -> None:
    name, gone = "a b-0123456789ab", "job-0123456789ac"

    assert DIRECT.parse_find(answer(f"{ONE} {name}\n"), [name, gone]) == {name: ONE, gone: None}
    assert DIRECT.parse_find(answer(f"motd: 12:00:01 up\n{ONE} {name}\n"), [name, gone]) == {name: ONE}


def test_program_without_a_word_is_refused_in_ours() -> None:
    with pytest.raises(SubmitRefused, match="could not be started"):
        DIRECT.parse_submit(answer("", 1))


@pytest.mark.parametrize(
    "asked",
    [
        Resources(mem=1024**3),
        Resources(partition="debug"),
        Resources(gpus_per_node=1),
        Resources(exclusive=True),
        Resources(nodes=2),
        Resources(ntasks_per_node=2),
        Resources(account="lab"),
    ],
    ids=lambda asked: next(iter(asked.given())),
)
def test_what_only_a_batch_system_can_give_is_refused_by_name(asked: Resources) -> None:
    with pytest.raises(SpecError) as caught:
        DIRECT.directives(JobSpec(command=("true",), resources=asked), "job-0123456789ab")

    assert next(iter(asked.given())).replace("_", "-") in caught.value.message


def test_what_one_machine_satisfies_is_taken() -> None:
    asked = Resources(nodes=1, ntasks=4, cpus_per_task=2, time=timedelta(minutes=5), exclusive=False)

    assert DIRECT.directives(JobSpec(command=("true",), resources=asked), "job-0123456789ab")


def test_warning_without_a_limit_is_refused() -> None:
    warning = WarningSignal(name="USR1", before=timedelta(minutes=1))

    with pytest.raises(SpecError, match="time limit"):
        DIRECT.directives(JobSpec(command=("true",), signal=warning), "job-0123456789ab")


def test_native_flags_are_refused() -> None:
    with pytest.raises(SpecError, match="--gres=gpu:1"):
        DIRECT.directives(JobSpec(command=("true",), native=("--gres=gpu:1",)), "job-0123456789ab")


def test_there_is_nothing_to_hold() -> None:
    for ask in (DIRECT.hold_command, DIRECT.release_command):
        with pytest.raises(SpecError):
            ask([ONE])
