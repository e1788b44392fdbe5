"""What of a call is the function's, and what is the job's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import jobferry as jf
from jobferry.errors import SpecError
from jobferry.functions.arguments import check_arguments
from jobferry.machine_handle import Machine


def show(x: int, progress: object = None, time: int = 2) -> tuple[object, ...]:
    return x, progress, time


def with_first(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> int:
        return function(1, *args, **kwargs)

    return wrapper


@with_first
def add(first: int, second: int) -> int:
    return first + second


def test_argument_called_progress_is_the_functions(here: Machine) -> None:
    assert (1, False, 2) == here.call(show, 1, progress=False).result(60)
    assert (1, True, 2) == here.submit(show, 1, progress=True).result(60)  # type: ignore[attr-defined]


def test_progress_of_any_other_is_told_of_bytes(here: Machine) -> None:
    assert 3 == here.call(len, "abc", progress=lambda _done, _whole: None).result(60)


def test_options_of_a_remote_function_are_its_jobs(here: Machine) -> None:
    remote = jf.remote(machine=here, time="5m")(show)

    job = remote.submit(3)

    assert (3, None, 2) == job.result(60)
    assert 300 == job.record.spec.resources.time.total_seconds()  # type: ignore[union-attr]
    assert (3, None, 7) == remote(3, time=7)


def test_options_of_a_remote_function_are_looked_over_where_they_are_written() -> None:
    def anything(**names: int) -> dict[str, int]:
        return names

    with pytest.raises(SpecError, match="did you mean 'time'"):
        jf.remote(tme="5m")(anything)
    with pytest.raises(SpecError, match="not a time"):
        jf.remote(time="soon")(anything)
    with pytest.raises(SpecError, match="is no function"):
        jf.remote("local")  # type: ignore[call-overload]


@pytest.mark.parametrize("thing", [5, None])
def test_what_cannot_be_called_is_refused(here: Machine, thing: Any) -> None:
    with pytest.raises(SpecError, match="is no function"):
        here.call(thing)


def test_wrapper_may_take_other_arguments_than_what_it_wraps(here: Machine) -> None:
    assert 4 == here.call(add, 3).result(60)
    with pytest.raises(SpecError, match=r"did you mean|missing"):
        check_arguments(add, (), {"secnd": 3})


@pytest.mark.parametrize(
    ("indices", "limit"), [((), None), ((1, 0), None), ((0, 0), None), ((-1,), None), ((0,), 0), ((0,), 1.5)]
)
def test_array_that_could_not_be_read_again_is_refused(indices: tuple[int, ...], limit: Any) -> None:
    with pytest.raises(SpecError):
        jf.Array(indices=indices, limit=limit)
