"""`jobferry sweep`, as a process on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli_runner import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_sweep_runs_every_combination(home: Home) -> None:
    job = home.ok("sweep", "-p", "a=1..2", "-p", "b=x,y", "--", "echo", "{a}{b}").strip()
    home.ok("wait", job)

    assert "1x\n1y\n2x\n2y\n" == home.ok("logs", job)


def test_same_name_is_the_same_sweep(home: Home) -> None:
    words = ("sweep", "--name", "s", "--zip", "-p", "a=1..2")
    first = home.ok(*words, "--", "echo", "{a}").split()
    second = home.ok("sweep", "--name", "s", "-p", "a=1..3", "--", "echo", "{a}").split()

    assert first == second[:1]
    assert 2 == len(second)
    changed = home.run(*words, "--", "echo", "{a}{a}")
    assert 2 == changed.returncode
    assert b"has changed since the sweep 's'" in changed.stderr
    assert b"force=True" in changed.stderr or b"--force" in changed.stderr


def test_dry_run_shows_the_commands_and_does_nothing(home: Home) -> None:
    said = home.ok("sweep", "--dry-run", "-p", "a=1,2", "--", "echo", "it is", "{a}")

    assert "echo 'it is' 1\necho 'it is' 2\n" == said
    assert "" == home.ok("list")


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "a", "--", "echo", "{a}"),
        ("-p", "a=1", "--", "echo", "{b}"),
        ("-p", "a=1"),
        ("-p", "a=1", "--array", "0-3", "--", "echo", "{a}"),
        ("-p", "a=1,2", "-p", "b=1,2,3", "--zip", "--", "echo", "{a}"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Home, words: tuple[str, ...]) -> None:
    done = home.run("sweep", *words)

    assert 2 == done.returncode
    assert b"Traceback" not in done.stderr
    assert "" == home.ok("list")


def test_dry_run_shows_what_would_be_submitted(home: Home) -> None:
    words = ("-p", "a=1,2,3", "--name", "dry", "--", "echo")
    home.ok("sweep", "-p", "a=2", "--name", "dry", "--", "echo", "{a}")

    assert "echo 1\necho 3\n" == home.ok("sweep", "--dry-run", *words, "{a}")
    assert b"has changed" in home.run("sweep", "--dry-run", *words, "{a}", "more").stderr
    assert "echo 1 more\necho 2 more\necho 3 more\n" == home.ok(
        "sweep", "--dry-run", "--force", *words, "{a}", "more"
    )


@pytest.mark.parametrize("words", [("-m", "nosuch"), ("--input", "nosuch"), ("--input", "in-{z}")])
def test_dry_run_refuses_what_would_be_refused(home: Home, words: tuple[str, ...]) -> None:
    done = home.run("sweep", "--dry-run", *words, "-p", "a=1", "--", "echo", "{a}")

    assert 2 == done.returncode
    assert b"" == done.stdout
