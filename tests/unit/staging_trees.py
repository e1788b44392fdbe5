"""Trees of files to move, and what became of them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

ODD_NAMES = (
    b"a space",
    b'it\'s "quoted"',
    b"new\nline",
    b"\n",
    b"-rf",
    b"--help",
    b"@at",
    b"$HOME `id` $(id)",
    b"back\\slash\\n",
    "ünïcødé 日本".encode(),
    b"not utf-8 \xff\xfe",
    b"*",
    b"tab\there",
    b"a -> b",
    b".hidden",
    b"..two",
    b"~",
    b"n" * 255,
    b"%s%d",
)

Tree = dict[str, tuple[str, bytes, int]]


def look(root: Path) -> Tree:
    """Describe all that is below a folder: kind, content or target, permissions."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _describe(path)
    return found


def _describe(path: Path) -> tuple[str, bytes, int]:
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        return "link", os.fsencode(os.readlink(path)), 0
    if stat.S_ISDIR(info.st_mode):
        return "folder", b"", stat.S_IMODE(info.st_mode)
    return "file", path.read_bytes(), stat.S_IMODE(info.st_mode)


def plant(root: Path) -> Path:
    """Make a tree with everything in it that is legal and unpleasant."""
    root.mkdir(parents=True)
    for number, name in enumerate(ODD_NAMES):
        (root / os.fsdecode(name)).write_bytes(b"x" * number * 300)
    deep = root / "deep" / "er" / os.fsdecode(b"f\n\xff") / ("long" * 50) / ("path" * 50)
    deep.mkdir(parents=True)
    (deep / "leaf").write_bytes(bytes(range(256)) * 5000)
    (root / "empty folder").mkdir()
    (root / "empty folder").chmod(0o750)
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0o600)
    (root / "to file").symlink_to("run.sh")
    (root / "to folder").symlink_to("empty folder")
    (root / "to nowhere").symlink_to("gone -> away")
    (root / "deep" / "up").symlink_to("../run.sh")
    os.utime(root / "run.sh", (1_000_000_000, 1_000_000_000))
    return root


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """Make a member as nobody honest would."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def archive(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    """Write members, some with content, as a stream."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as writer:
        for each in members:
            info, content = each if isinstance(each, tuple) else (each, b"")
            info.size = len(content)
            writer.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream
