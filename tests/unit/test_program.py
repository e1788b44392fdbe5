"""Many commands in one request, and their answers told apart whatever they print."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.data import read
from jobferry.errors import ParseError
from jobferry.model.command import Command, CommandResult
from jobferry.render.program import Program
from jobferry.render.shell import octal
from tests.unit.launching import SHELLS, need


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return need(request.param)


def run(program: Program, shell: tuple[str, ...] = ("sh",)) -> CommandResult:
    text = read("remote.sh") + program.render()
    ended = subprocess.run([*shell, "-c", text], capture_output=True, check=False, timeout=30)
    return CommandResult(exit_code=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


def sh(script: str, *words: str) -> Command:
    return Command(argv=("sh", "-c", script, "sh", *words))


def test_sections_are_apart(shell: tuple[str, ...]) -> None:
    program = Program()
    program.section("one", sh("echo out; echo err >&2; exit 3"))
    program.section("two words", sh("echo two"))

    answers = program.parse(run(program, shell))

    assert ["one", "two words"] == list(answers)
    assert (3, b"out\n", b"err") == (answers["one"].exit_code, answers["one"].stdout, answers["one"].stderr)
    assert (0, b"two\n", b"") == (
        answers["two words"].exit_code,
        answers["two words"].stdout,
        answers["two words"].stderr,
    )


@settings(max_examples=12, deadline=None)
@given(st.binary(max_size=80))
def test_output_is_exact_whatever_it_is(shell: tuple[str, ...], data: bytes) -> None:
    program = Program()
    program.section("data", sh('printf %b "$1"', octal(data)))
    program.section("next", sh("echo on"))

    answers = program.parse(run(program, shell))

    assert data == answers["data"].stdout
    assert answers["next"].stdout == b"on\n"


def test_text_that_looks_like_another_mark_is_output(shell: tuple[str, ...]) -> None:
    text = "\njf-0123456789abcdef begin x\nhello\njf-0123456789abcdef errors\n\njf-0123456789abcdef end 0\n"
    program = Program()
    program.section("a", sh('printf %s "$1"', text))

    answers = program.parse(run(program, shell))

    assert ["a"] == list(answers)
    assert text.encode() == answers["a"].stdout


def test_noise_around_sections_is_passed_over(shell: tuple[str, ...]) -> None:
    program = Program()
    program.do("echo", "noise")
    program.section("a", sh("echo x"))
    program.text("echo more noise; printf 'no newline'")
    program.section("b", sh("printf 'no newline either'"))

    answers = program.parse(run(program, shell))

    assert (b"x\n", b"no newline either") == (answers["a"].stdout, answers["b"].stdout)


@pytest.mark.parametrize("lost", [1, 5, 40])
def test_answer_without_an_end_is_kept_whole(lost: int) -> None:
    program = Program()
    program.section("a", sh("echo x"))
    whole = run(program)

    with pytest.raises(ParseError) as caught:
        program.parse(CommandResult(exit_code=0, stdout=whole.stdout[:-lost]))

    assert whole.stdout[:-lost].decode() == caught.value.text


def test_no_answer_at_all_has_no_sections() -> None:
    assert {} == Program().parse(CommandResult(exit_code=255, stderr=b"Connection closed"))


def test_command_has_its_own_variables(shell: tuple[str, ...]) -> None:
    program = Program()
    program.section("a", Command(argv=("sh", "-c", 'echo "$A$B"'), environment={"A": "it's ", "B": "$HOME"}))
    program.section("b", sh('echo "[${A-}]"'))

    answers = program.parse(run(program, shell))

    assert (b"it's $HOME\n", b"[]\n") == (answers["a"].stdout, answers["b"].stdout)


def test_section_in_a_folder(shell: tuple[str, ...]) -> None:
    program = Program()
    program.section("there", Command(argv=("pwd",)), folder="/usr")
    program.section("nowhere", Command(argv=("pwd",)), folder="/no such folder")

    answers = program.parse(run(program, shell))

    assert answers["there"].stdout == b"/usr\n"
    assert "nowhere" not in answers


def test_what_is_required_ends_the_program(shell: tuple[str, ...]) -> None:
    program = Program()
    program.require("sh", "-c", "exit 9")
    program.section("a", sh("echo x"))

    result = run(program, shell)

    assert result.exit_code == 9
    assert {} == program.parse(result)


def test_variables_hold_any_text(shell: tuple[str, ...]) -> None:
    program = Program()
    program.set("NAME", "a'b\n$c")
    program.text("export NAME")
    program.section("a", sh('printf %s "$NAME"'))

    assert program.parse(run(program, shell))["a"].stdout == b"a'b\n$c"


def test_marks_differ() -> None:
    assert Program().mark != Program().mark
