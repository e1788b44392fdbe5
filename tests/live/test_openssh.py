"""The system's ssh against real servers: every login shell, one connection for all."""

from __future__ import annotations

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobferry.conformance import TransportSuite
from jobferry.conformance.transports import shell
from jobferry.errors import (
    ConfigError,
    ConnectError,
    JobferryError,
    TransportError,
)
from jobferry.model.machine import Machine
from jobferry.transports.connection import Connection
from jobferry.transports.openssh import OpenSSHTransport
from tests.live.openssh import (
    CountedSsh,
    echo,
    needs_root,
    open_ssh,
    own_socket,
)
from tests.rigs.sshd import SHELLS, SshdRig, is_root

pytestmark = pytest.mark.live

LOGINS = [user for user in SHELLS if user != "jf-jail"] if is_root() else [None]


@pytest.mark.parametrize("user", LOGINS, scope="class")
class TestOpenSSHTransport(TransportSuite):
    @pytest.fixture
    def transport(self, sshd: SshdRig, user: str | None) -> OpenSSHTransport:
        return open_ssh(sshd, user=user)

    def test_shell_answers_exactly(self, transport: OpenSSHTransport) -> None:
        with Connection(transport, 'f() { printf %s "$1"; }') as connection:
            first = connection.request("f 'wow! it\n is'; printf e >&2; exit 4")
            second = connection.request("f again")

            assert (first.exit_code, first.stdout, first.stderr) == (4, b"wow! it\n is", b"e")
            assert (second.stdout, second.stderr) == (b"again", b"")
            assert connection.processes == 1


@needs_root
@pytest.mark.parametrize("temper", ["nosftp", "banner", "noforward"])
def test_server_of_another_temper_serves_too(sshd: SshdRig, temper: str) -> None:
    result = open_ssh(sshd, temper).run(shell("echo out; echo err >&2"))

    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


@needs_root
def test_login_without_a_shell_is_an_error_with_its_words(sshd: SshdRig) -> None:
    transport = open_ssh(sshd, user="jf-jail")

    with pytest.raises(ConnectError, match="currently not available"):
        echo(transport)
    with Connection(transport) as connection, pytest.raises(ConnectError, match="currently not available"):
        connection.request("echo on")


@needs_root
def test_forced_command_is_an_error_with_its_words(sshd: SshdRig) -> None:
    with pytest.raises(ConnectError, match="did not run our command: RIG-FORCED"):
        echo(open_ssh(sshd, "forced"))


def test_warm_command_costs_one_local_process(sshd: SshdRig, counted: CountedSsh) -> None:
    transport = open_ssh(sshd, ssh=counted.words)
    echo(transport)
    before = len(counted.calls())

    echo(transport)

    assert len(counted.calls()) == before + 1


def test_request_on_an_open_shell_costs_no_process(sshd: SshdRig, counted: CountedSsh) -> None:
    with Connection(open_ssh(sshd, ssh=counted.words)) as connection:
        connection.request("true")
        before = len(counted.calls())

        connection.request("true")

        assert len(counted.calls()) == before


def test_other_transport_shares_the_connection(sshd: SshdRig, counted: CountedSsh) -> None:
    echo(open_ssh(sshd, ssh=counted.words))
    before = len(counted.calls())

    echo(open_ssh(sshd, ssh=counted.words))

    assert counted.masters() == 1
    assert len(counted.calls()) == before + 1


def test_many_at_once_start_one_connection(sshd: SshdRig, counted: CountedSsh) -> None:
    transports = [open_ssh(sshd, ssh=counted.words) for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(echo, transports)) == ["on"] * 6

    assert counted.masters() == 1


def test_own_master_of_the_user_is_used(sshd: SshdRig, tmp_path: Path) -> None:
    path = sshd.folder / "users%h"  # a percent sign is not expanded twice
    config = sshd.variant("own_master", f"ControlPath {sshd.folder}/users%%h")
    ssh = CountedSsh(tmp_path, config)
    subprocess.run(
        ["ssh", "-F", config, "-M", "-N", "-f", sshd.host()], check=True, stderr=subprocess.DEVNULL
    )
    assert path.exists()

    assert echo(open_ssh(sshd, ssh=ssh.words)) == "on"

    assert ssh.masters() == 0
    assert not own_socket(ssh.words, sshd.host()).exists()
    subprocess.run(["ssh", "-F", config, "-O", "exit", sshd.host()], check=True, stderr=subprocess.DEVNULL)


def test_stale_socket_is_replaced(sshd: SshdRig, counted: CountedSsh) -> None:
    path = own_socket(counted.words, sshd.host())
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))

    assert echo(open_ssh(sshd, ssh=counted.words)) == "on"


def test_nobody_listening_is_a_connect_error(sshd: SshdRig) -> None:
    config = sshd.variant("no_port", "Port 1")

    with pytest.raises(ConnectError, match="Connection refused"):
        echo(open_ssh(sshd, ssh=f"ssh -F {config}"))


def test_unknown_name_is_a_connect_error(sshd: SshdRig) -> None:
    machine = Machine(name="rig", host="no-such-host.invalid")

    with pytest.raises(ConnectError, match="Could not resolve hostname") as caught:
        echo(OpenSSHTransport(machine))

    assert "ssh -G no-such-host.invalid" in (caught.value.hint or "")


def test_missing_ssh_is_a_configuration_error(sshd: SshdRig) -> None:
    with pytest.raises(ConfigError, match="no-such-ssh"):
        echo(open_ssh(sshd, ssh="no-such-ssh"))


def test_broken_ssh_configuration_is_told(sshd: SshdRig) -> None:
    with pytest.raises(TransportError, match="terminating, 1 bad configuration options"):
        echo(open_ssh(sshd, ssh=f"ssh -F {sshd.variant('bad', 'NoSuchOption yes')}"))


def test_configuration_of_the_user_cannot_spoil_a_session(sshd: SshdRig, runtime: Path) -> None:
    config = sshd.variant(
        "spoiling", "RemoteCommand echo spoiled", "RequestTTY force", "LogLevel QUIET", "ControlMaster auto",
        "ControlPath none", "LocalForward 127.0.0.1:1 127.0.0.1:2",
    )  # fmt: skip

    assert echo(open_ssh(sshd, ssh=f"ssh -F {config}")) == "on"


def test_forwarded_port_reaches_over_there(sshd: SshdRig) -> None:
    transport = open_ssh(sshd)

    port = transport.forward("127.0.0.1", sshd.ports["plain"])

    with socket.create_connection(("127.0.0.1", port), 10) as link:
        assert link.recv(4) == b"SSH-"
    transport.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def test_folder_for_sockets_must_be_ours(sshd: SshdRig, runtime: Path) -> None:
    elsewhere = runtime / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (runtime / "jobferry").symlink_to(elsewhere)

    with pytest.raises(ConfigError, match="yours alone"):
        echo(open_ssh(sshd))


def test_folder_that_others_may_enter_is_refused(sshd: SshdRig, runtime: Path) -> None:
    (runtime / "jobferry").mkdir()
    (runtime / "jobferry").chmod(0o755)

    with pytest.raises(JobferryError, match="yours alone"):
        echo(open_ssh(sshd))
