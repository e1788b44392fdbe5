"""A tar stream as local files: whole, inside, or an error."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobferry.errors import TransferError
from jobferry.staging.header import write_header
from jobferry.staging.pack import Entry, pack
from jobferry.staging.stream import Chunks, Incoming, after_mark
from jobferry.staging.unpack import unpack
from tests.unit.staging_trees import archive, look, member, plant

LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder to unpack into, beside something that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("mine")
    return tmp_path / "target"


@pytest.fixture(autouse=True)
def _nothing_outside(tmp_path: Path) -> Iterator[None]:
    yield
    if (tmp_path / "outside").exists():
        assert [path.name for path in (tmp_path / "outside").iterdir()] == ["precious"]
        assert (tmp_path / "outside" / "precious").read_text() == "mine"
        assert {path.name for path in tmp_path.iterdir()} <= {"outside", "target", "src"}
    assert not list(tmp_path.rglob(".jobferry-*"))


@pytest.mark.parametrize("program", ["tar", "bsdtar", "busybox"])
def test_odd_tree_of_every_tar_arrives_whole(tmp_path: Path, target: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    source = plant(tmp_path / "src")
    (source / "same").hardlink_to(source / "run.sh")
    words = [program, "tar"] if program == "busybox" else [program]

    made = subprocess.run([*words, "-cf", "-", "-C", source, "."], capture_output=True, check=True)
    unpack(io.BytesIO(made.stdout), target)

    assert look(source) == look(target)
    assert (target / "run.sh").stat().st_mtime == 1_000_000_000
    assert (target / "same").samefile(target / "run.sh")


def test_sparse_file_of_bsdtar_arrives_whole(tmp_path: Path, target: Path) -> None:
    if shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not installed")
    (tmp_path / "src").mkdir()
    with (tmp_path / "src" / "holes").open("wb") as file:
        for place in (0, 5 << 20, 9 << 20):
            file.seek(place)
            file.write(b"data")
        file.truncate(20 << 20)

    made = subprocess.run(
        ["bsdtar", "-cf", "-", "-C", tmp_path / "src", "."], capture_output=True, check=True
    )
    unpack(io.BytesIO(made.stdout), target)

    assert len(made.stdout) < 1 << 20
    assert look(tmp_path / "src") == look(target)
    assert (target / "holes").stat().st_blocks * 512 < 1 << 20


def test_excluded_files_do_not_arrive(target: Path) -> None:
    stream = archive((member("d/a.o"), b"1"), (member("d/cache/x"), b"2"), (member("d/a.c"), b"3"))

    unpack(stream, target, exclude=["*.o", "cache"])

    assert set(look(target)) == {"d", "d/a.c"}


def test_one_file_gets_another_name(target: Path) -> None:
    unpack(archive((member("./old"), b"text")), target, only_as="new")

    assert (target / "new").read_bytes() == b"text"


def test_folder_instead_of_the_one_file_is_an_error(target: Path) -> None:
    with pytest.raises(TransferError, match="one file was asked for"):
        unpack(archive(member("old", tarfile.DIRTYPE)), target, only_as="new")
    assert not target.exists()


def test_dangerous_bits_are_cleared(target: Path) -> None:
    unpack(archive(member("f", mode=0o6755), member("d", tarfile.DIRTYPE, mode=0o1777)), target)

    assert (target / "f").stat().st_mode & 0o7777 == 0o755
    assert (target / "d").stat().st_mode & 0o7777 == 0o777


def test_folder_without_permissions_is_still_filled(target: Path) -> None:
    unpack(archive(member("d", tarfile.DIRTYPE, mode=0o500), (member("d/f"), b"x")), target)

    assert (target / "d" / "f").read_bytes() == b"x"
    assert (target / "d").stat().st_mode & 0o777 == 0o500


def test_existing_file_is_replaced_and_not_written_into(target: Path) -> None:
    target.mkdir()
    (target / "f").write_text("old")
    (target / "other name").hardlink_to(target / "f")

    unpack(archive((member("f"), b"new")), target)

    assert (target / "f").read_bytes() == b"new"
    assert (target / "other name").read_text() == "old"


def test_link_that_stood_there_is_replaced_and_not_followed(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    (target / "f").symlink_to(tmp_path / "outside" / "precious")

    unpack(archive((member("f"), b"new")), target)

    assert not (target / "f").is_symlink()


def test_folder_linked_inside_the_target_is_used(target: Path) -> None:
    (target / "run1").mkdir(parents=True)
    (target / "current").symlink_to("run1")

    unpack(archive((member("current/f"), b"x")), target)

    assert (target / "run1" / "f").read_bytes() == b"x"


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, LINK, HARD])
@pytest.mark.parametrize("name", ["../outside/x", "a/../../outside/x", "/tmp/jobferry-absolute", "a/.."])
def test_name_that_leads_out_is_refused(target: Path, name: str, kind: bytes) -> None:
    with pytest.raises(TransferError, match="leads out of the folder"):
        unpack(archive(member(name, kind, link="ok")), target)
    assert not target.exists()


@pytest.mark.parametrize(
    "link",
    [
        "../outside",
        "/etc",
        "a/../../outside",
        ".",
        "./../target/../outside",
        "sub/..",
        "",
        "x/" * 3000,
        "y" * 300,
    ],
)
def test_link_that_leads_out_is_left_out_and_named(target: Path, link: str) -> None:
    stream = archive(member("bad", LINK, link=link), (member("bad/x"), b"x"), (member("good"), b"g"))
    refused = link not in {"."}

    if refused:
        with pytest.raises(TransferError, match="bad"):
            unpack(stream, target)
        assert not (target / "bad").is_symlink()
    else:
        unpack(stream, target)
        assert (target / "x").exists()


def test_what_leads_out_does_not_keep_the_rest_away(target: Path) -> None:
    stream = archive(member("out", LINK, link="/etc"), (member("rest"), b"r"))

    with pytest.raises(TransferError, match="out is a link that leads out, to /etc") as caught:
        unpack(stream, target)

    assert caught.value.hint == "everything else has arrived"
    assert set(look(target)) == {"rest"}


def test_links_that_lead_out_together_are_caught(target: Path) -> None:
    # each is harmless while the other is missing
    stream = archive(
        member("s", tarfile.DIRTYPE),
        member("a", LINK, link="s/x/../../outside"),
        member("s/x", LINK, link=".."),
        (member("a/f"), b"x"),
    )

    with pytest.raises(TransferError, match="a is a link that leads out"):
        unpack(stream, target)


def test_link_through_an_existing_link_that_leads_out_is_refused(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    (target / "mine").symlink_to(tmp_path / "outside")

    with pytest.raises(TransferError, match="leads out"):
        unpack(archive(member("bad", LINK, link="mine/new")), target)


def test_nothing_is_written_through_an_existing_link_that_leads_out(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    (target / "mine").symlink_to(tmp_path / "outside")

    for name in ("mine/x", "mine/deep/x"):
        with pytest.raises(TransferError, match="mine is a link that leads out of"):
            unpack(archive((member(name), b"x")), target)
    with pytest.raises(TransferError, match="mine is a link that leads out of"):
        unpack(archive(member("mine", tarfile.DIRTYPE, mode=0o777)), target)


@pytest.mark.parametrize("link", ["mine/precious", "precious", "missing"])
def test_hard_link_to_what_is_not_a_file_inside_is_refused(tmp_path: Path, target: Path, link: str) -> None:
    target.mkdir()
    (target / "mine").symlink_to(tmp_path / "outside")
    (target / "precious").symlink_to(tmp_path / "outside" / "precious")

    with pytest.raises(TransferError, match=r"leads out of|not here"):
        unpack(archive(member("f", HARD, link=link)), target)
    assert not (target / "f").exists()


def test_hard_link_may_come_twice(target: Path) -> None:
    stream = archive((member("a"), b"x"), member("b", HARD, link="a"), member("b", HARD, link="a"))

    unpack(stream, target)

    assert (target / "b").samefile(target / "a")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_and_pipes_are_left_out_and_named(target: Path, kind: bytes) -> None:
    with pytest.raises(TransferError, match="odd is no file, folder or link"):
        unpack(archive(member("odd", kind), (member("rest"), b"r")), target)
    assert set(look(target)) - {"odd"} == {"rest"}


def test_names_that_no_file_system_takes_are_refused(target: Path) -> None:
    with pytest.raises(TransferError, match="File name too long") as caught:
        unpack(archive((member("n" * 100_000), b"x")), target)
    assert len(str(caught.value)) < 400


def test_depth_that_nobody_could_remove_is_refused(target: Path) -> None:
    with pytest.raises(TransferError, match="lies too deep"):
        unpack(archive((member("d/" * 1000 + "f"), b"x")), target)
    assert not target.exists()


def test_header_that_wants_all_memory_is_refused(target: Path) -> None:
    stream = write_header("long", kind=tarfile.GNUTYPE_LONGNAME, size=1 << 40) + bytes(1 << 16)

    with pytest.raises(TransferError, match="a header of"):
        unpack(io.BytesIO(stream), target)


def test_file_in_the_way_of_a_folder_is_named(target: Path) -> None:
    target.mkdir()
    (target / "d").write_text("a file")

    with pytest.raises(TransferError, match="d/x cannot be written: File exists"):
        unpack(archive((member("d/x"), b"x")), target)


def test_folder_in_the_way_of_a_file_is_named(target: Path) -> None:
    (target / "f").mkdir(parents=True)

    with pytest.raises(TransferError, match="f cannot be written: Is a directory"):
        unpack(archive((member("f"), b"x")), target)


def sample() -> bytes:
    return archive((member("a"), b"a" * 700), (member("b" * 150), b"b" * 512), (member("c"), b"")).getvalue()


@pytest.mark.parametrize("cut", range(0, 5120, 512))
def test_stream_that_ends_early_is_an_error_and_leaves_whole_files(target: Path, cut: int) -> None:
    stream = sample()
    contents = {"a": b"a" * 700, "b" * 150: b"b" * 512, "c": b""}
    end = len(stream.rstrip(b"\0")) // 512 * 512 + 512

    for at in {cut, cut + 1, cut + 511}:
        if at <= end:
            with pytest.raises(TransferError, match="ended too early"):
                unpack(io.BytesIO(stream[:at]), target)
        for path in target.glob("*"):
            assert path.read_bytes() == contents[path.name]


def test_damaged_header_is_not_taken_for_the_end(target: Path) -> None:
    stream = bytearray(sample())
    stream[1536] ^= 1

    with pytest.raises(TransferError, match="not a sound tar stream"):
        unpack(io.BytesIO(bytes(stream)), target)


@pytest.mark.parametrize("text", [b"bash: tar: command not found\n" * 40, b"\x1f\x8b" * 600])
def test_what_is_no_tar_is_an_error_and_makes_nothing(target: Path, text: bytes) -> None:
    with pytest.raises(TransferError, match="not a sound tar stream"):
        unpack(io.BytesIO(text), target)
    assert not target.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    where=st.lists(st.tuples(st.integers(0, len(sample()) - 1), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_damage_is_an_error_of_ours_or_harmless(tmp_path: Path, where: list[tuple[int, int]]) -> None:
    stream = bytearray(sample())
    for place, change in where:
        stream[place] ^= change
    target = tmp_path / "target"

    try:
        unpack(io.BytesIO(bytes(stream)), target)
    except TransferError:
        pass
    finally:
        shutil.rmtree(target, ignore_errors=True)


@pytest.mark.parametrize(
    "records",
    [
        [b"30 GNU.sparse.map=5,5,0,5,0,99\n", b"19 GNU.sparse.size=9\n"],
        [b"22 GNU.sparse.major=1\n", b"22 GNU.sparse.minor=0\n", b"31 GNU.sparse.realsize=1000000\n"],
        [b"12 size=-512\n"],
        [b"99999 path=x\n"],
        [b"0 path=x\n"],
        [b"12 mtime=inf\n"],
        [b"12 mtime=nan\n"],
        [b"11 path=a\0b\n"],
    ],
)
def test_hostile_extended_headers_are_errors_of_ours_or_harmless(target: Path, records: list[bytes]) -> None:
    body = b"".join(records)
    stream = write_header("pax", kind=tarfile.XHDTYPE, size=len(body)) + body.ljust(512, b"\0")
    stream += write_header("f", size=600) + b"-5\n7\n" * 200 + bytes(24) + bytes(2048)

    with contextlib.suppress(TransferError):
        unpack(io.BytesIO(stream), target)
    assert set(look(target)) <= {"f", "x"}


FILE_NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in {b".", b".."}
)
TREES: st.SearchStrategy[dict[bytes, object]] = st.recursive(
    st.dictionaries(FILE_NAMES, st.binary(max_size=3000), max_size=3),
    lambda inner: st.dictionaries(FILE_NAMES, inner | st.binary(max_size=600), max_size=3),
    max_leaves=8,
)


def grow(folder: Path, tree: dict[bytes, object]) -> None:
    folder.mkdir(parents=True)
    for name, what in tree.items():
        path = folder / os.fsdecode(name)
        if isinstance(what, dict):
            grow(path, what)
        elif isinstance(what, bytes):
            path.write_bytes(what)
            path.chmod(0o600 | len(what) % 0o200)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(tree=TREES, size=st.integers(1, 5000))
def test_random_trees_come_back_equal_whatever_the_chunks(
    tmp_path: Path, tree: dict[bytes, object], size: int
) -> None:
    source, target = tmp_path / "src", tmp_path / "target"
    grow(source, tree)

    stream = b"".join(pack([Entry(path=source, name="")]))
    unpack(Chunks(iter([stream[at : at + size] for at in range(0, len(stream), size)])), target)

    assert look(source) == (look(target) if tree else {})
    shutil.rmtree(source)
    shutil.rmtree(target, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_full_disk_says_so_and_leaves_whole_files(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", target], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this container cannot mount")
    try:
        with pytest.raises(TransferError, match="big cannot be written: No space left on device") as caught:
            unpack(archive((member("small"), b"s"), (member("big"), bytes(2 << 20))), target)
        assert caught.value.hint is not None
        assert set(look(target)) == {"small"}
    finally:
        subprocess.run(["umount", target], check=True)


def test_too_long_a_file_is_cut_off_by_the_system_and_named(target: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(TransferError, match="f cannot be written: File too large"):
            unpack(archive((member("f"), bytes(5000))), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_noise_before_the_mark_is_passed_over() -> None:
    said, rest = after_mark(
        Chunks(iter([b"motd\nwelc", b"ome\nMA", b"RK file 12", b"\nBODY", b"!"])), b"MARK"
    )

    assert said == b"file 12"
    assert rest.read(100) + rest.read(100) == b"BODY!"


@pytest.mark.parametrize("chunks", [[], [b"only noise\n"], [b"x" * (1 << 20)] * 4])
def test_missing_mark_is_an_error(chunks: list[bytes]) -> None:
    with pytest.raises(TransferError, match="no answer"):
        after_mark(Chunks(iter(chunks)), b"MARK")


def test_stream_never_goes_back() -> None:
    incoming = Incoming(io.BytesIO(b"abcdef"))
    incoming.seek(3)

    with pytest.raises(TransferError, match="not a sound"):
        incoming.seek(2)
    assert (incoming.tell(), incoming.read(3)) == (3, b"def")
