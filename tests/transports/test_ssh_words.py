"""What ssh says when it fails, as captured from OpenSSH 9.2, and what we make of it."""

from __future__ import annotations

import pytest

from jobferry.errors import AuthError, ConnectError, HostKeyError, TransportError
from jobferry.transports.ssh_words import explain, is_session_refused, is_startup_refused

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key for [127.0.0.1]:42569 has changed and you have requested strict checking.
Host key verification failed.\r
"""
UNKNOWN = """\
No ED25519 host key is known for [127.0.0.1]:42569 and you have requested strict checking.
Host key verification failed.
"""
REFUSED_SESSION = """\
mux_client_request_session: session request failed: Session open refused by peer
kex_exchange_identification: Connection closed by remote host
Connection closed by UNKNOWN port 65535
"""
RESET = "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22\n"

CASES = [
    (CHANGED, HostKeyError, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!"),
    (UNKNOWN, HostKeyError, "Host key verification failed."),
    ("me@far: Permission denied (publickey).\r\n", AuthError, "me@far: Permission denied (publickey)."),
    (
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n"
        "Disconnected from 10.0.0.1 port 22\n",
        AuthError,
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
    ),
    (
        "ssh: Could not resolve hostname far: Name or service not known\n",
        ConnectError,
        "ssh: Could not resolve hostname far: Name or service not known",
    ),
    (
        "ssh: connect to host far port 22: Connection refused\n",
        ConnectError,
        "ssh: connect to host far port 22: Connection refused",
    ),
    (
        "ssh: connect to host far port 22: Connection timed out\n",
        ConnectError,
        "ssh: connect to host far port 22: Connection timed out",
    ),
    (RESET, ConnectError, "Connection reset by 10.0.0.1 port 22"),
    (
        REFUSED_SESSION,
        ConnectError,
        "mux_client_request_session: session request failed: Session open refused by peer",
    ),
    ("", ConnectError, "the connection to far was lost"),
]


@pytest.mark.parametrize(("said", "error", "message"), CASES)
def test_words_become_an_error(said: str, error: type[TransportError], message: str) -> None:
    failure = explain(said.encode(), machine="cluster", host="far")

    assert type(failure) is error
    assert failure.message == message
    assert failure.machine == "cluster"


def test_changed_key_is_verified_before_it_is_removed() -> None:
    hint = explain(CHANGED.encode(), machine="cluster", host="far").hint or ""

    assert hint.index("administrators") < hint.index("ssh-keygen -R far")


@pytest.mark.parametrize("said", [UNKNOWN, "me@far: Permission denied (publickey)."])
def test_what_a_person_can_answer_hints_at_login(said: str) -> None:
    assert explain(said.encode(), machine="cluster", host="far").hint == "jobferry login cluster"


def test_refused_session_is_told_from_a_refused_connection() -> None:
    assert is_session_refused(REFUSED_SESSION.encode())
    assert not is_session_refused(RESET.encode())
    assert is_startup_refused(RESET.encode())


def test_jump_host_that_refuses_us_is_not_asked_again() -> None:
    said = b"me@jump: Permission denied (publickey).\n" + REFUSED_SESSION.splitlines()[1].encode()

    assert not is_startup_refused(said)
    assert type(explain(said, machine="m", host="far")) is AuthError


def test_warnings_are_not_the_message() -> None:
    said = "far: Permission denied (publickey).\nWarning: something else\n"

    assert explain(said.encode(), machine="m", host="far").message == "far: Permission denied (publickey)."
