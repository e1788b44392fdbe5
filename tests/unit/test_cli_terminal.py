"""What only a terminal shows: questions, notices, colours, completion in a real shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.unit.cli_runner import TIME_LIMIT, Home

LONG = ("run", "--", "sh", "-c", "echo begun; sleep 60")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.run("cancel", "--all")


def start(home: Home, *arguments: str, **variables: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "jobferry", *arguments],
        cwd=str(home.path),
        env={**home.environment, "TERM": "xterm", **variables},
        encoding="utf-8",
        timeout=TIME_LIMIT,
    )


def leave(terminal: pexpect.spawn[str]) -> int:
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert isinstance(terminal.exitstatus, int)
    return terminal.exitstatus


def state(home: Home) -> str:
    found: str = home.json("show", "@last")["job"]["state"]
    return found


# -- Ctrl-C


def test_interrupted_run_can_leave_the_job_running(home: Home) -> None:
    terminal = start(home, *LONG)
    terminal.expect("begun")

    terminal.sendintr()
    terminal.expect("or \\(c\\)ancel it\\?")
    terminal.sendline("l")

    terminal.expect("goes on")
    assert 130 == leave(terminal)
    assert "RUNNING" == state(home)


def test_interrupted_run_can_cancel_the_job(home: Home) -> None:
    terminal = start(home, *LONG)
    terminal.expect("begun")

    terminal.sendintr()
    terminal.expect("or \\(c\\)ancel it\\?")
    terminal.sendline("c")

    assert 130 == leave(terminal)
    home.run("wait", "@last")
    assert "CANCELLED" == state(home)


def test_a_second_interrupt_leaves_at_once(home: Home) -> None:
    terminal = start(home, *LONG)
    terminal.expect("begun")

    terminal.sendintr()
    terminal.expect("or \\(c\\)ancel it\\?")
    terminal.sendintr()

    assert 130 == leave(terminal)
    assert "RUNNING" == state(home)


def test_without_a_terminal_an_interrupt_leaves_the_job(home: Home) -> None:
    import signal

    child = subprocess.Popen(
        [sys.executable, "-m", "jobferry", *LONG],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=home.environment,
        cwd=home.path,
    )
    with child:
        assert child.stdout is not None
        assert b"begun\n" == child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=TIME_LIMIT)

    assert 130 == child.returncode
    assert b"goes on" in said
    assert "RUNNING" == state(home)


# -- looks


def test_a_terminal_is_told_of_changes_of_state(home: Home) -> None:
    terminal = start(home, "run", "--", "true")

    terminal.expect(": submitted to local")
    terminal.expect(": completed")
    assert 0 == leave(terminal)


def test_no_color_is_heeded(home: Home) -> None:
    home.run("run", "--", "true")
    coloured, plain = start(home, "list"), start(home, "list", NO_COLOR="1")

    coloured.expect("\x1b\\[32mcompleted")
    plain.expect(pexpect.EOF)
    assert "completed" in (plain.before or "")
    assert "\x1b[3" not in (plain.before or "")


# -- completion


def complete(home: Home, shell_words: str, **variables: str) -> list[str]:
    """Press TAB after some words in bash, and list what is offered."""
    words = shell_words.split(" ")
    program = (
        'eval "$(jobferry completion bash)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
        "compopt() { :; }\n"
        "_jobferry_completion jobferry\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        env={**home.environment, **variables},
        cwd=home.path,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.split()


def test_bash_completes_commands_options_machines_states_and_jobs(home: Home) -> None:
    home.ok("machine", "add", "gaia", "gaia")
    job_id = home.ok("submit", "--", "true").strip()

    assert ["release", "remove", "render", "retry", "run"] == sorted(complete(home, "jobferry r"))
    assert ["add"] == complete(home, "jobferry machine a")
    assert ["--ntasks", "--ntasks-per-node"] == complete(home, "jobferry submit --nt")
    assert ["gaia"] == complete(home, "jobferry run -m g")
    assert ["SUSPENDED", "SUBMITTING"] == sorted(complete(home, "jobferry list --state SU"), reverse=True)
    assert [job_id] == complete(home, f"jobferry show {job_id[:6]}")


def test_completion_is_quiet_when_all_is_broken(home: Home) -> None:
    (home.path / "config.toml").write_text("][")
    (home.path / "jobs.db").write_text("no database " * 100)

    assert [] == complete(home, "jobferry run -m g")
    assert [] == complete(home, "jobferry show 0")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(home: Home, shell: str) -> None:
    script = home.ok("completion", shell)

    assert "_JOBFERRY_COMPLETE" in script
    assert os.path.basename(sys.executable) not in script
