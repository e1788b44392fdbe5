"""Dialects of batch systems. Pure."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from jobferry.errors import ConfigError
from jobferry.schedulers.base import Scheduler

_OWN = {"slurm": ("jobferry.schedulers.slurm", "Slurm"), "direct": ("jobferry.schedulers.direct", "Direct")}


def known_schedulers() -> frozenset[str]:
    """Name the dialects that can be used: ours and those of installed packages."""
    return frozenset(_OWN) | {entry.name for entry in entry_points(group="jobferry.schedulers")}


def open_scheduler(name: str) -> Scheduler:
    """Return the dialect of that name.

    Raises:
        ConfigError: there is none; lists the known ones.
    """
    if name in _OWN:
        module, attribute = _OWN[name]
        made: Scheduler = getattr(import_module(module), attribute)()
        return made
    for entry in entry_points(group="jobferry.schedulers", name=name):
        third: Scheduler = entry.load()()
        return third
    known = sorted(known_schedulers())
    close = get_close_matches(name, known, 1)
    raise ConfigError(
        f"no dialect for the batch system {name!r}; known: {', '.join(known)}",
        hint=f"did you mean {close[0]!r}?" if close else None,
    )
