"""Exceptions and other ends of calls: as whole as they would be here."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobferry.errors import JobFailed, RemoteError, SpecError
from jobferry.functions.serialisers import register_serialiser
from jobferry.machine_handle import Machine


def open_nothing() -> None:
    Path("/nonexistent/file").read_text("utf-8")


def decode() -> None:
    b"a\xff".decode("utf-8")


def noted() -> None:
    error = ValueError("wrong")
    error.add_note("look at the input")
    raise error


def leave() -> None:
    sys.exit("no input")


class ConnectionError(Exception):
    pass


def lose() -> None:
    raise ConnectionError("own")


def test_exception_about_a_file_names_it(here: Machine) -> None:
    error = here.call(open_nothing).exception(60)

    assert isinstance(error, FileNotFoundError)
    assert ("/nonexistent/file", 2) == (error.filename, error.errno)
    assert "[Errno 2] No such file or directory: '/nonexistent/file'" == str(error)


def test_exception_made_of_parts_has_them(here: Machine) -> None:
    error = here.call(decode).exception(60)

    assert isinstance(error, UnicodeDecodeError)
    assert (1, "invalid start byte") == (error.start, error.reason)
    assert "can't decode byte 0xff" in str(error)


def test_notes_of_an_exception_stay_with_it(here: Machine) -> None:
    error = here.call(noted).exception(60)

    assert error is not None
    assert "look at the input" == error.__notes__[0]


def test_exception_with_the_name_of_another_is_not_taken_for_it(here: Machine) -> None:
    job = dataclasses.replace(here, trusted=False).call(lose)

    error = job.exception(60)

    assert isinstance(error, RemoteError)
    assert "ConnectionError: own" in str(error)
    assert "cannot be made again" not in str(error)


def test_words_that_a_function_leaves_with_are_in_its_log(here: Machine) -> None:
    job = here.call(leave)

    with pytest.raises(JobFailed):
        job.result(60)

    assert "no input\n" == job.stderr()


def test_kind_of_array_that_json_would_lose_is_refused(here: Machine) -> None:
    masked = np.ma.array([1, 100], mask=[False, True])

    with pytest.raises(SpecError, match="MaskedArray, which JSON cannot carry"):
        here.call(len, masked, serialiser="json")


def test_serialiser_that_gives_no_bytes_is_named(here: Machine) -> None:
    def texts(value: Any) -> Any:
        return repr(value) if isinstance(value, int) else repr(value).encode()

    register_serialiser("texts", texts, lambda data: eval(data))

    error = here.call(len, "abc", serialiser="texts").exception(60)

    assert "it gave a str, not bytes" in str(error)
