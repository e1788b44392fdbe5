"""Machines as flat settings, which can be laid over each other, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from jobferry.config.sources import Origin
from jobferry.config.values import (
    explain_unknown,
    read_name,
    words_of,
)
from jobferry.errors import SpecError
from jobferry.model.machine import Machine
from jobferry.model.readers import RESOURCE_READERS, Reader, split_gpus
from jobferry.model.spec import Resources
from jobferry.model.suggest import did_you_mean
from jobferry.model.units import format_memory, format_time

Settings = Mapping[str, object]
"""Typed values by key; those of the defaults as ``defaults.time``."""

Report = Callable[[str, str], None]
"""Takes a key and what is wrong with it."""

DEFAULTS = "defaults."
_FIELDS = ("host", "scheduler", "transport", "root", "account", "partition", "qos", "setup", "python", "ssh")
# what is set on a higher layer and can no longer mean the same together with these of a lower one
_SHADOWS = {
    "account": "defaults.account",
    "partition": "defaults.partition",
    "qos": "defaults.qos",
    "defaults.mem": "defaults.mem_per_cpu",
    "defaults.mem_per_cpu": "defaults.mem",
}


def read_settings(table: object, readers: Mapping[str, Reader], report: Report) -> dict[str, object]:
    """Read the table of one machine; what is wrong is reported by its key, and left out."""
    if not isinstance(table, Mapping):
        report("", f"must be a table, not {table!r}")
        return {}
    settings: dict[str, object] = {}
    for key, value in table.items():
        if key == "defaults":
            settings |= _read_defaults(value, report)
        elif key not in readers:
            report(key, explain_unknown(key, [*readers, "defaults"]))
        else:
            settings |= _read(key, value, readers[key], report)
    return settings


def _read_defaults(table: object, report: Report) -> dict[str, object]:
    if not isinstance(table, Mapping):
        report("defaults", f"must be a table, not {table!r}")
        return {}
    settings: dict[str, object] = {}
    for name, value in split_gpus(table).items():
        key = DEFAULTS + name
        if name not in RESOURCE_READERS:
            report(key, explain_unknown(name, RESOURCE_READERS))
        else:
            settings |= _read(key, value, RESOURCE_READERS[name], report)
    return settings


def _read(key: str, value: object, read: Reader, report: Report) -> dict[str, object]:
    try:
        return {key: read(value)}
    except (ValueError, SpecError) as exc:
        report(key, words_of(exc))
        return {}


def lay_over(above: Settings, below: Settings) -> dict[str, object]:
    """Fill what is not set above from below."""
    shadowed = {_SHADOWS[key] for key in above if key in _SHADOWS}
    return {**{key: value for key, value in below.items() if key not in shadowed}, **above}


def extend_all(machines: Mapping[str, Settings], report: Report) -> dict[str, dict[str, object]]:
    """Fill every machine from those it extends; `report` is called with the machine's name."""
    for name in machines:
        chain = chain_of(name, machines)
        parent = machines[chain[-1]].get("extends")
        if parent == name and name == min(chain):
            report(name, f"a cycle: {' -> '.join((*chain, name))}")
        elif parent is not None and parent not in machines and len(chain) == 1:
            report(name, f"no machine {parent!r}{did_you_mean(str(parent), machines)}")
    return {name: _extended(chain_of(name, machines), machines) for name in machines}


def chain_of(name: str, machines: Mapping[str, Settings]) -> list[str]:
    """List a machine and those it extends, as far as they exist, each once."""
    chain = [name]
    while (parent := machines[chain[-1]].get("extends")) in machines and parent not in chain:
        chain.append(str(parent))
    return chain


def _extended(chain: Sequence[str], machines: Mapping[str, Settings]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for name in chain:
        settings = lay_over(settings, machines[name])
    settings.pop("extends", None)
    return settings


def build_machine(name: str, settings: Settings) -> Machine:
    """Make a machine.

    Raises:
        SpecError: resources that do not go together.
    """
    fields = {key: value for key, value in settings.items() if "." not in key}
    defaults = {key.removeprefix(DEFAULTS): value for key, value in settings.items() if "." in key}
    return Machine(name=name, **fields, defaults=Resources(**defaults))  # type: ignore[arg-type]


def settings_of(machine: Machine) -> dict[str, object]:
    """List what is set of a machine, beside what every machine has."""
    plain = Machine(name=machine.name)
    fields = {key: getattr(machine, key) for key in (*_FIELDS, "poll_interval", "max_jobs", "trusted")}
    settings = {key: value for key, value in fields.items() if value != getattr(plain, key)}
    return settings | {DEFAULTS + key: value for key, value in machine.defaults.given().items()}


def machine_table(machine: Machine) -> dict[str, object]:
    """Write a machine as the table that would configure it, in plain values."""
    table: dict[str, object] = {}
    defaults: dict[str, object] = {}
    for key, value in settings_of(machine).items():
        name = key.removeprefix(DEFAULTS)
        into = table if name == key else defaults
        into[name] = plain_value(name, value)
    return {**table, "defaults": defaults} if defaults else table


def plain_value(key: str, value: object) -> object:
    """Write a typed value as it would stand in a file."""
    if isinstance(value, timedelta):
        return _seconds(value) if key == "poll_interval" else format_time(value)
    if key in ("mem", "mem_per_cpu") and isinstance(value, int):
        return format_memory(value)
    return list(value) if isinstance(value, tuple) else value


def _seconds(value: timedelta) -> object:
    seconds = value.total_seconds()
    return f"{int(seconds)}s" if seconds.is_integer() else seconds


def table_origins(
    name: str, settings: Settings, origin: Callable[..., Origin]
) -> Iterator[tuple[str, Origin]]:
    """Tell where the settings of a machine stand, by their dotted keys."""
    yield f"machines.{name}", origin("machines", name)
    for key in settings:
        where = origin("machines", name, *key.split("."))
        if key == "defaults.gpu_type" and where.line is None:
            # written as part of the number
            where = origin("machines", name, "defaults", "gpus_per_node")
        yield f"machines.{name}.{key}", where


def check_name(name: str, report: Report) -> bool:
    """Report a name that no machine may have."""
    try:
        read_name(name)
    except ValueError as exc:
        report("", words_of(exc))
        return False
    return True
