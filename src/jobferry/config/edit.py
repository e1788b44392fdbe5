"""Change a configuration file as a careful person would: comments, order and all else stay."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from jobferry.config.lines import Section, find_places
from jobferry.config.machines import Settings, check_name, plain_value, read_settings
from jobferry.config.sources import PROJECT_FILE, PYPROJECT, BadSource, parse_toml, prefix_of
from jobferry.config.values import KNOWN_SCHEDULERS, KNOWN_TRANSPORTS, machine_readers
from jobferry.errors import ConfigError, UnknownMachine
from jobferry.model.readers import Reader
from jobferry.model.spec import COUNTS
from jobferry.model.suggest import did_you_mean

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def add_machine(
    path: Path,
    name: str,
    values: Mapping[str, object],
    defaults: Mapping[str, object] | None = None,
    *,
    known_schedulers: frozenset[str] = KNOWN_SCHEDULERS,
    known_transports: frozenset[str] = KNOWN_TRANSPORTS,
) -> None:
    """Write a new machine at the end of a file, which is created if need be; None and empty are left out.

    Raises:
        ConfigError: the name is taken, a value cannot be read (all such are listed), or the file is broken.
    """
    table, default_table = _given(values), _given(defaults or {})
    whole = {**table, "defaults": default_table} if default_table else table
    _check(name, whole, machine_readers(known_schedulers, known_transports))
    text = _read(path)
    before = _machines(path, text)
    if name in before:
        raise ConfigError(f"{path}: machine {name!r} is there already", hint=f"jobferry machine edit {name}")
    header = [*prefix_of(path), "machines", name]
    added = _section(header, table)
    if default_table:
        added += "\n" + _section([*header, "defaults"], default_table)
    gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    after = f"{text}{gap}{added}"
    if _machines_or_none(path, after) != {**before, name: whole}:
        # the machines are written as an inline table, or in some other way a new section cannot join
        raise ConfigError(f"{path}: cannot be added to safely; add this by hand:\n{added.rstrip()}")
    _write(path, after)


def remove_machine(path: Path, name: str) -> None:
    """Take a machine out of a file, and the default if it is that one.

    Raises:
        UnknownMachine: it is not in this file.
        ConfigError: others extend it, or the file is broken.
    """
    text = _read(path)
    before = _machines(path, text)
    if name not in before:
        raise UnknownMachine(f"{path}: no machine {name!r}{did_you_mean(name, before)}", machine=name)
    heirs = [
        other for other, table in before.items() if isinstance(table, dict) and table.get("extends") == name
    ]
    if heirs:
        raise ConfigError(f"{path}: machine {name!r} is extended by {', '.join(heirs)}", machine=name)
    expected = {other: table for other, table in before.items() if other != name}
    for cut in (_cut_sections, _cut_keys):
        after = cut(path, text, name)
        if (_machines_or_none(path, after) or {}) == expected:
            _write(path, after)
            return
    raise ConfigError(f"{path}: cannot be changed safely", hint="jobferry config edit", machine=name)


def _given(values: Mapping[str, object]) -> dict[str, object]:
    given = {key: value for key, value in values.items() if value not in (None, "", (), [])}
    # an option of the command line brings a number as text
    numbers = {
        key: int(str(value)) for key, value in given.items() if key in COUNTS and str(value).isdecimal()
    }
    return {key: plain_value(key, value) for key, value in {**given, **numbers}.items()}


def _check(name: str, table: Settings, readers: Mapping[str, Reader]) -> None:
    problems: list[str] = []

    def report(key: str, words: str) -> None:
        problems.append(f"machines.{name}{'.' if key else ''}{key}: {words}")

    if check_name(name, report):
        read_settings(table, readers, report)
    if problems:
        raise ConfigError("\n".join(problems))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read: {exc}") from exc


def _machines(path: Path, text: str) -> dict[str, object]:
    try:
        data: object = parse_toml(path, text)
    except BadSource as exc:
        raise ConfigError(str(exc)) from exc
    for word in (*prefix_of(path), "machines"):
        data = data.get(word, {}) if isinstance(data, dict) else {}
    return data if isinstance(data, dict) else {}


def _machines_or_none(path: Path, text: str) -> dict[str, object] | None:
    try:
        return _machines(path, text)
    except ConfigError:
        return None


def _section(header: Iterable[str], table: Mapping[str, object]) -> str:
    from tomlkit import item

    written = [f"{_key(key)} = {item(value).as_string()}" for key, value in table.items()]
    return "\n".join([f"[{'.'.join(map(_key, header))}]", *written]) + "\n"


def _key(word: str) -> str:
    return word if _BARE_KEY.fullmatch(word) else f'"{word}"'


def _cut_sections(path: Path, text: str, name: str) -> str:
    """Take out the machine's headed tables with the comments right above them; leave the comments below."""
    target = (*prefix_of(path), "machines", name)
    places = find_places(text)
    lines = _LINE.findall(text)
    gone: set[int] = set()
    for section in places.sections:
        if section.path[: len(target)] == target:
            gone |= _lines_of(section, lines)
    default = (*prefix_of(path), "default_machine")
    if _default_of(path, text) == name:
        gone.add(places.lines[default])
    return "".join(line for number, line in enumerate(lines, 1) if number not in gone)


def _lines_of(section: Section, lines: list[str]) -> set[int]:
    comment = section.first_line
    while comment > 1 and lines[comment - 2].lstrip().startswith("#"):
        comment -= 1
    # what stands at the top of the file is about the file
    first = comment if comment > 1 else section.first_line
    while first > 1 and not lines[first - 2].strip():
        first -= 1
    return set(range(first, section.last_line + 1))


def _default_of(path: Path, text: str) -> object:
    data: object = tomllib.loads(text)
    for word in (*prefix_of(path), "default_machine"):
        data = data.get(word) if isinstance(data, dict) else None
    return data


def _cut_keys(path: Path, text: str, name: str) -> str:
    """Take out a machine written as an inline table or with dotted keys."""
    import tomlkit

    document = tomlkit.parse(text)
    table: object = document
    for word in prefix_of(path):
        table = table[word]  # type: ignore[index]
    if _default_of(path, text) == name:
        del table["default_machine"]  # type: ignore[attr-defined]
    del table["machines"][name]  # type: ignore[index]
    return tomlkit.dumps(document)


def _write(path: Path, text: str) -> None:
    # a link to a file kept elsewhere, as with dotfiles, stays a link
    target = path.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(aside).chmod(_mode(target))
            Path(aside).replace(target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc


def _mode(path: Path) -> int:
    # a project's file is shared with others: it stays as open as it was
    if path.name in (PROJECT_FILE, PYPROJECT) and path.exists():
        return path.stat().st_mode & 0o777
    return 0o600
