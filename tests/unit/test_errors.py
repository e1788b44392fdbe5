"""The error tree: its drawing is true, every leaf has its exit code."""

from __future__ import annotations

import re

import pytest

from jobferry import errors
from jobferry.errors import JobferryError

KINDS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JobferryError)),
    key=lambda kind: kind.__name__,
)


def make(kind: type[JobferryError]) -> JobferryError:
    more = {"text": "said"} if kind is errors.ParseError else {}
    return kind("it went wrong", hint="try this", machine="m", **more)


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_its_sentence(kind: type[JobferryError]) -> None:
    error = make(kind)

    assert str(error) == "it went wrong"
    assert (error.hint, error.machine) == ("try this", "m")


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_in_the_drawing_with_its_code(kind: type[JobferryError]) -> None:
    drawing = errors.__doc__ or ""

    assert re.search(rf"\b{kind.__name__}\b", drawing)
    code = re.search(rf"\b{kind.__name__} (\d+)", drawing)
    if code and kind is not JobferryError:
        assert int(code[1]) == kind.exit_code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SpecError, 2),
        (errors.UnknownMachine, 2),
        (errors.AuthError, 3),
        (errors.SubmitRefused, 4),
        (errors.ParseError, 4),
        (errors.JobNotFound, 5),
        (errors.StoreError, 6),
        (errors.WaitTimeout, 124),
        (errors.JobLost, 1),
    ],
)
def test_exit_codes(kind: type[JobferryError], code: int) -> None:
    assert code == kind.exit_code


def test_only_what_can_go_better_next_time_is_transient() -> None:
    transient = {kind.__name__ for kind in KINDS if kind.transient}

    assert {
        "TransportError", "ConnectError", "CommandTimeout", "TransferError", "SubmitLimit", "SchedulerBusy",
        "WaitTimeout",
    } == transient  # fmt: skip
