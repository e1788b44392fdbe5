"""The system's ssh when connections die, freeze, or are refused."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobferry.conformance.transports import shell
from jobferry.errors import (
    CommandTimeout,
    ConnectError,
)
from jobferry.model.command import Command
from jobferry.model.machine import Machine
from jobferry.transports.connection import Connection
from jobferry.transports.openssh import OpenSSHTransport
from tests.live.openssh import (
    CountedSsh,
    ImpatientClock,
    cut_connections,
    echo,
    needs_root,
    open_ssh,
    own_socket,
)
from tests.rigs.delay import Delay
from tests.rigs.sshd import SshdRig, descendants, poll_until

pytestmark = pytest.mark.live


def test_lost_connection_is_made_again(sshd: SshdRig, counted: CountedSsh) -> None:
    transport = open_ssh(sshd, ssh=counted.words)
    echo(transport)

    cut_connections(sshd, "plain")

    poll_until(lambda: not own_socket(counted.words, sshd.host()).exists(), what="end of the master")
    assert echo(transport) == "on"
    assert counted.masters() == 2


def test_connection_lost_under_a_command_is_an_error(sshd: SshdRig) -> None:
    transport = open_ssh(sshd)
    process_began = threading.Event()

    def cut() -> None:
        process_began.wait(10)
        cut_connections(sshd, "plain")

    cutting = threading.Thread(target=cut)
    cutting.start()
    stream = transport.stream(shell("echo begun; echo Permission denied >&2; sleep 60"))
    assert next(stream) == b"begun\n"
    process_began.set()
    with pytest.raises(ConnectError, match="was lost"):
        list(stream)
    cutting.join()

    assert echo(transport) == "on"


def test_request_is_repeated_when_the_connection_dies_under_it(sshd: SshdRig, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    mark = sshd.folder / "keys" / f"ran{time.monotonic_ns()}"
    with Connection(open_ssh(sshd)) as connection, ThreadPoolExecutor(1) as pool:
        program = f"[ ! -e {mark} ] || {{ echo again; exit; }}; sleep 60"
        asked = pool.submit(connection.request, program)
        poll_until(lambda: connection.processes == 1 and asked.running())
        poll_until(lambda: _runs(sshd, "sleep"), what="the program over there")
        mark.touch()
        cut_connections(sshd, "plain")

        assert asked.result(30).stdout == b"again\n"


def test_request_that_may_have_run_is_not_repeated(sshd: SshdRig) -> None:
    with Connection(open_ssh(sshd)) as connection, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(connection.request, "sleep 61", repeatable=False)
        poll_until(lambda: _runs(sshd, "sleep"), what="the program over there")
        cut_connections(sshd, "plain")

        with pytest.raises(ConnectError, match="not known whether"):
            asked.result(30)


def _runs(rig: SshdRig, name: str) -> bool:
    def called(pid: int) -> str:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text().strip()
        return ""

    return any(called(pid) == name for pid in descendants(rig.server_pid("plain")))


@needs_root
def test_refused_sessions_are_waited_for(sshd: SshdRig) -> None:
    transport = open_ssh(sshd, "limits")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: echo(transport, str(number)), range(8)))

    assert results == [str(number) for number in range(8)]


@needs_root
def test_session_that_stays_refused_is_an_error_and_no_second_connection(
    sshd: SshdRig, runtime: Path, counted: CountedSsh
) -> None:
    machine = Machine(name="rig", host=sshd.host("limits"), ssh=counted.words)
    clock = ImpatientClock()
    transport = OpenSSHTransport(machine, clock)
    held = [transport.start(Command(argv=("cat",), timeout=None)) for _ in range(2)]

    with pytest.raises(ConnectError, match="Session open refused by peer"):
        echo(transport)

    assert counted.masters() == 1
    assert 20 < clock.slept <= 31
    for process in held:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


@needs_root
def test_server_that_drops_connections_is_tried_again(sshd: SshdRig, runtime: Path) -> None:
    # one unauthenticated connection is all this server takes
    with socket.create_connection(("127.0.0.1", sshd.ports["startups"])) as occupying:
        assert occupying.recv(4) == b"SSH-"

        assert echo(open_ssh(sshd, "startups")) == "on"


def test_frozen_network_costs_no_more_than_the_time_allowed(sshd: SshdRig, runtime: Path) -> None:
    with Delay(sshd.ports["plain"]) as relay:
        ssh = sshd.through(relay.port)
        transport = open_ssh(sshd, ssh=ssh)
        with Connection(transport) as connection:
            connection.request("true")
            relay.freeze()

            with pytest.raises(CommandTimeout):
                connection.request("true", timeout=1.0)
            with pytest.raises(CommandTimeout):
                connection.run(Command(argv=("true",), timeout=1.0))
            relay.thaw()
            assert connection.request("echo on").stdout == b"on\n"


def test_request_over_a_distance_is_one_round_trip(sshd: SshdRig, runtime: Path) -> None:
    with Delay(sshd.ports["plain"], one_way=0.05) as relay:
        ssh = sshd.through(relay.port)
        with Connection(open_ssh(sshd, ssh=ssh)) as connection:
            connection.request("true")
            costs = []
            for _ in range(5):
                began = time.monotonic()
                connection.request("true")
                costs.append(time.monotonic() - began)

        assert 0.1 <= min(costs) < 0.15
