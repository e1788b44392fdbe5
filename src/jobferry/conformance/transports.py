"""What every transport must do: subclass `TransportSuite`, supply the fixture `transport`, run pytest."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import pytest

from jobferry.errors import CommandTimeout, TransportError
from jobferry.model.command import Command
from jobferry.transports.base import Transport

AWKWARD_WORDS = (
    "two words",
    "it's",
    'say "hi"',
    "line\nbreak",
    "\n",
    "ends with newline\n",
    "!important",
    "wow!",
    "$HOME",
    "${HOME}",
    "`id`",
    "$(id)",
    "back\\slash",
    "\\n",
    "\\0101",
    "'\\''",
    "",
    " ",
    "*",
    "~",
    "#hash",
    "%s",
    "-n",
    "a;b&c|d<e>f(g)h{i}[j]^k",
    "tab\there",
    "grüße ☃ 日本",
)


class TransportSuite:
    """What every transport must do. The subclass supplies the fixture ``transport``."""

    def test_exit_code_is_a_result(self, transport: Transport) -> None:
        assert transport.run(shell("exit 0")).exit_code == 0
        assert transport.run(shell("exit 7")).exit_code == 7

    def test_exit_code_255_is_a_result_too(self, transport: Transport) -> None:
        result = transport.run(shell("echo out; echo err >&2; exit 255"))

        assert (result.exit_code, result.stdout, result.stderr) == (255, b"out\n", b"err\n")

    def test_death_by_signal_is_128_and_its_number(self, transport: Transport) -> None:
        assert transport.run(shell("kill -TERM $$")).exit_code == 128 + 15

    def test_missing_program_is_exit_code_127(self, transport: Transport) -> None:
        result = transport.run(Command(argv=("jobferry-no-such-program",)))

        assert result.exit_code == 127
        assert b"jobferry-no-such-program" in result.stderr

    def test_streams_are_apart_and_exact(self, transport: Transport) -> None:
        result = transport.run(shell("printf out; printf err >&2"))

        assert (result.stdout, result.stderr) == (b"out", b"err")

    @pytest.mark.parametrize("word", AWKWARD_WORDS)
    def test_word_arrives_as_it_is(self, transport: Transport, word: str) -> None:
        result = transport.run(Command(argv=("printf", "[%s]", word)))

        assert result.stdout == f"[{word}]".encode()

    @pytest.mark.parametrize("word", AWKWARD_WORDS)
    def test_variable_arrives_as_it_is(self, transport: Transport, word: str) -> None:
        command = Command(argv=("sh", "-c", 'printf "[%s]" "$WORD"'), environment={"WORD": word})

        assert transport.run(command).stdout == f"[{word}]".encode()

    def test_directory_is_where_it_runs(self, transport: Transport) -> None:
        result = transport.run(Command(argv=("pwd",), directory=PurePosixPath("/usr/bin/..")))

        assert result.stdout.strip() in (b"/usr", b"/usr/bin/..")

    def test_missing_directory_runs_nothing(self, transport: Transport) -> None:
        result = transport.run(Command(argv=("echo", "ran"), directory=PurePosixPath("/no such folder")))

        assert result.exit_code != 0
        assert result.stdout == b""

    def test_input_is_empty_unless_given(self, transport: Transport) -> None:
        assert transport.run(Command(argv=("cat",))).stdout == b""

    @pytest.mark.parametrize("size", [1, 40_000, 3_000_000])
    def test_binary_input_comes_back(self, transport: Transport, size: int) -> None:
        data = (bytes(range(256)) * (size // 256 + 1))[:size]

        assert transport.run(Command(argv=("cat",)), stdin=data).stdout == data

    def test_input_may_be_made_while_it_is_sent(self, transport: Transport) -> None:
        chunks = [bytes([number]) * 50_000 for number in range(40)]

        result = transport.run(Command(argv=("cat",)), stdin=iter(chunks))

        assert result.stdout == b"".join(chunks)

    def test_input_that_cannot_be_made_ends_the_command(self, transport: Transport) -> None:
        def breaks() -> Iterator[bytes]:
            yield b"half"
            raise LookupError("no more")

        with pytest.raises(LookupError):
            transport.run(Command(argv=("cat",)), stdin=breaks())

    def test_command_that_reads_nothing_is_no_error(self, transport: Transport) -> None:
        assert transport.run(Command(argv=("true",)), stdin=b"x" * 3_000_000).exit_code == 0

    def test_much_output_on_both_streams_is_drained(self, transport: Transport) -> None:
        result = transport.run(shell("head -c 8000000 /dev/zero >&2; head -c 8000000 /dev/zero"))

        assert (len(result.stdout), len(result.stderr)) == (8_000_000, 8_000_000)

    def test_command_without_an_end_is_given_up(self, transport: Transport) -> None:
        began = time.monotonic()

        with pytest.raises(CommandTimeout):
            transport.run(Command(argv=("sleep", "60"), timeout=1.0))

        assert time.monotonic() - began < 10

    def test_works_after_a_timeout(self, transport: Transport) -> None:
        with pytest.raises(CommandTimeout):
            transport.run(Command(argv=("sleep", "60"), timeout=0.5))

        assert transport.run(shell("echo on")).stdout == b"on\n"

    def test_stream_yields_output_as_it_comes(self, transport: Transport) -> None:
        # the first line is read before the command can go on
        stream = transport.stream(shell("echo one; sleep 0.2; echo two"))

        assert next(stream) == b"one\n"
        assert b"".join(stream) == b"two\n"

    def test_stream_carries_bytes(self, transport: Transport) -> None:
        digest = hashlib.sha256()

        for chunk in transport.stream(shell("head -c 20000000 /dev/zero; printf '\\377\\000end'")):
            digest.update(chunk)

        assert digest.digest() == hashlib.sha256(bytes(20_000_000) + b"\xff\0end").digest()

    def test_stream_of_a_failed_command_raises_its_words(self, transport: Transport) -> None:
        with pytest.raises(TransportError, match="went wrong"):
            list(transport.stream(shell("echo something; echo it went wrong >&2; exit 3")))

    def test_stream_may_be_left_early(self, transport: Transport) -> None:
        stream = transport.stream(Command(argv=("yes",), timeout=None))
        assert next(stream).startswith(b"y\n")

        close = getattr(stream, "close", None)
        if close is not None:
            close()

        assert transport.run(shell("echo on")).stdout == b"on\n"

    def test_started_process_talks_both_ways(self, transport: Transport) -> None:
        process = transport.start(Command(argv=("cat",), timeout=None))
        process.stdin.write(b"ping\n")
        assert process.stdout.read(5) == b"ping\n"
        assert process.poll() is None

        process.stdin.close()

        assert process.wait(10) == 0
        process.stdout.close()
        process.stderr.close()

    def test_twenty_commands_at_once(self, transport: Transport) -> None:
        with ThreadPoolExecutor(20) as pool:
            results = list(pool.map(lambda number: transport.run(shell(f"echo {number}")), range(20)))

        assert [result.text for result in results] == [f"{number}\n" for number in range(20)]

    def test_says_how_the_machine_is_reached(self, transport: Transport) -> None:
        assert transport.describe()

    def test_may_be_closed_twice(self, transport: Transport) -> None:
        transport.close()
        transport.close()


def shell(script: str) -> Command:
    """Make a command of a line for ``sh``."""
    return Command(argv=("sh", "-c", script))
