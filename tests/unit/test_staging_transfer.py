"""Whole transfers through a local shell, with the tar programs a far side can have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from jobferry.errors import ConnectError, TransferError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.staging.pack import Entry, pack
from jobferry.staging.stream import Chunks
from jobferry.staging.transfer import fetch_stream, get, put
from jobferry.transports.local import LocalTransport
from tests.unit.staging_trees import look, plant

BUSYBOX = ("tar", "find", "mv", "rm", "mkdir", "ls", "cat", "awk")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture(params=["system", "bsdtar", "busybox"])
def far(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTransport:
    """A far side that is this machine, with another set of programs."""
    names = {"system": (), "bsdtar": ("tar",), "busybox": BUSYBOX}[request.param]
    if names:
        program = shutil.which(request.param) or pytest.skip(f"{request.param} is not installed")
        (tmp_path / "bin").mkdir()
        for name in names:
            (tmp_path / "bin" / name).symlink_to(program)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return LocalTransport()


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalTransport:
    """A far side whose home is an empty folder."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch space"))
    return LocalTransport()


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(".jobferry-*"))


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def below(folder: Path) -> set[str]:
    return {name for name, (kind, _, _) in look(folder).items() if kind != "folder"}


class TestBothWays:
    def test_odd_tree_goes_and_comes_back_equal(self, far: LocalTransport, tmp_path: Path) -> None:
        source = plant(tmp_path / "src")

        put(far, source, str(tmp_path / "there") + "/")
        get(far, str(tmp_path / "there" / "src"), tmp_path / "back")

        assert look(tmp_path / "there" / "src") == look(source)
        assert look(tmp_path / "back" / "src") == look(source)
        assert (tmp_path / "back" / "src" / "run.sh").stat().st_mtime == 1_000_000_000

    def test_contents_go_and_come_back_equal(self, far: LocalTransport, tmp_path: Path) -> None:
        source = plant(tmp_path / "src")

        put(far, f"{source}/", str(tmp_path / "there"))
        get(far, f"{tmp_path}/there/", tmp_path / "back")

        assert look(tmp_path / "there") == look(source)
        assert look(tmp_path / "back") == look(source)

    def test_again_changes_nothing(self, far: LocalTransport, tmp_path: Path) -> None:
        source = plant(tmp_path / "src")

        for _ in range(2):
            put(far, f"{source}/", str(tmp_path / "there"))
            get(far, f"{tmp_path}/there/", tmp_path / "back")

        assert look(tmp_path / "back") == look(source)

    def test_excluded_files_stay_where_they_are(self, far: LocalTransport, tmp_path: Path) -> None:
        for name in ("a.c", "a.o", "cache/x", "deep/b.o", "deep/b.c", "top", "deep/top"):
            write(tmp_path / "src" / name)
        exclude = ["*.o", "cache/", "/src/top"]
        expected = {"src/a.c", "src/deep/b.c", "src/deep/top"}

        put(far, tmp_path / "src", f"{tmp_path}/there/", exclude=exclude)
        get(far, f"{tmp_path}/src", tmp_path / "back", exclude=exclude)

        assert below(tmp_path / "there") == expected
        assert below(tmp_path / "back") == expected

    def test_progress_ends_at_the_total(self, far: LocalTransport, tmp_path: Path) -> None:
        source = plant(tmp_path / "src")
        size = sum(len(content) for kind, content, _ in look(source).values() if kind == "file")
        told: list[tuple[int, int | None]] = []

        put(far, source, f"{tmp_path}/there/", progress=lambda *now: told.append(now))
        assert told[-1] == (size, size)
        told.clear()
        get(far, str(source), tmp_path / "back", progress=lambda *now: told.append(now))
        assert told[-1] == (size, size)

    @pytest.mark.parametrize(
        "name", ["a b", "it's", "-n", "new\nline\n", "$HOME", "*", "[ab]", "~", "\udcff", "@x"]
    )
    def test_odd_name_can_be_named(self, far: LocalTransport, tmp_path: Path, name: str) -> None:
        write(tmp_path / "src" / name)

        put(far, tmp_path / "src" / name, f"{tmp_path}/there/")
        if "$" not in name:
            get(far, f"./{name}", tmp_path / "back.txt", directory=PurePosixPath(tmp_path / "there"))

            assert (tmp_path / "back.txt").read_text() == "text"
        assert (tmp_path / "there" / name).read_text() == "text"


class TestPut:
    def test_file_gets_a_new_name(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")

        put(far, tmp_path / "a", f"{tmp_path}/new/deep/b")

        assert (tmp_path / "new" / "deep" / "b").read_text() == "text"

    def test_file_goes_into_a_folder_that_exists(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")
        (tmp_path / "d").mkdir()

        put(far, tmp_path / "a", f"{tmp_path}/d")

        assert below(tmp_path / "d") == {"a"}

    def test_slash_makes_a_folder(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")

        put(far, tmp_path / "a", f"{tmp_path}/d//")

        assert below(tmp_path / "d") == {"a"}

    def test_nothing_named_is_the_login_folder(self, local: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")

        put(local, tmp_path / "a", directory=PurePosixPath("~"))
        put(local, tmp_path / "a", "~/b")
        put(local, tmp_path / "a", "$SCRATCH/${USER_X:-}c")

        assert below(tmp_path / "home") == {"a", "b"}
        assert (tmp_path / "scratch space" / "${USER_X:-}c").exists()

    def test_unset_variable_is_an_error_and_no_root_folder(
        self, local: LocalTransport, tmp_path: Path
    ) -> None:
        write(tmp_path / "a")

        with pytest.raises(TransferError, match="JF_NOT_SET"):
            put(local, tmp_path / "a", "$JF_NOT_SET/x")

    def test_several_go_inside(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")
        write(tmp_path / "d" / "b")

        put(far, [tmp_path / "a", tmp_path / "d"], f"{tmp_path}/there")

        assert below(tmp_path / "there") == {"a", "d/b"}

    def test_folders_are_merged(self, far: LocalTransport, tmp_path: Path) -> None:
        for name in ("both", "deep/both", "deep/new/x", ".dot/x", "..two"):
            write(tmp_path / "src" / name, "new")
        for name in ("both", "old", "deep/both", "deep/old", ".dot/old"):
            write(tmp_path / "there" / "src" / name, "old")

        put(far, tmp_path / "src", f"{tmp_path}/there")

        found = {
            name: text for name, (kind, text, _) in look(tmp_path / "there" / "src").items() if kind == "file"
        }
        assert {name for name, text in found.items() if text == b"old"} == {"old", "deep/old", ".dot/old"}
        assert {name for name, text in found.items() if text == b"new"} == below(tmp_path / "src")

    def test_file_takes_the_place_of_a_link(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "a", "new")
        write(tmp_path / "src" / "b", "new")
        write(tmp_path / "elsewhere" / "precious", "mine")
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "a").symlink_to(tmp_path / "elsewhere" / "precious")
        (tmp_path / "there" / "b").symlink_to(tmp_path / "elsewhere")

        put(far, f"{tmp_path}/src/", f"{tmp_path}/there")

        assert look(tmp_path / "there") == look(tmp_path / "src")
        assert below(tmp_path / "elsewhere") == {"precious"}
        assert (tmp_path / "elsewhere" / "precious").read_text() == "mine"

    def test_folder_linked_over_there_is_used(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "d" / "a")
        (tmp_path / "big").mkdir()
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "d").symlink_to(tmp_path / "big")

        put(far, f"{tmp_path}/src/", f"{tmp_path}/there")

        assert below(tmp_path / "big") == {"a"}

    def test_folder_in_the_way_of_a_file_is_an_error(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "a")
        (tmp_path / "there" / "a").mkdir(parents=True)

        with pytest.raises(TransferError, match="a: is a folder over there"):
            put(far, f"{tmp_path}/src/", f"{tmp_path}/there")

    def test_file_in_the_way_of_a_folder_is_an_error(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "d" / "a")
        write(tmp_path / "there" / "d")

        with pytest.raises(TransferError, match=r"(?i)directory"):
            put(far, f"{tmp_path}/src/", f"{tmp_path}/there")
        assert (tmp_path / "there" / "d").read_text() == "text"

    def test_missing_source_is_known_before_anything_starts(self, tmp_path: Path) -> None:
        with pytest.raises(TransferError, match="gone: No such file"):
            put(NoTransport(), tmp_path / "gone")
        with pytest.raises(TransferError, match="is no folder"):
            put(NoTransport(), f"{write(tmp_path / 'file')}/")
        with pytest.raises(TransferError, match="nothing to put"):
            put(NoTransport(), [])

    def test_vanished_file_is_named_and_the_rest_arrives(self, local: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "a")
        with pytest.raises(TransferError, match="b: No such file"):
            put(
                VanishingTransport(tmp_path / "src" / "b"),
                [tmp_path / "src" / "a", write(tmp_path / "src" / "b")],
                f"{tmp_path}/there",
            )
        assert below(tmp_path / "there") == {"a"}

    def test_vanished_only_file_is_named_beside_the_words_over_there(self, tmp_path: Path) -> None:
        file = write(tmp_path / "b")

        with pytest.raises(TransferError, match=r"mv: .*b: No such file"):
            put(VanishingTransport(file), file, f"{tmp_path}/new")

    def test_file_that_shrinks_spoils_the_transfer(self, tmp_path: Path) -> None:
        file = write(tmp_path / "big", "x" * (3 << 20))

        with pytest.raises(TransferError, match="big: ended"):
            put(ShrinkingTransport(file), file, f"{tmp_path}/there/")
        assert below(tmp_path / "there") == set()

    @pytest.mark.parametrize("cut", [0, 512, 1536, 2048, 100_000])
    def test_broken_link_moves_nothing_into_place(
        self, far: LocalTransport, tmp_path: Path, cut: int
    ) -> None:
        source = plant(tmp_path / "src")
        write(tmp_path / "there" / "src" / "run.sh", "old")

        with pytest.raises(TransferError):
            put(CutTransport(cut), source, f"{tmp_path}/there")

        assert below(tmp_path / "there") == {"src/run.sh"}
        assert (tmp_path / "there" / "src" / "run.sh").read_text() == "old"

    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
    def test_killed_shell_cleans_up(self, tmp_path: Path, number: signal.Signals) -> None:
        write(tmp_path / "big", "x" * (4 << 20))

        with pytest.raises(TransferError):
            put(SignallingTransport(number), tmp_path / "big", f"{tmp_path}/there/")
        assert below(tmp_path / "there") == set()

    @needs_root
    def test_full_disk_says_so_and_leaves_nothing(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "small")
        write(tmp_path / "src" / "big", "x" * (2 << 20))
        with mounted(tmp_path / "disk", "size=1m"):
            with pytest.raises(TransferError, match="No space left on device") as caught:
                put(far, f"{tmp_path}/src/", f"{tmp_path}/disk")

            assert below(tmp_path / "disk") == set()
        assert caught.value.hint
        assert caught.value.exit_code == 3

    @needs_root
    def test_read_only_disk_says_so(self, far: LocalTransport, tmp_path: Path) -> None:
        with mounted(tmp_path / "disk", "ro"), pytest.raises(TransferError, match="Read-only file system"):
            put(far, write(tmp_path / "a"), f"{tmp_path}/disk/new/deep/")


class TestGet:
    def test_file_gets_a_new_name(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "a")

        get(far, f"{tmp_path}/a", tmp_path / "new" / "b")

        assert (tmp_path / "new" / "b").read_text() == "text"

    def test_file_goes_into_a_folder_that_exists_or_is_meant(
        self, far: LocalTransport, tmp_path: Path
    ) -> None:
        write(tmp_path / "a")
        (tmp_path / "d").mkdir()

        get(far, f"{tmp_path}/a", tmp_path / "d")
        get(far, f"{tmp_path}/a", f"{tmp_path}/e/")

        assert below(tmp_path / "d") == below(tmp_path / "e") == {"a"}

    def test_missing_destination_is_this_folder(
        self, far: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "a")
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")

        get(far, f"{tmp_path}/a")

        assert below(tmp_path / "here") == {"a"}

    def test_home_and_variables_are_those_over_there(self, local: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "home" / "a")
        write(tmp_path / "scratch space" / "run 1" / "b")
        write(tmp_path / "scratch space" / "~tilde" / "c")

        get(local, "~/a", tmp_path / "1")
        get(local, "${SCRATCH}/run 1", f"{tmp_path}/2/")
        get(local, "$SCRATCH", f"{tmp_path}/3/")
        get(local, "~", f"{tmp_path}/4/")
        get(local, "$SCRATCH/~t*", f"{tmp_path}/6/")

        assert (tmp_path / "1").read_text() == "text"
        assert below(tmp_path / "2") == {"run 1/b"}
        assert below(tmp_path / "3") == {"scratch space/run 1/b", "scratch space/~tilde/c"}
        assert below(tmp_path / "4") == {"home/a"}
        assert below(tmp_path / "6") == {"~tilde/c"}

    def test_pattern_keeps_the_folders_it_begins_in(self, far: LocalTransport, tmp_path: Path) -> None:
        for name in ("runs/1/out", "runs/2/out", "runs/2/err", "runs/a b/out", "runs/-x/out"):
            write(tmp_path / name, name)

        get(far, f"{tmp_path}/runs/*/out", tmp_path / "all")
        get(far, f"{tmp_path}/runs/[1-9]/o?t", tmp_path / "some")
        get(far, "*/out", tmp_path / "relative", directory=PurePosixPath(tmp_path / "runs"))

        assert below(tmp_path / "all") == {"1/out", "2/out", "a b/out", "-x/out"}
        assert below(tmp_path / "some") == {"1/out", "2/out"}
        assert below(tmp_path / "relative") == below(tmp_path / "all")

    def test_pattern_runs_no_commands(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "$(touch evil);`touch evil` x")

        get(far, "$(touch evil);`touch evil` *", tmp_path / "d", directory=PurePosixPath(tmp_path / "src"))

        assert below(tmp_path / "src") == below(tmp_path / "d")

    def test_name_that_looks_like_a_pattern_comes_first(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "src" / "a[1]", "literal")
        write(tmp_path / "src" / "a1", "match")

        get(far, f"{tmp_path}/src/a[1]", f"{tmp_path}/d/")

        assert below(tmp_path / "d") == {"a[1]"}

    def test_link_given_by_name_is_followed(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "real" / "f")
        (tmp_path / "latest").symlink_to("real")
        (tmp_path / "log").symlink_to("real/f")

        get(far, f"{tmp_path}/latest", f"{tmp_path}/d/")
        get(far, f"{tmp_path}/log", f"{tmp_path}/d/")
        get(far, f"{tmp_path}/latest/", f"{tmp_path}/e/")

        assert below(tmp_path / "d") == {"latest/f", "log"}
        assert not (tmp_path / "d" / "log").is_symlink()
        assert below(tmp_path / "e") == {"f"}

    @pytest.mark.parametrize("source", ["gone", "gone/", "gone*", "none/gone", "file/", "none/*"])
    def test_missing_source_makes_nothing(self, far: LocalTransport, tmp_path: Path, source: str) -> None:
        write(tmp_path / "file")

        with pytest.raises(TransferError, match=r"No such file|Not a directory|can't cd|cannot") as caught:
            get(far, source, tmp_path / "d", directory=PurePosixPath(tmp_path))

        assert not (tmp_path / "d").exists()
        assert caught.value.exit_code == 3

    def test_noise_of_start_up_files_is_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path / "a")

        get(NoisyTransport(), f"{tmp_path}/a", tmp_path / "b")

        assert (tmp_path / "b").read_text() == "text"

    def test_what_was_not_read_there_is_named_when_the_rest_is_here(self, tmp_path: Path) -> None:
        write(tmp_path / "src" / "a")

        with pytest.raises(TransferError, match="Cannot open: Permission denied") as caught:
            get(
                FailingTransport(TransportError("tar: x: Cannot open: Permission denied")),
                f"{tmp_path}/src/",
                tmp_path / "d",
            )

        assert below(tmp_path / "d") == {"a"}
        assert caught.value.hint

    @pytest.mark.parametrize("cut", [0, 10, 1000, 3000, 700_000])
    def test_lost_link_leaves_whole_files_and_says_so(self, tmp_path: Path, cut: int) -> None:
        source = plant(tmp_path / "src")

        with pytest.raises(ConnectError, match="lost"):
            get(LosingTransport(cut), f"{source}/", tmp_path / "d")

        whole = look(source)
        for name, (kind, content, _) in look(tmp_path / "d").items():
            assert whole[name][0] == kind
            assert whole[name][1] == content

    def test_killed_tar_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path / "bin" / "tar", '#!/bin/sh\n/bin/tar "$@" | head -c 3000\nkill -9 $$\n').chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        write(tmp_path / "src" / "a", "a" * 9000)

        with pytest.raises(TransferError):
            get(LocalTransport(), f"{tmp_path}/src/", tmp_path / "d")
        assert below(tmp_path / "d") == set()

    @needs_root
    def test_full_disk_here_ends_the_other_side(self, far: LocalTransport, tmp_path: Path) -> None:
        write(tmp_path / "big", "x" * (8 << 20))
        with mounted(tmp_path / "disk", "size=1m"):
            with pytest.raises(TransferError, match="No space left on device"):
                get(far, f"{tmp_path}/big", f"{tmp_path}/disk/")
            assert below(tmp_path / "disk") == set()


def test_stream_is_read_to_its_end(tmp_path: Path) -> None:
    write(tmp_path / "a")
    chunks = Chunks(iter([*pack([Entry(path=tmp_path / "a", name="a")]), b"more", b"and more"]))

    fetch_stream(chunks, tmp_path / "d")

    assert chunks.read(1) == b""


# the peak that getrusage tells is the parent's too, as it was before exec; the kernel's own is not
MEMORY = """
import pathlib, re, resource, sys
from jobferry.staging.transfer import get, put
from jobferry.transports.local import LocalTransport
put(LocalTransport(), sys.argv[1], sys.argv[2])
get(LocalTransport(), sys.argv[2], sys.argv[3])
status = pathlib.Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1] if status.exists() else None
print(peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_stays_small_whatever_the_size(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("here", "there", "back")]
    with open(names[0], "wb") as file:
        file.truncate(512 << 20)

    result = subprocess.run(
        [sys.executable, "-c", MEMORY, *names], capture_output=True, text=True, check=True
    )

    assert int(result.stdout) < 100_000
    assert os.path.getsize(names[2]) == 512 << 20
    for name in names:
        os.unlink(name)


class mounted:  # noqa: N801 (used like a function)
    """A small disk for a while; skips where the system forbids it."""

    def __init__(self, folder: Path, options: str) -> None:
        self._folder = folder
        self._options = options

    def __enter__(self) -> None:
        self._folder.mkdir()
        words: list[str | Path] = ["mount", "-t", "tmpfs", "-o", self._options, "tmpfs", self._folder]
        if subprocess.run(words, capture_output=True).returncode != 0:
            pytest.skip("this container cannot mount")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self._folder], check=True)


class NoTransport(LocalTransport):
    """Must not be used."""

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        raise AssertionError("nothing was to be started")


class VanishingTransport(LocalTransport):
    """A file is removed between the plan and the transfer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        self._path.unlink()
        return super().run(command, stdin=stdin)


class Intercepted(LocalTransport):
    """What goes over passes through `change`."""

    def change(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        raise NotImplementedError

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        assert not isinstance(stdin, bytes)
        return super().run(command, stdin=self.change(iter(stdin)))


class ShrinkingTransport(Intercepted):
    """The file shrinks once its first bytes have gone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def change(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield next(chunks)
        os.truncate(self._path, 1000)
        yield from chunks


class CutTransport(Intercepted):
    """The stream ends after so many bytes."""

    def __init__(self, cut: int) -> None:
        self._left = cut

    def change(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: self._left]
            self._left -= min(self._left, len(chunk))
            if not self._left:
                return


class SignallingTransport(LocalTransport):
    """The shell over there gets a signal in the middle of the stream."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def run(self, command: Command, *, stdin: bytes | Iterable[bytes] = b"") -> CommandResult:
        script = f"kill -{self._number.value} $$\n"
        place = '[ -f "$stage/whole" ]'
        argv = (*command.argv[:2], command.argv[2].replace(place, script + place))
        assert script in argv[2]
        return super().run(Command(argv=argv, timeout=None), stdin=stdin)


class NoisyTransport(LocalTransport):
    """Start-up files over there print something."""

    def stream(self, command: Command) -> Iterator[bytes]:
        yield b"Welcome!\n\x00\xff no newline"
        yield from super().stream(command)


class FailingTransport(LocalTransport):
    """The command fails at its end."""

    def __init__(self, error: TransportError) -> None:
        self._error = error

    def stream(self, command: Command) -> Iterator[bytes]:
        yield from super().stream(command)
        raise self._error


class LosingTransport(LocalTransport):
    """The link is lost after so many bytes."""

    def __init__(self, cut: int) -> None:
        self._left = cut

    def stream(self, command: Command) -> Iterator[bytes]:
        for chunk in super().stream(command):
            yield chunk[: self._left]
            self._left -= min(self._left, len(chunk))
            if not self._left:
                raise ConnectError("the link was lost")
