"""Sweeps acted on again: run anew, reset and forgotten by one handle while another goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

import jobferry as jf
from jobferry.errors import ResultError, SpecError
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState


def show(p: object) -> str:
    return repr(p)


def total(v: list[int]) -> int:
    return sum(v)


def test_all_are_run_anew_with_what_they_were_given(here: Machine, elsewhere: Machine) -> None:
    given: list[dict[str, object]] = [{"p": Path("/a")}, {"p": (1, 2)}, {"p": b"x"}, {"p": {1: 2}}]
    first = here.sweep(show, given, name="again").results(60)

    found = elsewhere.sweep(show, [{"p": 3}], name="again")
    with pytest.raises(SpecError, match="not known in this process, only in words"):
        found.retry(failed=False)
    found.wait(60).add(given)

    assert ["PosixPath('/a')", "(1, 2)", "b'x'", "{1: 2}"] == first
    assert [*first, "3"] == found.retry(failed=False).results(60)


def test_nothing_is_forgotten_of_a_sweep_that_cannot_be_run_anew(here: Machine, elsewhere: Machine) -> None:
    here.sweep(show, jf.grid(p=[1, 2]), name="kept").results(60)

    with pytest.raises(SpecError, match="is not known here"):
        elsewhere.sweep(name="kept").retry(failed=False)

    assert ["1", "2"] == here.sweep(name="kept").results(60)


def test_reset_forgets_nothing_that_another_handle_has_running(
    here: Machine, elsewhere: Machine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def wait(x: int) -> int:
        while x == 2 and not gate.exists():
            time.sleep(0.05)
        return x

    stale = here.sweep(wait, [{"x": 1}], name="shared").wait(60)
    going = elsewhere.sweep(wait, [{"x": 1}, {"x": 2}], name="shared")

    with pytest.raises(SpecError, match="has not ended"):
        stale.reset()
    gate.touch()

    assert [1, 2] == going.results(60)
    stale.reset()
    assert 0 == len(here.sweep(name="shared"))


def test_value_changed_after_it_was_added_is_refused(here: Machine) -> None:
    sweep, values = here.sweep(total, [], name="lazy"), []
    for number in (1, 2, 3):
        values.append(number)
        sweep.add(v=values)

    with pytest.raises(SpecError, match="changed since it was added"):
        sweep.submit()


def test_list_of_one_stands_first_too(here: Machine) -> None:
    here.sweep(show, [{"p": 1}], name="order")

    assert ["2", "1"] == here.sweep(show, [{"p": 2}], name="order").results(60)


def test_task_that_left_without_a_result_has_failed(here: Machine) -> None:
    def leave(x: int) -> int:
        if x:
            os._exit(0)
        return x

    sweep = here.sweep(leave, jf.grid(x=[0, 1, 2])).wait(60)
    found = sweep.results(60, return_exceptions=True)
    began = here.opened_client.clock.monotonic()
    again = sweep.results(60, return_exceptions=True)

    assert [int, ResultError, ResultError] == [type(each) for each in found] == [type(each) for each in again]
    # what has been waited for in vain is not waited for again
    assert here.opened_client.clock.monotonic() - began < 5
    assert [1, 2] == [task.index for task in sweep.failed]


def test_exception_that_counts_as_false_is_one(here: Machine) -> None:
    class Empty(Exception):
        def __len__(self) -> int:
            return 0

    def fail(x: int) -> None:
        raise Empty(x)

    found = here.sweep(fail, [{"x": 1}]).results(60, return_exceptions=True)

    assert ["Empty"] == [type(each).__name__ for each in found]


def test_parameters_called_like_an_outcome_are_in_the_table(here: Machine) -> None:
    def product(state: int, error: int) -> int:
        return state * error

    rows = here.sweep(product, [{"state": 2, "error": 3}]).wait(60).to_records()

    assert [{"param_state": 2, "param_error": 3, "state": "COMPLETED", "result": 6, "error": None}] == rows


def test_wait_submits_what_was_added(here: Machine) -> None:
    sweep = here.sweep(show, []).add(p=1).wait(60)

    assert [JobState.COMPLETED] == [task.state for task in sweep.tasks]


def test_parameters_for_nothing_are_refused(here: Machine) -> None:
    here.sweep(show, [{"p": 1}], name="mere")

    with pytest.raises(SpecError, match="what they are for"):
        here.sweep(name="mere", params=[{"p": 2}])


def test_array_of_a_sweep_is_its_own(here: Machine) -> None:
    with pytest.raises(SpecError, match="array of its own"):
        here.sweep(show, [{"p": 1}], array="0-3")


def test_half_a_character_is_refused_before_anything_is_stored(here: Machine) -> None:
    with pytest.raises(SpecError, match="half of a character"):
        here.sweep(["echo", "{x}"], [{"x": "\ud83d"}])

    assert [] == here.jobs()


def test_tasks_are_removed_once_and_looked_at_first(here: Machine) -> None:
    sweep = here.sweep(show, [{"p": 1}, {"p": 2}])
    here.sweep(name=sweep.name).wait(60)

    gone = sweep.tasks[0]
    sweep.remove(gone).remove(gone)

    assert ["2"] == sweep.results(60)


def test_inputs_that_would_hide_each_other_are_refused(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "same").mkdir()
    for name in ("0", "x.txt"):
        (tmp_path / name).write_text(name)

    for inputs, words in (
        (["same", "{p}.txt:same/{p}"], "share"),
        (["0"], "folder of a task"),
        ([Path("0")], "folder of a task"),
    ):
        with pytest.raises(SpecError, match=words):
            here.sweep(["cat", "{p}"], [{"p": "x"}], inputs=inputs)


def test_files_with_colons_and_brackets_in_their_names(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        (tmp_path / f"a:{number:02d}[x].txt").write_text(str(number))

    sweep = here.sweep(
        "cat in >out-{to}",
        [{"f": f"a:{number:02d}[x].txt", "to": f"b[{number}].txt"} for number in (1, 2)],
        inputs=["{f}:in"],
        outputs=["out-{to}"],
    ).wait(60)
    home = sweep.fetch(tmp_path / "home")

    assert {"out-b[1].txt": "1", "out-b[2].txt": "2"} == {
        str(path.relative_to(tmp_path / "home")): path.read_text() for path in home
    }


def test_variables_of_a_shell_line_are_the_shells(here: Machine) -> None:
    sweep = here.sweep("x=5; echo ${x} ${nothing:-none} {p:03d}", [{"p": 7}])

    assert ["5 none 007\n"] == sweep.results(60)


def test_failed_command_among_many_tells_its_code(here: Machine) -> None:
    sweep = here.sweep("exit {code}", [{"code": 3}, {"code": 0}], tasks_per_job=2)

    error = sweep.results(60, return_exceptions=True)[0]

    assert "the command ended with exit code 3" == str(error)


@pytest.mark.parametrize("params", [[{"p": 10**5000}], 5])
def test_parameters_that_are_none_are_refused(here: Machine, params: Any) -> None:
    with pytest.raises(SpecError):
        here.sweep(show, params)
    with pytest.raises(SpecError):
        here.sweep(show, [{"p": 1}], name=5)  # type: ignore[arg-type]


def test_tasks_of_a_job_take_as_many_processors_as_it_asks_for(here: Machine) -> None:
    def process(x: int) -> int:
        time.sleep(0.2)
        return os.getpid()

    sweep = here.sweep(process, jf.grid(x=range(3)), tasks_per_job=3, cpus_per_task=1)

    assert 1 == len(set(sweep.results(60)))
