"""The far side has another Python, or one that cannot be used: said before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from jobferry.client import Client
from jobferry.errors import JobFailed, RemoteTraceback, ResultError, SpecError
from jobferry.functions.serialisers import register_serialiser
from jobferry.machine_handle import Machine
from tests.functions.pythons import need_python

OTHERS = ("3.8", "3.13")
LIMIT = 3


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return self.factor * x

    @staticmethod
    def twice(x: int) -> int:
        return 2 * x


def helper(x: int) -> int:
    return min(x, LIMIT)


def total(values: list[int], *, scale: int = 1) -> int:
    return sum(helper(value) for value in values) * Scale(scale)(1)


@pytest.fixture
def other(request: pytest.FixtureRequest, here: Machine) -> Machine:
    """This computer, with the Python of another version for its functions."""
    return machine_with(here, python=need_python(request.param))


def machine_with(here: Machine, **fields: Any) -> Machine:
    return dataclasses.replace(here, **fields)


others = pytest.mark.parametrize("other", OTHERS, indirect=True)


@others
def test_functions_travel_as_source(other: Machine) -> None:
    factor = 4

    def scaled(x: int) -> int:
        return factor * helper(x)

    assert 10 == other.call(total, [1, 2, 9], scale=2).result(60) - 2
    assert 12 == other.call(scaled, 7).result(60)
    assert 9 == other.call(lambda x: x + LIMIT, 6).result(60)
    assert 8 == other.call(Scale.twice, 4).result(60)


@others
@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True], "b": (1, {2, 3}), 4: b"\x00\xff"},
        [datetime.datetime(2026, 1, 2, 3, 4), datetime.timedelta(days=1, seconds=2), 3 + 4j],
        {"$": "a dollar", "path": PurePosixPath("/a b")},
    ],
)
def test_data_comes_back_as_it_went(other: Machine, value: object) -> None:
    assert value == other.call(lambda x: x, value).result(60)


@others
def test_exception_of_another_version_comes_back(other: Machine) -> None:
    with pytest.raises(KeyError, match="missing") as caught:
        other.call(lambda d: d["missing"], {}).result(60)

    assert isinstance(caught.value.__cause__, RemoteTraceback)


@others
def test_what_cannot_travel_is_refused_in_words(other: Machine) -> None:
    lock = threading.Lock()

    with pytest.raises(SpecError, match="method of an object, a Scale") as method:
        other.call(Scale(2).__call__, 1)
    with pytest.raises(SpecError, match=r"uses `lock`, a _thread\.lock"):
        other.call(lambda: lock)
    with pytest.raises(SpecError, match=r"an argument of helper: the value.*Scale"):
        other.call(helper, Scale(2))
    with pytest.raises(SpecError, match="pickle is only for the same version"):
        other.call(helper, 1, serialiser="pickle")

    assert "set `python` to a Python" in str(method.value.hint)
    assert [] == other.jobs()


@others
def test_syntax_that_is_too_new_is_refused(other: Machine) -> None:
    def matching(x: int) -> str:
        match x:
            case 1:
                return "one"
        return "other"

    if "3.8" in str(other.python):
        with pytest.raises(SpecError, match=r"what Python 3.8 does not know"):
            other.call(matching, 1)
    else:
        assert "one" == other.call(matching, 1).result(60)


@pytest.mark.parametrize("minor", ["3.7", "2.7"])
def test_python_that_is_too_old_is_named(here: Machine, minor: str) -> None:
    old = machine_with(here, python=need_python(minor))

    with pytest.raises(SpecError, match=rf"has Python {minor}.*need 3.8 or later"):
        old.call(helper, 1)


def test_no_python_and_failing_setup_are_told(here: Machine) -> None:
    with pytest.raises(SpecError, match="no Python at no-such-python"):
        machine_with(here, python="no-such-python").call(helper, 1)
    with pytest.raises(SpecError, match="a line of its setup failed"):
        here.call(helper, 1, setup=["false"])


def test_python_that_has_changed_since_it_was_asked_is_found_out(here: Machine, tmp_path: Any) -> None:
    link = tmp_path / "python"
    link.symlink_to(need_python("3.11"))
    moving = machine_with(here, python=str(link))
    assert 2 == moving.call(helper, 2).result(60)
    link.unlink()
    link.symlink_to(need_python("3.13"))

    with pytest.raises(JobFailed, match=r"written for Python 3.11, and this is Python 3.13"):
        moving.call(helper, 2).result(60)
    # and it is known from then on
    assert 2 == moving.call(helper, 2).result(60)


@pytest.mark.parametrize("name", ["json", "yaml", "dill", "pickle"])
def test_every_serialiser_carries_data(here: Machine, name: str) -> None:
    value = {"a": [1, 2.5, "x"], "b": None}

    assert value == here.call(lambda x: x, value, serialiser=name).result(60)


def test_registered_serialiser_travels_along(here: Machine) -> None:
    import json

    register_serialiser(
        "shouting", lambda v: json.dumps(v).upper().encode(), lambda b: json.loads(b.decode())
    )

    assert "ABC" == here.call(lambda x: x, "abc", serialiser="shouting").result(60)
    with pytest.raises(SpecError, match="built in"):
        register_serialiser("json", lambda v: b"", lambda b: b)


def test_machine_that_is_not_trusted_gives_plain_data_only(here: Machine) -> None:
    wary = machine_with(here, trusted=False)

    np.testing.assert_array_equal([0, 2], wary.call(lambda a: 2 * a, np.arange(2)).result(60))
    with pytest.raises(ResultError, match="cannot be written as json"):
        wary.call(Scale, 2).result(60)
    with pytest.raises(ValueError, match="plain"):
        wary.call(lambda: int("plain")).result(60)
    with pytest.raises(SpecError, match="come as JSON"):
        wary.call(helper, 1, serialiser="dill")


def test_pickle_from_a_machine_that_is_not_trusted_is_not_loaded(here: Machine, client: Client) -> None:
    from jobferry.functions.decoding import value_of

    record = machine_with(here, trusted=False).call(helper, 1).record

    with pytest.raises(ResultError, match="not taken from a machine that is not trusted"):
        value_of({"kind": "pickle"}, [bytearray(b"whatever")], record)
