"""Local files as a tar stream."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.errors import TransferError
from jobferry.staging.header import Member, write_header
from jobferry.staging.pack import Entry, Packer, pack
from jobferry.staging.progress import Meter
from tests.unit.staging_trees import look, plant


def members(stream: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape") as archive:
        return archive.getmembers()


def packed(*entries: Entry, exclude: Sequence[str] = ()) -> list[tarfile.TarInfo]:
    return members(b"".join(pack(entries, exclude=exclude)))


def names(found: list[tarfile.TarInfo]) -> list[str]:
    return [member.name for member in found]


def test_system_tar_restores_every_odd_tree(tmp_path: Path) -> None:
    source = plant(tmp_path / "src")
    (tmp_path / "dst").mkdir()

    stream = b"".join(pack([Entry(path=source, name="")]))
    subprocess.run(["tar", "-xpf", "-", "-C", tmp_path / "dst"], input=stream, check=True)

    assert look(source) == look(tmp_path / "dst")
    assert (tmp_path / "dst" / "run.sh").stat().st_mtime == 1_000_000_000


def test_entry_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "d" / "e").mkdir(parents=True)

    found = packed(Entry(path=tmp_path / "a", name="in/b"), Entry(path=tmp_path / "d", name="new"))

    assert names(found) == ["in/b", "new", "new/e"]


@pytest.mark.parametrize("name", ["", "."])
def test_no_name_is_the_contents_of_a_folder_and_a_file_under_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "f").write_text("f")

    found = packed(Entry(path=tmp_path / "d", name=name), Entry(path=tmp_path / "f", name=name))

    assert names(found) == ["e", "f"]


def test_link_given_by_name_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("text")
    (tmp_path / "link").symlink_to("real")

    (only,) = packed(Entry(path=tmp_path / "link", name="link"))

    assert (only.name, only.isreg(), only.size) == ("link", True, 4)


def test_owner_and_dangerous_bits_stay_here(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    (tmp_path / "f").chmod(0o6755)

    (only,) = packed(Entry(path=tmp_path / "f", name="f"))

    assert (only.uid, only.gid, only.uname, only.gname, only.mode) == (0, 0, "", "", 0o755)


def test_folder_can_always_be_filled_over_there(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o555)

    (only,) = packed(Entry(path=tmp_path / "d", name="d"))

    assert only.mode == 0o755


def test_excluded_folder_is_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "d" / "cache").mkdir(parents=True)
    (tmp_path / "d" / "cache" / "x").write_text("")
    (tmp_path / "d" / "keep").write_text("")

    assert names(packed(Entry(path=tmp_path / "d", name="d"), exclude=["cache/"])) == ["d", "d/keep"]


def test_missing_file_is_named_and_the_rest_is_sent(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("b")
    packer = Packer(
        [Entry(path=tmp_path / "a", name="a"), Entry(path=tmp_path / "b", name="b")], seal="whole"
    )

    stream = b"".join(packer)

    assert names(members(stream)) == ["b", "whole"]
    with pytest.raises(TransferError, match=r"a: No such file or directory"):
        packer.check()


def with_change(path: Path, change: str) -> tuple[bytes, Packer]:
    """Pack a file that changes after its first chunk."""
    path.write_bytes(b"x" * (3 << 20))
    packer = Packer([Entry(path=path, name="f")], seal="whole")
    chunks = iter(packer)
    sent = [next(chunks)]
    if change == "grow":
        with path.open("ab") as file:
            file.write(b"more")
    else:
        os.truncate(path, 1 << 20)
    return b"".join([*sent, *chunks]), packer


def test_file_that_grows_is_cut_and_named(tmp_path: Path) -> None:
    stream, packer = with_change(tmp_path / "f", "grow")

    assert [(m.name, m.size) for m in members(stream)] == [("f", 3 << 20), ("whole", 0)]
    with pytest.raises(TransferError, match="f: grew while it was read"):
        packer.check()


def test_file_that_shrinks_is_filled_up_and_the_stream_not_sealed(tmp_path: Path) -> None:
    stream, packer = with_change(tmp_path / "f", "shrink")

    assert [(m.name, m.size) for m in members(stream)] == [("f", 3 << 20)]
    assert packer.spoilt
    with pytest.raises(TransferError, match="f: ended 2097152 bytes before its size"):
        packer.check()


def test_many_troubles_are_counted() -> None:
    entries = [Entry(path=Path(f"/nowhere/{n}"), name="x") for n in range(7)]

    with pytest.raises(TransferError, match=r"/nowhere/4: .*; and 2 more"):
        list(pack(entries))


def test_fifo_and_socket_hold_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / "pipe")

    assert names(packed(Entry(path=tmp_path / "d", name="d"))) == ["d"]
    assert "pipe is no file" in caplog.text


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    plant(tmp_path / "src")
    told: list[tuple[int, int | None]] = []
    expected = sum(len(content) for kind, content, _ in look(tmp_path / "src").values() if kind == "file")

    list(pack([Entry(path=tmp_path / "src", name="s")], progress=lambda *now: told.append(now)))

    assert told[-1] == (expected, expected)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


class StillClock:
    """A clock that only goes when told."""

    def __init__(self) -> None:
        self.time = 100.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_listener_is_told_twenty_times_a_second() -> None:
    clock = StillClock()
    told: list[int] = []
    meter = Meter(lambda done, total: told.append(done), 1000, clock=clock)

    for _ in range(1000):
        clock.sleep(0.001)
        meter.add(1)
    meter.finish()

    assert 19 <= len(told) <= 22
    assert told[-1] == 1000


HEADERS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]),
        "mode": st.integers(0, 0o777),
        "mtime": st.integers(-(2**40), 2**40),
        "size": st.integers(0, 2**50),
        "target": st.text(
            st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=120
        ),
    }
)


@given(
    # a name ends in a slash only where tarfile puts it
    name=st.binary(min_size=1, max_size=300)
    .filter(lambda raw: b"\0" not in raw and not raw.endswith(b"/"))
    .map(os.fsdecode),
    fields=HEADERS,
)
def test_short_way_writes_what_tarfile_writes(name: str, fields: dict[str, object]) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = fields["kind"], fields["mode"], fields["mtime"]  # type: ignore[assignment]
    info.size, info.linkname = fields["size"], fields["target"]  # type: ignore[assignment]

    expected = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    folder = "/" if fields["kind"] == tarfile.DIRTYPE else ""

    assert write_header(name + folder, **fields) == expected  # type: ignore[arg-type]


@given(st.binary(min_size=1, max_size=90).filter(lambda raw: b"\0" not in raw), st.integers(0, 8**11 - 1))
def test_short_way_reads_what_tarfile_reads(raw: bytes, size: int) -> None:
    block = write_header(os.fsdecode(raw), size=size, mtime=size, mode=0o640)

    slow = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    quick = Member.frombuf(block, "utf-8", "surrogateescape")

    for name in ("name", "size", "mtime", "mode", "type", "linkname"):
        assert getattr(quick, name) == getattr(slow, name)
