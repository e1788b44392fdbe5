"""How errors look, and which exit codes they give."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner

from jobferry import errors
from jobferry.cli import _output
from jobferry.cli._group import Root


@pytest.fixture(autouse=True)
def _no_handler_of_ours_stays() -> Iterator[None]:
    logger = logging.getLogger("jobferry")
    before = [*logger.handlers], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def outcome(raises: BaseException, *options: str) -> tuple[int, str]:
    root = Root("jobferry", "nowhere", {"Jobs": {"fail": "Fail."}})

    def fail() -> None:
        raise raises

    command = click.Command("fail", callback=fail)
    root.get_command = lambda ctx, cmd_name: command  # type: ignore[method-assign]
    result = CliRunner().invoke(root, [*options, "fail"], prog_name="jobferry")
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (errors.ConfigError, 2),
        (errors.SpecError, 2),
        (errors.ConnectError, 3),
        (errors.TransferError, 3),
        (errors.SubmitRefused, 4),
        (errors.JobNotFound, 5),
        (errors.StoreError, 6),
        (errors.WaitTimeout, 124),
        (errors.JobLost, 1),
    ],
)
def test_every_error_has_its_exit_code(make: Callable[[str], errors.JobferryError], expected: int) -> None:
    assert (expected, "jobferry: it broke\n") == outcome(make("it broke"))


def test_a_failed_job_gives_its_own_code() -> None:
    assert 77 == outcome(errors.JobFailed("it ended", code=77))[0]


def test_command_and_hint_follow_the_message() -> None:
    error = errors.SchedulerError("no", command="sbatch x", hint="ask again")

    assert (4, "jobferry: no\n  command: sbatch x\n  hint: ask again\n") == outcome(error)


def test_every_line_of_a_message_is_told() -> None:
    assert (2, "jobferry: a\njobferry: b\n") == outcome(errors.ConfigError("a\nb"))


def test_what_comes_from_elsewhere_cannot_move_the_cursor() -> None:
    assert (1, "jobferry: \\x1b[2Jgone\n") == outcome(errors.JobError("\x1b[2Jgone"))


def test_a_traceback_comes_only_with_debug() -> None:
    plain, debug = outcome(errors.JobError("no"))[1], outcome(errors.JobError("no"), "--debug")[1]

    assert "Traceback" not in plain
    assert "Traceback" in debug


def test_what_nobody_expected_is_one_line_and_says_how_to_get_more() -> None:
    assert (
        1,
        "jobferry: unexpected KeyError: 'x'\n  hint: `jobferry --debug ...` shows where it happened\n",
    ) == outcome(KeyError("x"))


def test_an_interrupt_is_exit_130() -> None:
    assert 130 == outcome(KeyboardInterrupt())[0]


def test_a_usage_error_looks_like_every_other() -> None:
    assert (2, "jobferry: no such thing\n  hint: `jobferry fail --help`\n") == outcome(
        click.UsageError("No such thing.")
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (42, "42s"), (185, "3m05s"), (3720, "1h02m"), (2 * 86400 + 3 * 3600, "2d03h"), (-5, "0s")],
)
def test_durations_read_as_people_say_them(seconds: int, expected: str) -> None:
    from datetime import timedelta

    assert expected == _output.duration(timedelta(seconds=seconds))
