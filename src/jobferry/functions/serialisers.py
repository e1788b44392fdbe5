"""Ways to write arguments and results that users add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobferry.errors import SpecError
from jobferry.far.serialisers import KNOWN, Serialiser
from jobferry.model.suggest import did_you_mean

_BUILT_IN = ("auto", "pickle", "json", *KNOWN)
_registered: dict[str, Serialiser] = {}


def register_serialiser(name: str, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
    """Add a way to write arguments and results; both functions travel along with each call.

    Raises:
        SpecError: the name is one of ours.
    """
    if name in _BUILT_IN:
        raise SpecError(f"{name} is built in", hint="choose another name")
    _registered[name] = Serialiser(dumps, loads)


def registered(name: str) -> Serialiser:
    """Return a way to write that was added.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in _registered:
        every = [*_BUILT_IN, *_registered]
        raise SpecError(
            f"unknown serialiser: {name!r}{did_you_mean(name, every)}",
            hint=f"known are {', '.join(every)}; `jobferry.register_serialiser` adds one",
        )
    return _registered[name]
