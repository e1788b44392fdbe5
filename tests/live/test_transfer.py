"""Files moved through real servers, to logins with every shell."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from jobferry.errors import ConnectError, TransferError
from jobferry.model.command import Command
from jobferry.staging.transfer import get, put
from jobferry.transports.openssh import OpenSSHTransport
from tests.live.openssh import needs_root, open_ssh
from tests.rigs.sshd import SHELLS, SshdRig, descendants, is_root, poll_until
from tests.unit.staging_trees import look, plant

pytestmark = pytest.mark.live

LOGINS = [user for user in SHELLS if user != "jf-jail"] if is_root() else [None]


@contextlib.contextmanager
def far_folder(transport: OpenSSHTransport) -> Iterator[PurePosixPath]:
    """Make a folder over there for a while; nothing of ours may be left in it."""
    name = f"t{secrets.token_hex(6)}"
    made = transport.run(Command(argv=("sh", "-c", f"cd && mkdir {name} && cd {name} && pwd")))
    path = PurePosixPath(made.text.strip())
    try:
        yield path
        found = transport.run(Command(argv=("find", str(path), "-name", ".jobferry-*")))
        assert found.stdout == b""
    finally:
        transport.run(Command(argv=("chmod", "-R", "u+rwx", str(path))))
        transport.run(Command(argv=("rm", "-rf", str(path))))


@pytest.mark.parametrize("user", LOGINS)
def test_odd_tree_goes_and_comes_back_equal(sshd: SshdRig, tmp_path: Path, user: str | None) -> None:
    transport = open_ssh(sshd, user=user)
    source = plant(tmp_path / "src")

    with far_folder(transport) as there:
        put(transport, source, f"{there}/in\n'it' s/")
        get(transport, "*/src", tmp_path / "back", directory=there)

    (only,) = (tmp_path / "back").iterdir()
    assert look(only / "src") == look(source)


def test_total_is_known_both_ways(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)
    (tmp_path / "f").write_bytes(os.urandom(3 << 20))
    told: list[tuple[int, int | None]] = []

    with far_folder(transport) as there:
        for number, end in enumerate((f"{there}/f", f"{tmp_path}/back")):
            if number == 0:
                put(transport, tmp_path / "f", end, progress=lambda *now: told.append(now))
            else:
                get(transport, f"{there}/f", end, progress=lambda *now: told.append(now))
            assert told[-1] == (3 << 20, 3 << 20)

    assert (tmp_path / "back").read_bytes() == (tmp_path / "f").read_bytes()


@needs_root
def test_folder_that_may_not_be_written_is_kept_and_said(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)
    (tmp_path / "f").write_text("text")

    with far_folder(transport) as there:
        transport.run(Command(argv=("mkdir", "-m", "555", f"{there}/closed")))

        with pytest.raises(TransferError, match="Permission denied") as caught:
            put(transport, tmp_path / "f", f"{there}/closed/")

    assert caught.value.hint
    assert caught.value.exit_code == 3


@needs_root
def test_folder_that_its_owner_cannot_write_goes_over(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)
    (tmp_path / "src" / "closed").mkdir(parents=True)
    (tmp_path / "src" / "closed" / "f").write_text("text")
    (tmp_path / "src" / "closed").chmod(0o555)

    with far_folder(transport) as there:
        for _ in range(2):
            put(transport, f"{tmp_path}/src/", f"{there}/d")
        get(transport, f"{there}/d/", tmp_path / "back")

    assert (tmp_path / "back" / "closed" / "f").read_text() == "text"


@needs_root
def test_file_that_may_not_be_read_is_named_and_the_rest_is_here(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)

    with far_folder(transport) as there:
        transport.run(Command(argv=("sh", "-c", "echo a >a; echo b >b; chmod 0 b"), directory=there))

        with pytest.raises(TransferError, match=r"b: Cannot open: Permission denied"):
            get(transport, f"{there}/", tmp_path / "back")

    assert set(look(tmp_path / "back")) == {"a"}


def test_missing_source_makes_nothing(sshd: SshdRig, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="No such file or directory"):
        get(open_ssh(sshd), "~/jobferry none such", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def cut_link(rig: SshdRig) -> None:
    """End the servers of all connections, and not what runs on them."""
    for pid in descendants(rig.server_pid("plain")):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                os.kill(pid, signal.SIGKILL)


def test_link_lost_under_a_put_leaves_nothing_there(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)
    (tmp_path / "big").write_bytes(bytes(64 << 20))

    def cut(done: int, total: int | None) -> None:
        if done > 16 << 20:
            cut_link(sshd)

    with far_folder(transport) as there:
        (there_old := tmp_path / "old").write_text("old")
        put(transport, there_old, f"{there}/big")

        with pytest.raises(ConnectError, match="was lost"):
            put(transport, tmp_path / "big", f"{there}/big", progress=cut)

        poll_until(lambda: _names(transport, there) == ["big"], what="the end of the folder beside")
        get(transport, f"{there}/big", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "old"


def _names(transport: OpenSSHTransport, folder: PurePosixPath) -> list[str]:
    return transport.run(Command(argv=("ls", "-A", str(folder)))).text.split()


def test_link_lost_under_a_get_leaves_whole_files_here(sshd: SshdRig, tmp_path: Path) -> None:
    transport = open_ssh(sshd)
    size = 8 << 20

    def cut(done: int, total: int | None) -> None:
        if done > 3 * size:
            cut_link(sshd)

    with far_folder(transport) as there:
        make = f"for n in 1 2 3 4 5 6 7 8; do head -c {size} /dev/zero >f$n; done"
        transport.run(Command(argv=("sh", "-c", make), directory=there))

        with pytest.raises(ConnectError, match="was lost"):
            get(transport, f"{there}/", tmp_path / "back", progress=cut)

    arrived = list((tmp_path / "back").iterdir())
    assert 0 < len(arrived) < 8
    assert {path.stat().st_size for path in arrived} == {size}
