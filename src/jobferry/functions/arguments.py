"""What of a call is the function's, and what is the job's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobferry.errors import SpecError
from jobferry.functions.capture import plain
from jobferry.model.spec import RESOURCE_NAMES
from jobferry.model.suggest import did_you_mean
from jobferry.options import FIELDS, make_spec

STYLE = ("serialiser",)
"""Options of a call that are no job's."""

OPTIONS = frozenset({*FIELDS, *RESOURCE_NAMES, *STYLE})


def split_options(
    function: Callable[..., object], args: Sequence[Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the function's keyword arguments from the job's options; a name of both is the function's.

    Raises:
        SpecError: a name of neither, or arguments that the function does not take.
    """
    signature = signature_of(function)
    parameters = {} if signature is None else signature.parameters
    named = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = signature is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    kwargs, options = {}, {}
    for name, value in given.items():
        if name in named:
            kwargs[name] = value
        elif name in OPTIONS:
            options[name] = value
        elif takes_any:
            kwargs[name] = value
        else:
            known = [*named, *sorted(OPTIONS)]
            raise SpecError(
                f"{name_of(function)} takes no argument {name!r}, and a job has no such option"
                f"{did_you_mean(name, known)}",
                hint=f"its arguments are {', '.join(named) or 'none'}",
            )
    check_arguments(function, args, kwargs)
    return kwargs, options


def has_parameter(function: Callable[..., object], name: str) -> bool:
    """Whether a function has an argument of that name."""
    signature = signature_of(function)
    return signature is not None and name in signature.parameters


def check_arguments(function: Callable[..., object], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Look whether a function takes these arguments.

    Raises:
        SpecError: it does not, in Python's words.
    """
    signature = signature_of(function)
    if signature is None:
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        if kwargs.keys() <= signature.parameters.keys() and _takes(function, args, kwargs):
            # a wrapper that shows the signature of what it wraps, and takes other arguments
            return
        names = [str(parameter) for parameter in signature.parameters.values()]
        unknown = next((name for name in kwargs if repr(name) in str(error)), "")
        nearest = did_you_mean(unknown, signature.parameters) if unknown else ""
        raise SpecError(
            f"{name_of(function)}: {error}{nearest}", hint=f"it takes ({', '.join(names)})"
        ) from error


def _takes(function: Callable[..., object], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether the outermost of a function's wrappers takes these arguments."""
    if not hasattr(plain(function), "__wrapped__"):
        return False
    try:
        inspect.signature(plain(function), follow_wrapped=False).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return False
    return True


def check_counts(**counts: int | None) -> None:
    """Look whether what counts tasks is a number of at least 1, or left out.

    Raises:
        SpecError: it is not.
    """
    for name, number in counts.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise SpecError(f"{name} must be a whole number of at least 1, not {number!r}")


def check_options(options: Mapping[str, Any]) -> None:
    """Look over the options of jobs that are still to come.

    Raises:
        SpecError: no job has such an option, or it cannot be read.
    """
    for name in options:
        if name not in OPTIONS or name == "array":
            raise SpecError(f"unknown option: {name}{did_you_mean(name, OPTIONS)}")
    make_spec(["true"], {name: value for name, value in options.items() if name not in STYLE})


def signature_of(function: Callable[..., object]) -> inspect.Signature | None:
    """Return what a function takes; None where that cannot be told, as of some built-in ones."""
    try:
        return inspect.signature(plain(function))
    except (TypeError, ValueError):
        return None


def name_of(function: Callable[..., object]) -> str:
    """Name a function in messages."""
    target = plain(function)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return str(name).replace("<locals>.", "")
