"""Functions called on this machine by real jobs: what comes back is what would have come back here."""

from __future__ import annotations

import functools
import sys
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jobferry as jf
from jobferry.errors import JobFailed, RemoteError, RemoteTraceback, ResultError, SpecError
from jobferry.explain import explain
from jobferry.machine_handle import Machine

FACTOR = 3


class OddError(Exception):
    """An error whose __init__ takes something else than its words."""

    def __init__(self, number: int, *, why: str) -> None:
        super().__init__(f"{number} is odd: {why}")
        self.number = number


@dataclass(frozen=True)
class Point:
    x: int
    y: int

    def moved(self, by: int) -> Point:
        return Point(self.x + by, self.y + by)


def helper(x: int) -> int:
    return x * FACTOR


def multiply(a: int, b: int) -> int:
    return helper(a) * b


def closure_over(number: int) -> Callable[[int], int]:
    def add(x: int) -> int:
        return x + number

    return add


def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


@functools.lru_cache
def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def twice_fibonacci(n: int) -> int:
    return 2 * fibonacci(n)


class Lazy:
    @functools.cached_property
    def five(self) -> int:
        return 5

    @functools.lru_cache(maxsize=3)  # noqa: B019
    def times(self, x: int) -> int:
        return x * self.five


def lazily(x: int) -> int:
    return Lazy().times(x)


async def wait_for(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (multiply, (10,), {"b": 7}, 210),
        (lambda x: x + FACTOR, (4,), {}, 7),
        (closure_over(5), (1,), {}, 6),
        (factorial, (6,), {}, 720),
        (fibonacci, (10,), {}, 55),
        (twice_fibonacci, (10,), {}, 110),
        (lazily, (4,), {}, 20),
        (Point(1, 2).moved, (3,), {}, Point(4, 5)),
        (Point, (1,), {"y": 2}, Point(1, 2)),
        (functools.partial(multiply, b=2), (5,), {}, 30),
        (len, ([1, 2, 3],), {}, 3),
        (wait_for, (8,), {}, 8),
    ],
    ids=[
        "helpers",
        "lambda",
        "closure",
        "recursion",
        "cached",
        "uses cached",
        "cached members",
        "method",
        "class",
        "partial",
        "built-in",
        "async",
    ],
)
def test_result_is_the_same_as_here(
    here: Machine,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    expected: object,
) -> None:
    assert expected == here.call(function, *args, **kwargs).result(60)


def test_submit_takes_a_function_too(here: Machine) -> None:
    assert 42 == here.submit(multiply, 7, 2, name="answer").result(60)  # type: ignore[attr-defined]
    assert "answer" == here.jobs()[-1].name


def test_exception_comes_back_as_itself(here: Machine) -> None:
    def fail(number: int) -> None:
        print("about to fail")
        raise OddError(number, why="it is")

    with pytest.raises(OddError, match="7 is odd: it is") as caught:
        here.call(fail, 7).result(60)

    assert 7 == caught.value.number
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert 'raise OddError(number, why="it is")' in caught.value.__cause__.text
    assert "about to fail" in "".join(caught.value.__notes__)
    assert "Error" in type(here.call(fail, 1).exception(60)).__name__


def test_exception_that_cannot_travel_tells_its_words(here: Machine) -> None:
    def fail() -> None:
        import threading

        class Local(Exception):
            def __reduce__(self) -> Any:
                raise TypeError("never")

        error = Local("words")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        error.args = (threading.Lock(),)
        raise error

    with pytest.raises(RemoteError) as caught:
        here.call(fail).result(60)

    assert "Local" in caught.value.kind
    assert "raise error" in caught.value.traceback


def test_printing_warnings_and_exit_codes_are_kept(here: Machine) -> None:
    def speak() -> int:
        print("to the left")
        print("to the right", file=sys.stderr)
        warnings.warn("mind the gap", stacklevel=1)
        return 1

    job = here.call(speak)
    with pytest.warns(UserWarning, match="mind the gap"):
        assert 1 == job.result(60)
    assert "to the left\n" == job.stdout()
    assert "to the right" in job.stderr()

    leaving = here.call(sys.exit, 3)
    with pytest.raises(JobFailed, match="SystemExit") as caught:
        leaving.result(60)
    assert (3, 3) == (caught.value.code, leaving.exit_code)


def test_process_that_ends_itself_is_no_result(here: Machine) -> None:
    import os

    with pytest.raises(JobFailed) as killed:
        here.call(os.kill, 0, 9).result(60)
    with pytest.raises(ResultError, match="left no result"):
        here.call(os._exit, 0).result(60)

    assert 137 == killed.value.code


def test_result_that_cannot_be_pickled_says_so(here: Machine) -> None:
    def lock() -> object:
        import threading

        return threading.Lock()

    with pytest.raises(ResultError, match=r"lock.*cannot be written as pickle"):
        here.call(lock).result(60)


def test_argument_that_cannot_be_pickled_is_refused_here(here: Machine) -> None:
    import threading

    with pytest.raises(SpecError, match=r"an argument of multiply.*cannot.*pickle"):
        here.call(multiply, threading.Lock(), 1)

    assert [] == here.jobs()


def test_what_a_function_uses_and_cannot_travel_is_named(here: Machine) -> None:
    import threading

    lock = threading.Lock()

    def locked() -> int:
        with lock:
            return 1

    with pytest.raises(SpecError, match=r"locked uses `lock`: it cannot be pickled"):
        here.call(locked)

    assert [] == here.jobs()


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((1,), {"c": 2}, "takes no argument 'c'"),
        ((1,), {"b": 2, "tme": "5m"}, "did you mean 'time'"),
        ((1,), {}, "missing a required argument: 'b'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"b": 2, "serialiser": "jason"}, "did you mean 'json'"),
        ((1,), {"b": 2, "mem": "4 apples"}, "4 apples"),
    ],
)
def test_misspelt_argument_is_refused_here(
    here: Machine, args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        here.call(multiply, *args, **kwargs)

    assert [] == here.jobs()


def test_name_of_both_is_the_functions(here: Machine) -> None:
    def double(name: str, **rest: int) -> tuple[str, dict[str, int]]:
        return name * 2, rest

    job = here.call(double, name="ab", extra=1)

    assert ("abab", {"extra": 1}) == job.result(60)


def test_functions_of_an_own_package_travel(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mine" / "ownpackage"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise_me = None\n")
    (package / "tools.py").write_text("from . import numbers_of\ndef twice(x): return numbers_of.TWO * x\n")
    (package / "numbers_of.py").write_text("TWO = 2\n")
    (package / "lazy.py").write_text("def thrice(x):\n    return 3 * x\n")
    (package / "work.py").write_text(
        textwrap.dedent(
            """
            import nowhere_installed_over_there as absent
            from ownpackage import tools
            class Broken(Exception): pass
            def run(x):
                from .lazy import thrice
                return tools.twice(x) + thrice(x)
            def fail(): raise Broken("it")
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path / "mine")
    absent = tmp_path / "mine" / "nowhere_installed_over_there.py"
    absent.write_text("")
    import ownpackage.work as work  # type: ignore[import-not-found]

    # by value: what the module imports and the function does not use is not needed over there
    absent.unlink()

    assert 50 == here.call(work.run, 10).result(60)
    with pytest.raises(work.Broken):
        here.call(work.fail).result(60)


def test_own_package_is_there_once(here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mine" / "ownshapes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .shapes import Shape\n")
    (package / "shapes.py").write_text(
        "class Shape: pass\nclass Bad(Exception): pass\ndef fail(): raise Bad\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "mine")
    import ownshapes  # type: ignore[import-not-found]
    from ownshapes import shapes
    from ownshapes.shapes import fail  # type: ignore[import-not-found]

    def look(shape: object) -> list[object]:
        from ownshapes.shapes import Shape

        try:
            fail()
        except shapes.Bad:
            return [isinstance(shape, ownshapes.Shape), type(shape) is Shape, shape]
        return []

    *same, back = here.call(look, ownshapes.Shape()).result(60)

    assert [True, True] == same
    assert type(back) is shapes.Shape


def test_arrays_travel_without_being_copied_much(here: Machine) -> None:
    array = np.arange(12_500_000, dtype=np.float64)

    result = here.call(lambda a: a[::-1], array).result(100)

    assert result.flags.writeable
    np.testing.assert_array_equal(array[::-1], result)


def test_of_many_processes_of_a_launcher_the_first_gives_the_result(here: Machine, tmp_path: Path) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_text('#!/bin/sh\nfor i in 1 0 2; do SLURM_PROCID=$i "$@" || exit; done\n')
    launcher.chmod(0o755)

    def rank() -> str:
        import os

        print("rank", os.environ["SLURM_PROCID"])
        return os.environ["SLURM_PROCID"]

    job = here.call(rank, launcher=str(launcher))

    assert "0" == job.result(60)
    assert "rank 1\nrank 0\n" == job.stdout()[:14]


def test_remote_function_waits_and_submits(here: Machine) -> None:
    @jf.remote(machine=here, time="5m")
    def double(x: int) -> int:
        return 2 * x

    @jf.remote(machine=here)
    def quadruple(x: int) -> int:
        # over there it is a plain function
        return double(double(x))

    assert 6 == double(3)
    assert 12 == quadruple(3)
    assert 8 == double.submit(4).result(60)
    assert 10 == double.local(5)
    assert 14 == double.on(here, name="other").submit(7).result(60)
    assert ["double", "quadruple", "double", "other"] == [job.name for job in here.jobs()]


def test_results_are_there_in_another_process(here: Machine) -> None:
    job = here.call(multiply, 2, 2)
    job.wait(60)
    client = here.opened_client

    again = jf.Client(config=client.config, store=type(client.store)(client.store.path))
    handle = Machine(name="here", scheduler="direct", root=here.root, client=again).jobs()[0]

    assert 12 == handle.result()  # type: ignore[attr-defined]
    again.close()


def test_chain_runs_over_there_with_nobody_here(here: Machine) -> None:
    first = here.call(multiply, 1, b=2)
    second = here.call(multiply, first, b=5)
    third = here.call(lambda parts: [part + 1 for part in parts], [first, second])

    assert [7, 91] == third.result(60)
    assert (6, 90) == (first.result(), second.result())


def test_failure_is_seen_by_all_that_wait_for_it(here: Machine) -> None:
    def fail() -> int:
        import time

        # those that wait for it are submitted before it fails
        time.sleep(2)
        raise ValueError("first")

    first = here.call(fail)
    second = here.call(multiply, first, b=1)
    third = here.call(multiply, second, b=1)

    with pytest.raises(
        JobFailed, match=rf"dependency .*waited for {second.id} \(multiply\).* ended as failed"
    ):
        third.result(60)
    assert any(first.id in words for words in explain(here.opened_client, second.record).words)
    assert jf.Failure.DEPENDENCY == second.status.failure == third.status.failure


def test_job_of_a_command_has_no_result_to_hand_on(here: Machine) -> None:
    job = here.submit(["true"])

    with pytest.raises(SpecError, match="runs a command") as caught:
        here.call(multiply, job, 1)
    assert "after=" in str(caught.value.hint)
    job.wait(60)


def test_removing_a_job_removes_its_calls_here(here: Machine) -> None:
    job = here.call(multiply, 1, 1)
    job.result(60)
    folder = here.opened_client.store.path.parent / "calls"

    # what was sent is not kept twice
    assert ["results-0"] == [path.name for path in folder.glob("*/*")]
    job.remove(remote=True)
    assert [] == list(folder.iterdir())


def test_job_of_a_function_is_told_by_the_command_line(here: Machine) -> None:
    from jobferry.details import asked_for

    job = here.call(multiply, 1, 2)
    sweep = here.sweep(multiply, jf.grid(a=[1, 2, 3], b=1), tasks_per_job=2)

    assert f"multiply, by {sys.executable}" == asked_for(job.record)["function"]
    assert asked_for(sweep.jobs[0].record)["function"].startswith("multiply, 3 calls, 2 a task")
    sweep.wait(60)


def test_job_file_of_a_function_is_refused(here: Machine) -> None:
    from jobferry import api

    job = here.call(multiply, 1, 2)
    job.wait(60)

    with pytest.raises(SpecError, match="calls of a Python function"):
        api.read_job_file(Path(here.root) / "jobs" / job.id / "job.json")


def test_result_comes_after_the_list_of_jobs_was_lost(here: Machine, tmp_path: Path) -> None:
    from jobferry.client import Client
    from jobferry.rebuilding import rebuild
    from jobferry.store import Store

    job = here.call(multiply, 2, 2)
    job.result(60)
    anew = Client(config=here.opened_client.config, store=Store(tmp_path / "anew" / "jobs.db"))
    machine = Machine(name="here", scheduler="direct", root=here.root, client=anew)
    rebuild(anew, machine)

    assert 12 == machine.jobs()[0].result()  # type: ignore[attr-defined]
    anew.close()
