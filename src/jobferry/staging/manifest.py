"""The list of a job's outputs, as `data/manifest.sh` writes it over there."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_LINE = re.compile(
    rb"(?P<mode>[-a-zA-Z][-a-zA-Z]{9})[.+@]?\s+\d+\s+\S+\s+\S+\s+(?P<size>\d+|\S+,\s*\S+)"
    rb"\s+\S+\s+\S+\s+\S+ (?P<name>\.?/.*)",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([\\n])")


class Kind(StrEnum):
    """What stands under a name."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


KINDS = {b"-": Kind.FILE, b"d": Kind.FOLDER, b"l": Kind.LINK}
"""The first letter of `ls -l`."""

HERE: dict[Kind, Callable[[int], bool]] = {
    Kind.FILE: stat.S_ISREG,
    Kind.FOLDER: stat.S_ISDIR,
    Kind.LINK: stat.S_ISLNK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One name in a manifest; `size` counts for files only."""

    name: str
    size: int
    kind: Kind


def parse_manifest(text: bytes) -> tuple[ManifestEntry, ...]:
    """Read a manifest, each name once, in its order; lines that are none are passed over.

    Source: POSIX ls(1), long format; GNU coreutils 9.1, busybox 1.35.
    """
    found = {}
    for line in text.split(b"\n"):
        entry = _parse_line(line)
        if entry is not None and entry.name != ".":
            found[entry.name] = entry
    return tuple(found.values())


def _parse_line(line: bytes) -> ManifestEntry | None:
    # like md5sum: a backslash in front says that the name is escaped
    escaped = line.startswith(b"\\")
    match = _LINE.fullmatch(line[1:] if escaped else line)
    if match is None:
        return None
    kind = KINDS.get(match["mode"][:1], Kind.OTHER)
    size = int(match["size"]) if kind in HERE else 0
    name = _ESCAPE.sub(_unescape, match["name"]) if escaped else match["name"]
    if kind is Kind.LINK and not escaped:
        name = _before_arrow(name, size)
    return ManifestEntry(name=posixpath.normpath(os.fsdecode(name)), size=size, kind=kind)


def _unescape(match: re.Match[bytes]) -> bytes:
    return b"\n" if match[1] == b"n" else match[1]


def _before_arrow(text: bytes, size: int) -> bytes:
    """Cut ``name -> target``; a link's size is the length of its target, so arrows in names do no harm."""
    cut = len(text) - size - len(b" -> ")
    if cut > 0 and text[cut : cut + 4] == b" -> ":
        return text[:cut]
    return text.partition(b" -> ")[0]


def check(entries: Iterable[ManifestEntry], folder: Path) -> list[str]:
    """Return the names that are missing in a folder, are something else, or have another size."""
    return [entry.name for entry in entries if not _is_here(entry, folder / entry.name)]


def _is_here(entry: ManifestEntry, path: Path) -> bool:
    if entry.kind is Kind.OTHER:
        return True
    try:
        info = path.lstat()
    except OSError:
        return False
    return HERE[entry.kind](info.st_mode) and (entry.kind is not Kind.FILE or info.st_size == entry.size)
