"""The list of outputs: written by a shell over there, read and checked here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry import data
from jobferry.staging.manifest import Kind, ManifestEntry, check, parse_manifest
from tests.unit.staging_trees import look, plant

SHELLS = ["dash", "bash", "busybox"]
TOOLS = ("find", "ls", "sed")


@pytest.fixture(params=["system", "busybox"])
def tools(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The programs that the snippet finds on its PATH."""
    if request.param == "busybox":
        busybox = shutil.which("busybox") or pytest.skip("busybox is not installed")
        (tmp_path / "bin").mkdir()
        for name in TOOLS:
            (tmp_path / "bin" / name).symlink_to(busybox)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return str(request.param)


def manifest(folder: Path, *paths: str, shell: str = "dash", **environment: str) -> bytes:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    words = [shell, "sh"] if shell == "busybox" else [shell]
    script = f'{data.read("manifest.sh")}\njf_manifest "$@"\n'
    result = subprocess.run(
        [*words, "-c", script, "sh", *paths],
        cwd=folder,
        capture_output=True,
        check=True,
        env={**os.environ, **environment},
    )
    assert result.stderr == b""
    return result.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_every_odd_name_is_listed_with_kind_and_size(tmp_path: Path, tools: str, shell: str) -> None:
    folder = plant(tmp_path / "src")
    expected = {name: (kind, len(content)) for name, (kind, content, _) in look(folder).items()}

    entries = parse_manifest(manifest(folder, *os.listdir(folder), shell=shell))

    files = {entry.name: (entry.kind, entry.size) for entry in entries if entry.kind is Kind.FILE}
    assert {entry.name: entry.kind for entry in entries} == {n: kind for n, (kind, _) in expected.items()}
    assert files == {name: what for name, what in expected.items() if what[0] == "file"}
    assert check(entries, folder) == []


def test_the_folder_itself_can_be_listed(tmp_path: Path, tools: str) -> None:
    folder = plant(tmp_path / "src")

    assert {entry.name for entry in parse_manifest(manifest(folder, "."))} == set(look(folder))


def test_absolute_paths_stay_absolute(tmp_path: Path, tools: str) -> None:
    (tmp_path / "f").write_text("abc")

    assert parse_manifest(manifest(tmp_path, f"{tmp_path}/f")) == (
        ManifestEntry(name=f"{tmp_path}/f", size=3, kind=Kind.FILE),
    )


def test_patterns_that_matched_nothing_are_passed_over(tmp_path: Path, tools: str) -> None:
    assert manifest(tmp_path, "*.txt", "missing") == b""
    assert manifest(tmp_path) == b""


def test_environment_of_ls_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "two words").write_text("x" * 5000)
    settings = {
        "TIME_STYLE": "full-iso",
        "QUOTING_STYLE": "shell-always",
        "BLOCK_SIZE": "K",
        "LC_ALL": "C.UTF-8",
    }

    (entry,) = parse_manifest(manifest(tmp_path, "two words", **settings))

    assert (entry.name, entry.size) == ("two words", 5000)


def test_name_that_looks_like_a_line_is_one_name(tmp_path: Path, tools: str) -> None:
    name = "x\n-rw-r--r-- 1 0 0 12 Nov 21 03:33 .\n\\-rw-r--r-- 1 0 0 12 Nov 21 03:33 y"
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_text("1")

    assert {e.name for e in parse_manifest(manifest(tmp_path, "d"))} == {"d", f"d/{name}"}


def test_ten_thousand_files_take_a_handful_of_processes(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"ä{number}").touch()

    begun = time.monotonic()
    entries = parse_manifest(manifest(tmp_path, "many"))

    assert len(entries) == 10_001
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (b"-rw-r--r-- 1 0 0 1234 Nov 21 03:33 ./path", ManifestEntry(name="path", size=1234, kind=Kind.FILE)),
        (b"-rw-r--r--. 1 0 0  7 Nov 21  2020 ./a b", ManifestEntry(name="a b", size=7, kind=Kind.FILE)),
        (b"-rw-r--r--@ 1 501 20  7 Nov  1 03:33 ./ x", ManifestEntry(name=" x", size=7, kind=Kind.FILE)),
        (b"drwxr-s---+ 2 0 0 4096 Jan  1 03:33 ./d", ManifestEntry(name="d", size=4096, kind=Kind.FOLDER)),
        (b"lrwxrwxrwx 1 0 0 5 Nov 21 03:33 ./a -> b", ManifestEntry(name="a", size=5, kind=Kind.LINK)),
        (
            b"lrwxrwxrwx 1 0 0 1 Nov 21 03:33 ./a -> b -> c",
            ManifestEntry(name="a -> b", size=1, kind=Kind.LINK),
        ),
        (b"crw-rw-rw- 1 0 0 1, 3 Nov 21 03:33 ./null", ManifestEntry(name="null", size=0, kind=Kind.OTHER)),
        (b"prw-r--r-- 1 0 0 0 Nov 21 03:33 ./pipe", ManifestEntry(name="pipe", size=0, kind=Kind.OTHER)),
        (
            rb"\-rw-r--r-- 1 0 0 3 Nov 21 03:33 ./a\nb\\n",
            ManifestEntry(name="a\nb\\n", size=3, kind=Kind.FILE),
        ),
    ],
)
def test_lines_of_every_ls_are_read(line: bytes, entry: ManifestEntry) -> None:
    assert parse_manifest(line + b"\n") == (entry,)


def test_a_name_counts_once_and_foreign_lines_not_at_all() -> None:
    line = b"-rw-r--r-- 1 0 0 4 Nov 21 03:33 ./a\n"

    assert len(parse_manifest(b"total 4\n" + line + b"welcome to the cluster\n" + line)) == 1


@given(st.binary())
def test_any_text_can_be_read(text: bytes) -> None:
    parse_manifest(text)


def test_check_names_what_is_missing_or_different(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("123")
    (tmp_path / "short").write_text("12")
    (tmp_path / "folder").mkdir()
    entries = [
        ManifestEntry(name="same", size=3, kind=Kind.FILE),
        ManifestEntry(name="short", size=3, kind=Kind.FILE),
        ManifestEntry(name="gone", size=0, kind=Kind.FILE),
        ManifestEntry(name="folder", size=99, kind=Kind.FOLDER),
        ManifestEntry(name="folder", size=3, kind=Kind.FILE),
        ManifestEntry(name="same", size=3, kind=Kind.LINK),
        ManifestEntry(name="pipe", size=0, kind=Kind.OTHER),
    ]

    assert check(entries, tmp_path) == ["short", "gone", "folder", "same"]


def test_scripts_are_clean() -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    shellcheck = shutil.which("shellcheck", path=path) or pytest.skip("shellcheck is not installed")
    folder = Path(data.__file__).parent

    for name in ("manifest.sh", "put.sh", "get.sh"):
        result = subprocess.run([shellcheck, folder / name], capture_output=True, text=True)
        assert result.stdout == ""
