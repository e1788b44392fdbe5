"""Parameter sets of sweeps: made, looked over, named, and put into texts."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobferry.errors import SpecError
from jobferry.functions.arguments import name_of, signature_of
from jobferry.functions.fingerprint import of_value
from jobferry.model.spec import Input, inside, parse_input
from jobferry.model.suggest import did_you_mean
from jobferry.render.shell import quote

Params = Mapping[str, Any]

_FIELD = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)(:[^{}]+)?\}", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9=.,+_-]+", re.ASCII)
_LONGEST_LABEL = 80
# what stands for the colon of a format meanwhile: nothing that anybody writes
_COLON = "\ue03a"
SIMPLE = frozenset({int, float, str, bool, type(None)})
"""Types of values that JSON gives back as they were, and that nothing changes."""


def grid(**values: Any) -> list[dict[str, Any]]:
    """Combine every value of each parameter with every value of the others; the last one varies fastest.

    >>> grid(a=[1, 2], b="x")
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    lists = [_many(value) for value in values.values()]
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*lists)]


def zipped(**values: Any) -> list[dict[str, Any]]:
    """Combine the first values of all parameters, then the second ones, and so on.

    >>> zipped(a=[1, 2], b=[3, 4])
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]

    Raises:
        SpecError: they are not equally many.
    """
    lists = {name: _many(value) for name, value in values.items()}
    lengths = {name: len(each) for name, each in lists.items() if len(each) != 1}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise SpecError(f"parameters that go together must be equally many: {counts}")
    count = next(iter(lengths.values()), 1)
    spread = {name: each * count if len(each) == 1 else each for name, each in lists.items()}
    return [{name: each[index] for name, each in spread.items()} for index in range(count)]


def _many(value: Any) -> list[Any]:
    is_one = isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable)
    return [value] if is_one else list(value)


class Checker:
    """Looks parameter sets over, names them, and tells the calls they stand for.

    Args:
        function: what takes them; None for a command, whose `words` name them.
        fixed: arguments that are the same for all.
    """

    def __init__(self, function: Callable[..., object] | None, words: Sequence[str], fixed: Params) -> None:
        self._function = function
        self._words = words
        self._fixed = dict(fixed)
        self._signature = None if function is None else signature_of(function)

    def check(self, params: object) -> dict[str, Any]:
        """Look over one set.

        Raises:
            SpecError: it is no mapping, or does not fit.
        """
        if not isinstance(params, Mapping):
            raise SpecError(
                f"a task's parameters are a dict, not {type(params).__name__}",
                hint="such as {'a': 1, 'b': 2}",
            )
        given = {**self._fixed, **params}
        if self._function is None:
            for word in self._words:
                fill(word, given)
            return given
        if self._signature is not None:
            try:
                self._signature.bind(**given)
            except TypeError as error:
                unknown = next((name for name in given if repr(name) in str(error)), "")
                nearest = did_you_mean(unknown, self._signature.parameters) if unknown else ""
                raise SpecError(
                    f"{name_of(self._function)}: {error}{nearest}", hint=f"it takes {self._signature}"
                ) from error
        return given


def key_of(params: Params) -> str:
    """Name a set by what is in it: equal ones have the same name, in every process.

    Raises:
        SpecError: a value that belongs to this process.
    """
    try:
        if all(type(value) in SIMPLE for value in params.values()):
            # as a rule; many are named
            text = json.dumps(params, sort_keys=True, separators=(",", ":")).encode()
            return hashlib.sha256(text).hexdigest()[:32]
        return of_value(dict(params))
    except (ValueError, RecursionError) as error:
        # a number of thousands of digits, or lists in lists without end
        raise SpecError(f"a parameter is too large to be named: {error}") from error


def text_of(params: Params) -> str:
    """Write a set for the list of tasks: as JSON, and what that cannot hold in words."""
    try:
        return json.dumps(params)
    except (TypeError, ValueError, RecursionError):
        return json.dumps({str(name): _or_words(value) for name, value in params.items()})


def _or_words(value: object) -> object:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__qualname__}>"
    return value


def label_of(params: Params) -> str:
    """Name a set for people and for folders: ``a=1,b=x``."""
    words = [f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in params.items()]
    label = _UNSAFE.sub("_", ",".join(words))
    if len(label) <= _LONGEST_LABEL:
        return label or "task"
    return f"{label[: _LONGEST_LABEL - 9]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def fill(text: str, params: Params, *, quoted: bool = False) -> str:
    """Put parameters in the place of ``{name}`` or ``{name:.3f}``; ``{{name}}`` stays as ``{name}``,
    and a ``${name}`` of which there is no parameter is the shell's.

    Args:
        quoted: put each as one word of a shell line.

    Raises:
        SpecError: a name that is no parameter.
    """

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return f"{{{match[1]}}}"
        name = match[2]
        if name not in params and text[: match.start()].endswith("$"):
            # the shell's own
            return match[0]
        if name not in params:
            known = ", ".join(params) or "none"
            raise SpecError(
                f"there is no parameter {name!r} for {text!r}{did_you_mean(name, params)}",
                hint=f"known are {known}; for a plain brace write {{{{{name}}}}}",
            )
        try:
            written = format(params[name], (match[3] or ":")[1:])
        except (ValueError, TypeError) as error:
            raise SpecError(f"{match[0]} does not fit {params[name]!r}: {error}") from error
        return quote(written) if quoted else written

    return _FIELD.sub(put, text)


def read_template(text: str, params: Params, base: Path) -> Input:
    """Read ``PATH[:DEST]`` with parameters in it; a colon of a value or of a format is no mark.

    Raises:
        SpecError: a name that is no parameter, or a DEST that leaves the job's folder.
    """
    marked = parse_input(_FIELD.sub(lambda match: match[0].replace(":", _COLON), text), base)
    source, destination = (
        fill(str(path).replace(_COLON, ":"), params) for path in (marked.source, marked.destination)
    )
    return Input(source=Path(source), destination=inside(destination))


def has_field(text: str) -> bool:
    """Whether a text differs from task to task."""
    return any(match[2] for match in _FIELD.finditer(text))


def as_pattern(text: str) -> str:
    """Write a text with parameters as a pattern that fits whatever stands for them."""
    return _FIELD.sub(lambda match: f"{{{match[1]}}}" if match[1] else "*", text)
