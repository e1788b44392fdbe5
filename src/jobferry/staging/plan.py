"""Where files go: rsync's rules for names, and what is left out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

_GLOB = re.compile(r"\*|\?|\[[!^]?[A-Za-z0-9_.,:=+@%-]+\]", re.ASCII)
_NO_NAME = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPlan:
    """What of `source` goes where over there.

    Attributes:
        name: what it is called over there when it goes inside `destination`; empty for a folder's contents.
        inside: it goes inside `destination`, even if that does not exist yet and a file is sent.
    """

    source: Path
    name: str
    destination: str
    inside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPlan:
    """What over there comes where.

    Attributes:
        source: without trailing slashes; ``~`` and ``$NAME`` are expanded over there.
        contents: the contents of `source` and not the folder itself.
        folder, pattern: `source` parted before its first shell pattern; both empty when it holds none.
        inside: it comes inside `destination`, even if that does not exist yet and a file is fetched.
    """

    source: str
    contents: bool
    folder: str
    pattern: str
    destination: Path
    inside: bool


def plan_put(source: str | Path, destination: str = "") -> PutPlan:
    """Decide by rsync's rules: ``data/`` is what is in data, ``data`` is the folder itself."""
    text = str(source)
    last = text.rstrip("/").rpartition("/")[2]
    contents = text.endswith("/") or last in _NO_NAME
    return PutPlan(
        source=Path(text).expanduser(),
        name="" if contents else last,
        destination=destination or ".",
        inside=_names_folder(destination),
    )


def plan_get(source: str, destination: str | Path = "") -> GetPlan:
    """Decide by the same rules; what shell patterns match keeps its folders from the first of them on."""
    bare = source.rstrip("/") or "/"
    contents = source.endswith("/") or bare.rpartition("/")[2] in _NO_NAME
    folder, pattern = _part(bare)
    return GetPlan(
        source=bare,
        contents=contents,
        folder=folder,
        pattern=pattern,
        destination=Path(destination or ".").expanduser(),
        inside=_names_folder(str(destination)),
    )


def _names_folder(text: str) -> bool:
    return text.endswith("/") or text.rpartition("/")[2] in {"", ".", "..", "~"}


def _part(source: str) -> tuple[str, str]:
    first = _GLOB.search(source)
    if first is None:
        return "", ""
    cut = source.rfind("/", 0, first.start()) + 1
    return source[:cut] or ".", source[cut:]


def split_pattern(text: str) -> tuple[tuple[str, bool], ...]:
    """Part text into pieces, each with whether it is a shell pattern."""
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in _GLOB.finditer(text):
        pieces.append((text[end : match.start()], False))
        pieces.append((match[0], True))
        end = match.end()
    pieces.append((text[end:], False))
    return tuple(piece for piece in pieces if piece[0])


class Excludes:
    """Patterns of what is left out, as rsync reads them.

    A pattern without a slash is matched with names, one with a slash with the end of paths, one that begins
    with a slash with whole paths; one that ends in a slash means folders only. ``*`` matches slashes too. A
    folder that is left out takes what is in it along.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        given = tuple(pattern for pattern in patterns if pattern.strip("/"))
        self._any = _either(pattern for pattern in given if not pattern.endswith("/"))
        self._folders = _either(given)
        self.simple = tuple(p for p in given if p.strip("/") == p and "\\" not in p)
        """Patterns that every `tar --exclude` understands as we do, or more narrowly."""

    def __bool__(self) -> bool:
        return self._folders is not None

    def match(self, path: str, *, folder: bool) -> bool:
        """Tell whether this path itself is left out."""
        pattern = self._folders if folder else self._any
        return pattern is not None and pattern.match(path) is not None

    def hide(self, path: str, *, folder: bool) -> bool:
        """Tell whether this path or a folder above it is left out."""
        if self._folders is None or self.match(path, folder=folder):
            return self._folders is not None
        parents = accumulate(path.split("/")[:-1], "{}/{}".format)
        return any(self.match(parent, folder=True) for parent in parents)


def _either(patterns: Iterable[str]) -> re.Pattern[str] | None:
    parts = [_expression(pattern) for pattern in patterns]
    return re.compile("|".join(parts)) if parts else None


@lru_cache(maxsize=256)
def _expression(pattern: str) -> str:
    body = fnmatch.translate(pattern.strip("/"))
    return f"(?:{body})" if pattern.startswith("/") else f"(?s:(?:.*/)?)(?:{body})"
