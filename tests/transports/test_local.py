"""This machine as a transport."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobferry.clock import SystemClock
from jobferry.conformance import TransportSuite
from jobferry.errors import CommandTimeout, ConfigError, ConnectError
from jobferry.model.command import Command
from jobferry.model.machine import Machine
from jobferry.transports import open_transport
from jobferry.transports.local import LocalTransport
from tests.rigs.sshd import poll_until


class TestLocalTransport(TransportSuite):
    @pytest.fixture
    def transport(self) -> LocalTransport:
        return LocalTransport()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_timeout_ends_the_whole_tree(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = f"sleep 300 & echo $! >{told}; wait"

    with pytest.raises(CommandTimeout):
        LocalTransport().run(Command(argv=("sh", "-c", script), timeout=1.0))

    poll_until(lambda: not is_running(int(told.read_text())), what="end of the grandchild")


def test_background_process_outlives_its_command(tmp_path: Path) -> None:
    script = "sleep 300 </dev/null >/dev/null 2>&1 & echo $!"

    pid = int(LocalTransport().run(Command(argv=("sh", "-c", script))).stdout)

    assert is_running(pid)
    os.kill(pid, 9)


def test_kill_after_the_end_is_no_error() -> None:
    process = LocalTransport().start(Command(argv=("true",)))
    assert process.wait(10) == 0

    process.kill()

    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_word_that_is_too_long_is_an_error_of_ours() -> None:
    with pytest.raises(ConnectError, match="Argument list too long"):
        LocalTransport().run(Command(argv=("true", "x" * 3_000_000)))


def test_forward_of_our_own_port_is_the_port() -> None:
    assert LocalTransport().forward("127.0.0.1", 8888) == 8888


def test_forward_to_elsewhere_says_so() -> None:
    with pytest.raises(ConnectError, match="node7 is not this machine"):
        LocalTransport().forward("node7", 8888)


def test_importing_transports_imports_none_of_them() -> None:
    script = "import sys, jobferry.transports; sys.exit('jobferry.transports.openssh' in sys.modules)"

    assert subprocess.run(["python3", "-c", script], check=False, env=_environment()).returncode == 0


def test_machine_without_host_is_local() -> None:
    assert open_transport(Machine(name="here"), SystemClock()).describe() == "this machine"


def test_machine_with_host_is_reached_by_ssh() -> None:
    transport = open_transport(Machine(name="far", host="far.example.org"), SystemClock())

    assert transport.describe() == "far.example.org by ssh"


def test_unknown_transport_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="pigeon") as caught:
        open_transport(Machine(name="far", transport="pigeon"), SystemClock())

    assert caught.value.hint is not None
    assert "local, openssh" in caught.value.hint


def test_ssh_without_a_host_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="`host`"):
        open_transport(Machine(name="far", transport="openssh"), SystemClock())


def _environment() -> dict[str, str]:
    import jobferry

    return {**os.environ, "PYTHONPATH": str(Path(jobferry.__file__).parents[1])}
