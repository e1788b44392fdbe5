"""How calls travel, as it was asked for and as the Python over there allows it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from jobferry.errors import SpecError
from jobferry.far.serialisers import KNOWN, NEEDS
from jobferry.functions.serialisers import registered
from jobferry.model.machine import PythonFacts

HERE = sys.version_info[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How calls travel.

    Attributes:
        serialiser: how arguments and results are written: ``auto``, ``pickle``, ``json``, ``yaml``, ``dill``,
            or one that was registered.
        trusted: whether results may be anything; else they are plain data.
        chunk: how many calls a task of the job's array runs.
        is_array: whether the job has tasks.
        folders: whether each call works in a folder of its own.
        shared: names of what all of these are to find in their folders.
        processors: how many a task asks for; None where it does not.
    """

    serialiser: str = "auto"
    trusted: bool = True
    chunk: int = 1
    is_array: bool = False
    folders: bool = False
    shared: tuple[str, ...] = ()
    processors: int | None = None


def decide(facts: PythonFacts, style: Style) -> tuple[str, str]:
    """Choose how arguments and results are written.

    Raises:
        SpecError: what was asked for cannot be.
    """
    is_same = facts.minor == HERE
    asked = style.serialiser
    how = ("pickle" if is_same else "json") if asked == "auto" else asked
    if how not in ("pickle", "json", *KNOWN):
        registered(how)
    if how in ("pickle", "dill") and not is_same:
        here, there = ".".join(map(str, HERE)), ".".join(map(str, facts.minor))
        raise SpecError(
            f"{how} is only for the same version of Python: this is {here}, over there it is {there}",
            hint="leave the serialiser out, or say json",
        )
    if how in NEEDS and NEEDS[how] not in facts.modules:
        raise SpecError(
            f"{how} takes the module {NEEDS[how]}, which the Python over there does not have",
            hint="install it there, or say json",
        )
    if style.trusted:
        return how, how
    if how in ("pickle", "json"):
        return how, "json"
    raise SpecError(
        f"results of a machine that is not trusted come as JSON, not as {how}",
        hint="leave the serialiser out",
    )
