"""Sweeps on this machine: each task once, in order, in every process."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jobferry as jf
from jobferry.errors import JobFailed, SpecError
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState
from tests.functions.pythons import need_python


def multiply(a: int, b: int) -> int:
    print(f"{a} times {b}")
    if a == 13:
        raise ValueError("unlucky")
    return a * b


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_results_are_in_order(here: Machine) -> None:
    sweep = here.sweep(multiply, jf.grid(a=[1, 2], b=[3, 4]))

    assert [3, 4, 6, 8] == sweep.results(60)
    assert {JobState.COMPLETED: 4} == sweep.counts
    assert ["1 times 3\n", "2 times 4\n"] == [sweep.tasks[0].stdout(), sweep.tasks[3].stdout()]
    assert 1 == len(sweep.jobs) == len(here.jobs())


def test_same_sweep_is_found_again_and_nothing_runs_twice(
    here: Machine, elsewhere: Machine, tmp_path: Path
) -> None:
    log = tmp_path / "runs"

    def noted(a: int) -> int:
        with log.open("a") as file:
            file.write(f"{a}\n")
        return -a

    assert [-1, -2] == here.sweep(noted, jf.grid(a=[1, 2]), name="noted").results(60)
    later = elsewhere.sweep(noted, jf.grid(a=[2, 1, 3]), name="noted")

    assert [-2, -1, -3] == later.results(60)
    assert [1, 2] == [len(job.tasks) for job in reversed(later.jobs)]
    assert 3 == count_lines(log)
    assert [-1, -2, -3] == elsewhere.sweep(name="noted").results()


def test_changed_function_says_so(here: Machine) -> None:
    def versioned(x: int) -> int:
        return x + 1

    here.sweep(versioned, jf.grid(x=1), name="v").results(60)

    def versioned(x: int) -> int:  # type: ignore[no-redef]
        return x + 2

    with pytest.raises(SpecError, match="versioned has changed since the sweep 'v'") as caught:
        here.sweep(versioned, jf.grid(x=1), name="v")
    assert "force=True" in str(caught.value.hint)
    assert [3] == here.sweep(versioned, jf.grid(x=1), name="v", force=True).results(60)


def test_comment_and_position_are_no_change(here: Machine, tmp_path: Path) -> None:
    script = """
        import sys, jobferry as jf
        {padding}
        SCALE = {scale}
        def helper(x):
            return SCALE * x   # {comment}
        def f(x):
            return helper(x)
        m = jf.Machine(name="here", scheduler="direct", root=sys.argv[1])
        sweep = m.sweep(f, jf.grid(x=[1, 2]), name="s")
        print(sweep.results(), len(sweep.jobs), [job.id for job in sweep.jobs])
        """
    path = tmp_path / "script.py"

    def run(**parts: object) -> subprocess.CompletedProcess[str]:
        path.write_text(textwrap.dedent(script.format(**parts)))
        environment = {
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "JOBFERRY_STORE": str(tmp_path / "jobs.db"),
        }
        words = [sys.executable, str(path), str(tmp_path / "root")]
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)

    first = run(padding="", comment="one", scale=10)
    second = run(padding="# more\n", comment="another", scale=10)
    third = run(padding="", comment="one", scale=20)

    assert "[10, 20] 1" in first.stdout, first.stderr
    assert first.stdout == second.stdout
    assert "f has changed" in third.stderr


def test_adding_is_lazy_and_passes_over_what_is_there(here: Machine) -> None:
    sweep = here.sweep(multiply, name="lazy")
    sweep.add(a=1, b=2).add({"a": 1, "b": 2}).add([{"a": 3, "b": 4}, {"b": 2, "a": 1}])

    assert (2, 0) == (len(sweep), len(here.jobs()))
    assert [12, 2] == sweep.submit().results(60)
    with pytest.raises(SpecError, match="unexpected keyword argument 'c'"):
        sweep.add(a=1, b=2, c=2)


def test_failed_tasks_are_named_and_tried_again(here: Machine, tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    def needs_flag(x: int) -> int:
        if x == 2 and not flag.exists():
            raise FileNotFoundError(str(flag))
        return x

    sweep = here.sweep(needs_flag, jf.grid(x=[1, 2, 3]))
    sweep.wait(60)

    assert [1] == [task.index for task in sweep.failed]
    with pytest.raises(FileNotFoundError, match="flag"):
        sweep.results()
    flag.touch()
    assert [1, 2, 3] == sweep.retry(failed=True).results(60)
    assert [] == sweep.failed


def test_chunks_run_side_by_side_and_leave_one_file(here: Machine) -> None:
    sweep = here.sweep(multiply, jf.grid(a=range(1, 21), b=[1]), tasks_per_job=7)

    results = sweep.results(60, return_exceptions=True)

    assert [a for a in range(1, 21) if a != 13] == [r for r in results if isinstance(r, int)]
    assert [12] == [task.index for task in sweep.failed]
    assert "5 times 1\n" == sweep.tasks[4].stdout()
    assert "unlucky" in sweep.tasks[12].stderr()
    folder = Path(here.root) / "jobs" / sweep.jobs[0].id
    assert ["result.0", "result.1", "result.2"] == sorted(path.name for path in folder.glob("out/result.*"))


def test_chunk_goes_on_when_a_process_dies(here: Machine, tmp_path: Path) -> None:
    log = tmp_path / "runs"

    def dies(x: int) -> int:
        import os
        import signal

        with log.open("a") as file:
            file.write(f"{x}\n")
        if x == 2 and count_of(log, 2) == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        return x

    def count_of(path: Any, x: int) -> int:
        return int(path.read_text().split().count(str(x)))

    sweep = here.sweep(dies, jf.grid(x=range(6)), tasks_per_job=6)
    sweep.wait(60)

    with pytest.raises(JobFailed, match=r"signal 11 \(SIGSEGV\)"):
        sweep.tasks[2].result()
    assert [0, 1, 3, 4, 5] == [task.result() for task in sweep.tasks if task.index != 2]
    assert [0, 1, 2, 3, 4, 5] == sweep.retry().results(60)
    # only the one that died ran again
    assert 7 == count_lines(log)


def test_as_completed_yields_all(here: Machine) -> None:
    sweep = here.sweep(lambda x: x * x, jf.grid(x=range(4)), concurrency=2)

    assert {0, 1, 4, 9} == {task.result() for task in sweep.as_completed(60)}


def test_tasks_are_arguments_of_other_calls(here: Machine) -> None:
    sweep = here.sweep(multiply, jf.grid(a=[1, 13, 3], b=[5]))

    good = here.call(sum, [sweep.tasks[0], sweep.tasks[2]])
    bad = here.call(sum, [sweep.tasks[0], sweep.tasks[1]])

    assert 20 == good.result(60)
    with pytest.raises(
        JobFailed, match=r"task 1 of job \w+, whose result is an argument, failed: ValueError: unlucky"
    ):
        bad.result(60)


def test_arrays_and_fixed_arguments(here: Machine, elsewhere: Machine) -> None:
    def scaled(a: Any, by: int) -> Any:
        return a * by

    arrays = [np.arange(3), np.ones(2)]
    sweep = here.sweep(scaled, [{"a": array} for array in arrays], name="arrays", by=2)

    np.testing.assert_array_equal([0, 2, 4], sweep.results(60)[0])
    again = elsewhere.sweep(scaled, [{"a": array.copy()} for array in arrays], name="arrays", by=2)
    assert 1 == len(again.jobs)


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_sweep_on_another_python(here: Machine, minor: str) -> None:
    other = dataclasses.replace(here, python=need_python(minor))

    assert [2, 4] == other.sweep(multiply, jf.grid(a=[1, 2], b=2)).results(60)
    assert [2, 4, 6] == other.sweep(multiply, jf.grid(a=[1, 2, 3], b=2), tasks_per_job=2).results(60)


@pytest.mark.parametrize("chunk", [1, 2])
def test_text_is_a_shell_line_with_quoted_parameters(here: Machine, chunk: int) -> None:
    line = 'set -- {word}; echo "$#${{NONE}}" | tr -d "\\n"; echo ":$1"'

    sweep = here.sweep(line, jf.grid(word=["a b; exit 3", "$HOME 'x'\n"]), tasks_per_job=chunk)

    assert ["1:a b; exit 3\n", "1:$HOME 'x'\n\n"] == sweep.results()


def test_empty_commands_are_refused(here: Machine) -> None:
    for nothing in ("", " ", [], [""]):
        with pytest.raises(SpecError, match="no command"):
            here.sweep(nothing, [{"a": 1}])


def test_commands_are_swept(here: Machine) -> None:
    words = ["sh", "-c", 'printf "%s|" "$@"; test {n} != 2', "-", "{n}", "two words\nand a line", "{{n}}"]

    sweep = here.sweep(words, jf.grid(n=[1, 2]))
    found = sweep.results(60, return_exceptions=True)

    assert "1|two words\nand a line|{n}|" == found[0]
    assert isinstance(found[1], JobFailed)
    assert 1 == found[1].code


def test_commands_in_chunks(here: Machine) -> None:
    sweep = here.sweep(["sh", "-c", "echo {n}; exit {n}"], jf.grid(n=[0, 3, 0]), tasks_per_job=3)

    found = sweep.results(60, return_exceptions=True)

    assert "0\n" == found[0]
    assert isinstance(found[1], JobFailed)
    assert 3 == found[1].code
    assert "3\n" == sweep.tasks[1].stdout()


@pytest.mark.parametrize(
    "begin",
    [
        lambda m: m.sweep(["echo", "{b}"], [{"a": 1}]),
        lambda m: m.sweep(multiply, [{"a": 1}]),
        lambda m: m.sweep(multiply, [{"a": 1, "b": 2}], tme="5m"),
        lambda m: m.sweep(multiply, [3]),
        lambda m: m.sweep(multiply, [{"a": 1, "b": 2}], concurrency=0),
        lambda m: m.sweep(multiply, [{"a": 1, "b": 2}], array="0-3"),
        lambda m: m.sweep(name="never-made"),
        lambda m: m.sweep(multiply, jf.zipped(a=[1, 2], b=[1, 2, 3])),
        lambda m: m.sweep(multiply, [{"a": 1, "b": 2}], mem="4 apples"),
    ],
)
def test_what_cannot_be_is_refused_here(here: Machine, begin: Callable[[Machine], object]) -> None:
    with pytest.raises(SpecError):
        begin(here)

    assert [] == here.jobs()


@pytest.mark.parametrize("kind", ["function", "command"])
def test_files_of_tasks_do_not_clash(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("all.txt").write_text("all")
    for i in range(3):
        Path(f"in-{i}.txt").write_text(f"{i} ")

    def use(i: int) -> None:
        from pathlib import Path

        text = Path("in.txt").read_text() + Path("all.txt").read_text()
        Path(f"out-{i}.txt").write_text(text)
        Path("same.txt").write_text(text)

    command = ["sh", "-c", "cat in.txt all.txt > out-{i}.txt; cp out-{i}.txt same.txt"]
    sweep = here.sweep(
        use if kind == "function" else command,
        jf.grid(i=range(3)),
        inputs=["in-{i}.txt:in.txt", "all.txt"],
        outputs=["out-{i}.txt", "same.txt"],
    )
    sweep.results(60)

    paths = sorted(str(path) for path in sweep.fetch("home"))

    expected = [f"home/i={i}/same.txt" for i in range(3)] + [f"home/out-{i}.txt" for i in range(3)]
    assert expected == paths
    assert "2 all" == Path("home/out-2.txt").read_text()


def test_table_of_a_sweep(here: Machine) -> None:
    sweep = here.sweep(multiply, jf.grid(a=[2, 13], b=3))
    sweep.wait(60)

    records = sweep.to_records()

    assert {"a": 2, "b": 3, "state": "COMPLETED", "result": 6, "error": None} == records[0]
    assert ("FAILED", "ValueError: unlucky") == (records[1]["state"], records[1]["error"])
    assert [2, 13] == list(sweep.to_pandas()["a"]) == sweep.to_polars()["a"].to_list()


def test_tasks_are_removed_and_a_sweep_is_reset(here: Machine, tmp_path: Path) -> None:
    log = tmp_path / "runs"

    def noted(x: int) -> int:
        with log.open("a") as file:
            file.write(f"{x}\n")
        return x

    sweep = here.sweep(noted, jf.grid(x=[1, 2]), name="r")
    sweep.wait(60)
    sweep.remove(sweep.tasks[0])

    assert [2] == [task.params["x"] for task in sweep]
    assert [1, 2] == here.sweep(noted, jf.grid(x=[1, 2]), name="r").results(60)
    assert 3 == count_lines(log)
    again = here.sweep(name="r").reset()
    assert (2, 0) == (len(again), len(again.jobs))
    assert [1, 2] == here.sweep(noted, jf.grid(x=[1, 2]), name="r").results(60)
    assert 5 == count_lines(log)


def test_sweep_that_goes_on_is_not_reset(here: Machine) -> None:
    sweep = here.sweep(["sleep", "30"], [{}])

    with pytest.raises(SpecError, match="has not ended"):
        sweep.reset()
    with pytest.raises(SpecError, match="has not ended"):
        sweep.remove(sweep.tasks[0])
    assert {JobState.CANCELLED} == set(sweep.cancel().wait(60).counts)


def test_many_are_added_in_linear_time_and_little_memory(here: Machine) -> None:
    sweep = here.sweep(multiply, name="many")

    sweep.add(jf.grid(a=range(2000), b=range(5)))

    assert 10_000 == len(sweep)
    assert [] == here.jobs()


def run(x: int) -> int:
    return -x


class Setting:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def test_function_called_run_is_no_command(here: Machine) -> None:
    assert [-1, -2] == here.sweep(run, jf.grid(x=[1, 2]), tasks_per_job=2).results(60)
    assert [-1, -2] == here.sweep(run, jf.grid(x=[1, 2])).results(60)


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_commands_in_chunks_on_another_python(here: Machine, minor: str) -> None:
    other = dataclasses.replace(here, python=need_python(minor))

    assert ["1\n", "2\n"] == other.sweep(["echo", "{n}"], jf.grid(n=[1, 2]), tasks_per_job=2).results(60)


def test_what_is_bound_to_a_function_is_part_of_it(here: Machine) -> None:
    here.sweep(functools.partial(multiply, 2), jf.grid(b=[1]), name="p").results(60)

    assert 1 == len(here.sweep(functools.partial(multiply, 2), jf.grid(b=[1]), name="p").jobs)
    with pytest.raises(SpecError, match="has changed"):
        here.sweep(functools.partial(multiply, 3), jf.grid(b=[1]), name="p")


def test_sweep_of_which_nothing_ran_may_change(here: Machine) -> None:
    here.sweep(lambda x: x, name="empty")

    assert [-1] == here.sweep(run, jf.grid(x=[1]), name="empty").results(60)


def test_outputs_that_would_have_one_name_are_kept_apart(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["sh", "-c", "echo {b} > out-{a}.txt; echo {b} > same.txt"]
    points = [{"a": 1, "b": "x/y"}, {"a": 1, "b": "x_y"}]
    sweep = here.sweep(command, points, outputs=["out-{a}.txt", "same.txt"])
    sweep.results(60)

    paths = sweep.fetch("home")

    assert 4 == len({path.read_text() + str(path) for path in paths}) == len(set(paths))
    assert ["x/y\n", "x/y\n", "x_y\n", "x_y\n"] == sorted(path.read_text() for path in paths)
