"""The held-open shell: framing, death, time, and what is never run."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from jobferry.clock import SystemClock
from jobferry.errors import CommandTimeout, ConnectError
from jobferry.model.command import Command
from jobferry.transports.base import Process, Transport
from jobferry.transports.connection import Connection
from jobferry.transports.local import LocalTransport
from jobferry.transports.shell import Shell
from tests.rigs.sshd import poll_until


class RecordingTransport(LocalTransport):
    """Starts what it is told, or another program in its place, and keeps the processes."""

    def __init__(self, argv: tuple[str, ...] = ("/bin/sh",)) -> None:
        self.argv = argv
        self.started: list[Process] = []

    def start_with(self, command: Command, first: bytes) -> Process:
        process = super().start_with(Command(argv=self.argv), first)
        self.started.append(process)
        return process


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def shell(transport: RecordingTransport) -> Iterator[Shell]:
    made = Shell(transport, 'greet() { echo "hello $1"; }', SystemClock())
    yield made
    made.close()


def test_output_and_exit_code_come_back(shell: Shell) -> None:
    result = shell.request("echo out; echo err >&2; exit 3")

    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


@pytest.mark.parametrize("text", [b"", b"\n", b"no newline", b"\n\nlines\n\n", bytes(range(256)) * 300])
def test_output_is_exact(shell: Shell, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "text").write_bytes(text)

    result = shell.request(f"cat {tmp_path}/text; cat {tmp_path}/text >&2")

    assert (result.stdout, result.stderr) == (text, text)


def test_one_shell_serves_many_requests(shell: Shell) -> None:
    for number in range(5):
        assert shell.request(f"echo {number}").text == f"{number}\n"

    assert (shell.requests, shell.starts) == (5, 1)


def test_preamble_defines_functions_once(shell: Shell) -> None:
    assert shell.request("greet you").stdout == b"hello you\n"
    assert shell.request("greet you").stdout == b"hello you\n"


@pytest.mark.parametrize(
    "preamble",
    [
        "echo noise; echo noise >&2",
        "cat",
        "true # comment",
        "f() {\n echo 'it''s'\n}",
        "cat <<'X'\nfree text\nX",
    ],
)
def test_preamble_cannot_break_framing(transport: RecordingTransport, preamble: str) -> None:
    with Connection(transport, preamble) as connection:
        assert connection.request("echo on").stdout == b"on\n"


@pytest.mark.parametrize("preamble", ["exit 4", "if then", "'unclosed"])
def test_preamble_that_ends_the_shell_is_an_error(transport: RecordingTransport, preamble: str) -> None:
    with Connection(transport, preamble) as connection, pytest.raises(ConnectError):
        connection.request("echo on")


@pytest.mark.parametrize(
    "program",
    [
        "exit 3",
        "exec sh -c 'exit 3'",
        "set -e; sh -c 'exit 3'; echo not reached",
        "trap 'exit 3' EXIT; true",
        "(exit 3) # comment",
        "sh -c 'exit 3'\n",
    ],
)
def test_program_ends_only_itself(shell: Shell, program: str) -> None:
    assert shell.request(program).exit_code == 3
    assert shell.request("echo on").stdout == b"on\n"
    assert shell.starts == 1


def test_program_that_is_no_shell_text_fails_alone(shell: Shell) -> None:
    assert shell.request("if then (").exit_code != 0
    assert shell.request("echo on").stdout == b"on\n"
    assert shell.starts == 1


def test_program_cannot_read_the_next_request(shell: Shell) -> None:
    assert shell.request("cat").stdout == b""
    assert shell.request("echo on").stdout == b"on\n"


def test_program_may_hold_any_text(shell: Shell) -> None:
    text = 'it\'s "quoted" \\ \\n $HOME `id` !important grüße ☃ \t end'

    assert shell.request(f"cat <<'X'\n{text}\nX").stdout == f"{text}\n".encode()


def test_nothing_is_kept_from_one_program_to_the_next(shell: Shell) -> None:
    shell.request("LEFT=behind; cd /")

    assert shell.request('echo "[$LEFT]"').stdout == b"[]\n"


def test_megabyte_of_program_arrives(shell: Shell) -> None:
    line = "it's here"

    result = shell.request("cat <<'X'\n" + f"{line}\n" * 100_000 + "X")

    assert result.stdout == f"{line}\n".encode() * 100_000
    assert shell.request("echo on").stdout == b"on\n"


def test_large_first_request_arrives(transport: RecordingTransport) -> None:
    with Connection(transport, "f() { :; }\n" * 10_000) as connection:
        assert connection.request("echo on; : " + "x" * 100_000).stdout == b"on\n"


def test_large_output_takes_linear_time(shell: Shell) -> None:
    shell.request("true")
    began = time.monotonic()

    result = shell.request("head -c 50000000 /dev/zero; head -c 9000000 /dev/zero >&2")

    assert (len(result.stdout), len(result.stderr)) == (50_000_000, 9_000_000)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("interpreter", [("bash", "--posix"), ("dash",), ("busybox", "sh")])
def test_every_sh_answers(interpreter: tuple[str, ...]) -> None:
    if subprocess.run(["which", interpreter[0]], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"no {interpreter[0]}")
    with Connection(RecordingTransport(interpreter), 'f() { echo "<$1>"; }') as connection:
        result = connection.request("f 'a b'; exit 9")

    assert (result.exit_code, result.stdout) == (9, b"<a b>\n")


def test_noise_before_the_first_answer_is_thrown_away() -> None:
    noisy = RecordingTransport(("sh", "-c", "echo welcome; echo beware >&2; exec sh"))
    with Connection(noisy) as connection:
        result = connection.request("echo out; echo err >&2")

    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


def test_shell_that_was_gone_before_is_replaced_in_silence(
    shell: Shell, transport: RecordingTransport, tmp_path: Path
) -> None:
    shell.request("true")
    transport.started[0].kill()
    poll_until(lambda: transport.started[0].poll() is not None)

    result = shell.request(f"echo ran >>{tmp_path}/ran; greet again", repeatable=False)

    assert result.stdout == b"hello again\n"
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert shell.starts == 2


def test_repeatable_request_is_sent_again_once(shell: Shell, tmp_path: Path) -> None:
    # the first run kills the shell it runs in
    program = f"echo ran >>{tmp_path}/ran; [ $(grep -c ran {tmp_path}/ran) -gt 1 ] || kill -9 $$; echo done"

    assert shell.request(program).stdout == b"done\n"
    assert shell.starts == 2


def test_request_that_may_have_run_is_not_repeated(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="not known whether"):
        shell.request(f"echo ran >>{tmp_path}/ran; kill -9 $$", repeatable=False)

    assert (tmp_path / "ran").read_text() == "ran\n"
    assert shell.request("echo on").stdout == b"on\n"


def test_request_that_kills_every_shell_is_an_error(shell: Shell) -> None:
    with pytest.raises(ConnectError):
        shell.request("kill -9 $$")

    assert shell.starts == 2


def test_words_of_a_shell_that_never_begins_are_kept() -> None:
    closed = RecordingTransport(("sh", "-c", "echo 'This account is currently not available.'; exit 1"))
    with Connection(closed) as connection, pytest.raises(ConnectError, match="currently not available"):
        connection.request("echo on")


def test_no_answer_in_time_ends_the_shell(shell: Shell, transport: RecordingTransport) -> None:
    with pytest.raises(CommandTimeout):
        shell.request("sleep 300", timeout=0.5)

    assert transport.started[0].poll() is not None
    assert shell.request("echo on").stdout == b"on\n"


def test_large_request_that_nobody_reads_is_given_up() -> None:
    deaf = RecordingTransport(("sleep", "300"))
    with Connection(deaf) as connection, pytest.raises(CommandTimeout):
        connection.request("x" * 1_000_000, timeout=0.5)


def test_background_process_does_not_keep_the_answer(shell: Shell) -> None:
    result = shell.request("sleep 5 & echo started", timeout=4)

    assert result.stdout == b"started\n"


def test_requests_of_many_threads_are_not_mixed(shell: Shell) -> None:
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda number: shell.request(f"echo {number}; exit {number}"), range(100)))

    assert [(result.exit_code, result.text) for result in results] == [(n, f"{n}\n") for n in range(100)]
    assert (shell.requests, shell.starts) == (100, 1)


def test_close_ends_a_request_that_waits(transport: RecordingTransport) -> None:
    shell = Shell(transport, "", SystemClock())
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            shell.request("sleep 300", timeout=100)
        except ConnectError as exc:
            failures.append(exc)

    asking = threading.Thread(target=ask)
    asking.start()
    poll_until(lambda: bool(transport.started))

    shell.close()
    asking.join(10)

    assert len(failures) == 1


def test_closed_shell_says_so(shell: Shell) -> None:
    shell.close()
    shell.close()

    with pytest.raises(ConnectError, match="closed"):
        shell.request("true")


def test_watch_does_not_keep_requests_waiting(transport: RecordingTransport, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Connection(transport) as connection, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(connection.watch, f"until [ -e {go} ]; do sleep 0.01; done; echo news")
        assert connection.request("echo on").stdout == b"on\n"
        connection.request(f": >{go}")
        assert watching.result(10).stdout == b"news\n"

        assert (connection.requests, connection.processes) == (3, 2)


def test_connection_counts_the_processes_it_starts(transport: RecordingTransport) -> None:
    with Connection(transport) as connection:
        connection.request("true")
        connection.run(Command(argv=("true",)))

        assert connection.processes == 2


def test_transport_without_early_input_serves_too() -> None:
    local = LocalTransport()

    class Plain:
        def start(self, command: Command) -> Process:
            return local.start(command)

    shell = Shell(cast(Transport, Plain()), "", SystemClock())
    assert shell.request("echo on").stdout == b"on\n"
    shell.close()
