"""Who is let in by the system's ssh, who is asked, and what those who are not are told."""

from __future__ import annotations

import sys
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from jobferry.errors import (
    AuthError,
    HostKeyError,
)
from tests.live.openssh import (
    echo,
    needs_root,
    open_ssh,
)
from tests.rigs.otp import totp
from tests.rigs.sshd import PASSPHRASE, SshdRig

pytestmark = pytest.mark.live


def test_changed_host_key_is_refused(sshd: SshdRig) -> None:
    key = " ".join((sshd.folder / "otherkey.pub").read_text().split()[:2])
    known = sshd.folder / "known_other"
    known.write_text(f"[127.0.0.1]:{sshd.ports['plain']} {key}\n")
    config = sshd.variant("changed_key", f"UserKnownHostsFile {known}")

    with pytest.raises(HostKeyError) as caught:
        echo(open_ssh(sshd, ssh=f"ssh -F {config}"))

    assert "administrators" in (caught.value.hint or "")


def test_unknown_host_key_is_refused(sshd: SshdRig) -> None:
    config = sshd.variant("unknown_key", "UserKnownHostsFile none", "StrictHostKeyChecking ask")

    with pytest.raises(HostKeyError) as caught:
        echo(open_ssh(sshd, ssh=f"ssh -F {config}"))

    assert caught.value.hint == "jobferry login rig"


def test_unknown_key_of_ours_is_an_authentication_error(sshd: SshdRig) -> None:
    config = sshd.variant("wrong_key", f"IdentityFile {sshd.folder}/id_unknown")
    # IdentityFile adds up, so the right one must not be there at all
    text = sshd.config.read_text().replace(f"IdentityFile {sshd.folder}/id\n", "")
    config.write_text(f"Host *\n  IdentityFile {sshd.folder}/id_unknown\n{text}")

    with pytest.raises(AuthError, match="Permission denied") as caught:
        echo(open_ssh(sshd, ssh=f"ssh -F {config}"))

    assert caught.value.hint == "jobferry login rig"


@needs_root
def test_background_work_is_never_asked_for_a_password(sshd: SshdRig, tmp_path: Path) -> None:
    # on a terminal of its own, where ssh could ask
    script = (
        "from jobferry.model.machine import Machine\n"
        "from jobferry.model.command import Command\n"
        "from jobferry.transports.openssh import OpenSSHTransport\n"
        f"machine = Machine(name='rig', host={sshd.host('password')!r}, ssh={sshd.ssh!r})\n"
        "OpenSSHTransport(machine).run(Command(argv=('true',)))\n"
    )
    child = pexpect.spawn(sys.executable, ["-c", script], timeout=30)

    answer = child.expect(["[Pp]assword:", "AuthError: .*Permission denied"])
    child.close(force=True)

    assert answer == 1


@needs_root
@pytest.mark.parametrize("temper", ["password", "keyotp"])
def test_login_asks_at_the_terminal_and_then_all_is_open(sshd: SshdRig, runtime: Path, temper: str) -> None:
    if temper not in sshd.ports:
        pytest.skip("libpam-google-authenticator is not installed")
    script = (
        "from jobferry.model.machine import Machine\n"
        "from jobferry.transports.openssh import OpenSSHTransport\n"
        f"machine = Machine(name='rig', host={sshd.host(temper)!r}, ssh={sshd.ssh!r})\n"
        "OpenSSHTransport(machine).login()\n"
        "print('logged in')\n"
    )
    child = pexpect.spawn(sys.executable, ["-c", script], timeout=30)
    child.expect(["[Pp]assword:", "[Vv]erification code:"])
    child.sendline(sshd.password if temper == "password" else totp())
    child.expect("logged in")
    child.expect(pexpect.EOF)
    child.close()

    assert echo(open_ssh(sshd, temper)) == "on"


def test_login_may_ask_by_a_program(sshd: SshdRig, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = _with_passphrase_key(sshd)
    _answer_with(monkeypatch, sshd, PASSPHRASE)
    with pytest.raises(AuthError):
        echo(open_ssh(sshd, ssh=ssh))

    open_ssh(sshd, ssh=ssh).login()

    assert echo(open_ssh(sshd, ssh=ssh)) == "on"


def test_login_with_the_wrong_answer_is_an_error(
    sshd: SshdRig, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer_with(monkeypatch, sshd, "wrong")

    with pytest.raises(AuthError, match="Permission denied"):
        open_ssh(sshd, ssh=_with_passphrase_key(sshd)).login()


def _with_passphrase_key(rig: SshdRig) -> str:
    config = rig.folder / "passphrase"
    config.write_text(rig.config.read_text().replace(f"{rig.folder}/id\n", f"{rig.folder}/id_pass\n"))
    return f"ssh -F {config}"


def _answer_with(monkeypatch: pytest.MonkeyPatch, rig: SshdRig, answer: str) -> None:
    program = rig.folder / "askpass"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
