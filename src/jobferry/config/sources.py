"""The files that make up a configuration: where they are, and what they say, with line numbers."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobferry.config.lines import find_places

PROJECT_FILE = "jobferry.toml"
PYPROJECT = "pyproject.toml"
_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_WRITABLE_BY_ALL = 0o002
_ROOT = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a file and its line, or the name of what else gave it."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class BadSource(Exception):
    """A file that cannot be read as TOML; the words start with where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, read: our part of its data, and the lines of our keys."""

    file: str
    data: Mapping[str, object]
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def origin(self, *path: str) -> Origin:
        """Tell where a key of ours is written; the file alone when the line is not known."""
        return Origin(self.file, self.lines.get(path))


def user_config_path(environ: Mapping[str, str]) -> Path:
    """Name the user's file: ``$JOBFERRY_CONFIG``, or ``jobferry/config.toml`` in the XDG config folder."""
    if named := environ.get("JOBFERRY_CONFIG"):
        return Path(named).expanduser()
    config = environ.get("XDG_CONFIG_HOME", "")
    # the XDG standard: a relative path is invalid and to be ignored
    folder = Path(config) if config.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "jobferry" / "config.toml"


def config_paths(cwd: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Name the files that count, low to high: the user's, there or not, and the project's if any."""
    user = user_config_path(environ)
    project = _project_path(cwd)
    return (user,) if project is None or project == user else (user, project)


def _project_path(cwd: Path) -> Path | None:
    folder = cwd.absolute()
    return next((path for path in _project_candidates(folder) if _is_trusted(path) and _is_ours(path)), None)


def _project_candidates(folder: Path) -> Iterator[Path]:
    for above in (folder, *folder.parents):
        yield above / PROJECT_FILE
        yield above / PYPROJECT


def _is_trusted(path: Path) -> bool:
    """Whether this is a file that no stranger can have left here, as in /tmp: it names programs to run."""
    try:
        found = path.stat()
        in_public = path.parent.stat().st_mode & _WRITABLE_BY_ALL
    except OSError:
        return False
    return not in_public or found.st_uid in (_ROOT, os.getuid())


def _is_ours(path: Path) -> bool:
    if path.name == PROJECT_FILE:
        return path.is_file()
    try:
        # most pyproject.toml files are not ours: look before parsing
        text = path.read_text("utf-8", "replace")
        return "jobferry" in text and "jobferry" in tomllib.loads(text).get("tool", {})
    except OSError:
        return False
    except tomllib.TOMLDecodeError:
        return "[tool.jobferry" in text


def prefix_of(path: Path) -> tuple[str, ...]:
    """Name the table that is ours in a file: all of it, or ``[tool.jobferry]``."""
    return ("tool", "jobferry") if path.name == PYPROJECT else ()


def read_source(path: Path) -> Source:
    """Read our part of a file; a file that is not there says nothing.

    Raises:
        BadSource: not readable, not UTF-8 or not TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Source(file=str(path), data={})
    except OSError as exc:
        raise BadSource(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise BadSource(f"{path}:{line}: not UTF-8 text") from exc
    data: object = parse_toml(path, text)
    prefix = prefix_of(path)
    for word in prefix:
        data = data.get(word, {}) if isinstance(data, dict) else {}
    lines = find_places(text).lines
    ours = {key[len(prefix) :]: line for key, line in lines.items() if key[: len(prefix)] == prefix}
    return Source(file=str(path), data=data if isinstance(data, dict) else {}, lines=ours)


def parse_toml(path: Path, text: str) -> dict[str, object]:
    """Parse TOML, and tell where it is wrong.

    Raises:
        BadSource: not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        where = _WHERE.search(str(exc))
        line = where[1] if where and where[1] else text.count("\n") + 1
        words = _WHERE.sub("", str(exc))
        raise BadSource(f"{path}:{line}: not TOML: {words[:1].lower()}{words[1:]}") from exc
    except RecursionError:
        raise BadSource(f"{path}: nested too deeply") from None
