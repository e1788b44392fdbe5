"""The configuration as people see and change it: rows with their origins, files, machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jobferry.config import add_machine, config_paths, load_config, machine_table, remove_machine
from jobferry.config.sources import BadSource, read_source
from jobferry.errors import ConfigError, UnknownMachine
from jobferry.model.machine import Machine

Row = tuple[str, object, str]
"""A dotted key, its value in plain words, and where it was written."""


def files() -> tuple[Path, ...]:
    """Name the files that count, low to high: the user's, then the project's if there is one."""
    return config_paths(Path.cwd(), os.environ)


def problems() -> list[str]:
    """Read the configuration anew and list what is wrong with it."""
    try:
        load_config(Path.cwd(), os.environ)
    except ConfigError as error:
        return error.message.splitlines()
    return []


def rows() -> list[Row]:
    """List every value that is set, with its origin.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    config = load_config(Path.cwd(), os.environ)
    found: list[Row] = []
    if config.default_machine is not None:
        found.append(("default_machine", config.default_machine, _origin(config.origins, "default_machine")))
    for machine in config.machines.values():
        for key, value in _flat(machine_table(machine)).items():
            dotted = f"machines.{machine.name}.{key}"
            found.append((dotted, value, _origin(config.origins, dotted)))
    for key, origin in config.origins.items():
        if key.startswith("machines.*."):
            field = key.removeprefix("machines.*.")
            found.append((key, _plain(config.environment.get(field)), str(origin)))
    return found


def table(machine: Machine) -> dict[str, object]:
    """Write a machine as the table that would configure it, its name first."""
    return {"name": machine.name, **machine_table(machine)}


def add(name: str, values: Mapping[str, object], defaults: Mapping[str, str]) -> Path:
    """Write a machine into the user's file and return the file.

    Raises:
        ConfigError: the name is taken, or a value cannot be read.
    """
    path = files()[0]
    add_machine(path, name, values, {key: _flag(key, value) for key, value in defaults.items()})
    return path


def check_new(name: str, values: Mapping[str, object], defaults: Mapping[str, str]) -> Path:
    """Find out whether a machine could be added, and name the file it would be written to.

    Raises:
        ConfigError: the name is taken, or a value cannot be read.
    """
    import tempfile

    path = files()[0]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if path.exists():
            copy.write_bytes(path.read_bytes())
        add_machine(copy, name, values, {key: _flag(key, value) for key, value in defaults.items()})
    return path


def file_of(name: str) -> Path:
    """Name the file a machine is written in, the one that counts most; a file that is broken, if one is.

    Raises:
        UnknownMachine: it is in none.
    """
    for path in reversed(files()):
        try:
            found = read_source(path).data.get("machines")
        except BadSource:
            return path
        if isinstance(found, Mapping) and name in found:
            return path
    load_config(Path.cwd(), os.environ).machine(name)
    raise UnknownMachine(
        f"machine {name!r} is in no file: it is always there",
        hint=f"to change it, add [machines.{name}] with `jobferry config edit`",
        machine=name,
    )


def remove(name: str) -> Path:
    """Take a machine out of its file and return the file.

    Raises:
        UnknownMachine: it is in no file.
        ConfigError: others extend it.
    """
    path = file_of(name)
    remove_machine(path, name)
    return path


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else str(value)


def _origin(origins: Mapping[str, object], key: str) -> str:
    return str(origins.get(key, "built-in"))


def _flag(key: str, value: str) -> object:
    # text is read for every other resource; a flag in a file is a TOML boolean
    return {"true": True, "false": False}.get(value, value) if key == "exclusive" else value
