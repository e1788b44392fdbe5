"""Calls of functions, put into the file that takes them over there."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import platform
import types
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobferry.errors import SpecError
from jobferry.far import portable
from jobferry.far.calls import CallWriter
from jobferry.far.serialisers import KNOWN, Serialiser
from jobferry.functions.arguments import name_of
from jobferry.functions.capture import capture, plain
from jobferry.functions.own import is_own, read_sources
from jobferry.functions.pickling import FunctionPickler, by_reference, dump, is_plain, own_by_value, used_by
from jobferry.functions.references import reference
from jobferry.functions.serialisers import registered
from jobferry.functions.style import HERE, Style, decide
from jobferry.model.function import FunctionCall
from jobferry.model.machine import PythonFacts
from jobferry.store.calls import Calls

Parts = Sequence[Any]
Call = tuple[Callable[..., object], Sequence[Any], Mapping[str, Any]]
"""A function, its arguments by place, its arguments by name."""


@dataclass(slots=True)
class Packed:
    """What came of packing calls.

    Attributes:
        function: the calls as their job knows them.
        awaited: ids of the jobs whose results are among the arguments; those of an array's calls are marked.
    """

    function: FunctionCall
    awaited: dict[str, bool] = field(default_factory=dict)


def pack(calls: Iterable[Call], facts: PythonFacts, style: Style, files: Calls) -> Packed:
    """Write calls into a file of ours, for the Python over there.

    Raises:
        SpecError: they cannot travel there; says what, and what to do.
    """
    packer = _Packer(facts, style)
    with files.writing() as (name, file), own_by_value():
        writer = CallWriter(file)
        for function, args, kwargs in calls:
            number = packer.number_of(function)
            writer.add(number, packer.arguments(function, args, kwargs))
        header = packer.header()
        writer.finish(header, packer.functions)
        count = len(writer)
    called = FunctionCall(
        name=packer.name,
        payload=name,
        count=count,
        chunk=style.chunk,
        runtime=facts.runtime,
        trusted=style.trusted,
    )
    return Packed(function=called, awaited=packer.awaited)


class _Packer:
    def __init__(self, facts: PythonFacts, style: Style) -> None:
        self._facts = facts
        self._style = style
        self._is_same = facts.minor == HERE
        self._how, self._results = decide(facts, style)
        self.functions: list[Parts] = []
        self.awaited: dict[str, bool] = {}
        self._numbers: dict[int, int] = {}
        # kept, so that no other object can come by the same id meanwhile
        self._kept: list[object] = []
        self._modules: set[str] = set()
        self._sent: Mapping[str, tuple[bool, str, str]] = {}
        self._sent_for = 0
        self._lines: dict[tuple[str, int], str] = {}
        self.name = ""

    def number_of(self, function: Callable[..., object]) -> int:
        """Add a function, unless it is among those that travel already."""
        target = plain(function)
        if id(target) not in self._numbers:
            self._kept.append(target)
            self.name = self.name or name_of(target)
            self._numbers[id(target)] = self._add(target)
        return self._numbers[id(target)]

    def arguments(
        self, function: Callable[..., object], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Parts:
        """Write the arguments of one call."""
        whole = (tuple(args), dict(kwargs))
        try:
            if self._how == "pickle":
                if is_plain(args) and is_plain(kwargs):
                    return [pickle.dumps(whole, 5)]
                return self._dump(whole)
            if self._how == "json":
                return self._as_json([list(args), dict(kwargs)])
            return [self._serialiser().dumps([list(args), dict(kwargs)])]
        except SpecError as error:
            raise SpecError(
                f"an argument of {name_of(function)}: {error.message}", hint=error.hint
            ) from error
        except portable.NotPortable as error:
            raise SpecError(
                f"an argument of {name_of(function)}: {error}", hint=self._other_version()
            ) from error
        except Exception as error:
            raise SpecError(
                f"an argument of {name_of(function)} cannot be written as {self._how}: {error}"
            ) from error

    def header(self) -> dict[str, Any]:
        """Describe what was packed, for whoever runs it."""
        header: dict[str, Any] = {
            "v": 1,
            "format": "pickle" if self._is_same else "source",
            "python": list(HERE),
            "platform": platform.platform(),
            "how": self._how,
            "results": self._results,
            "chunk": self._style.chunk,
            "array": self._style.is_array,
            "folders": self._style.folders,
            "shared": list(self._style.shared),
            "processors": self._style.processors,
            "name": self.name,
            "lines": [[origin, first, text] for (origin, first), text in self._lines.items()],
        }
        if sources := self._sources():
            header["sources"] = len(self.functions)
            self.functions.append([zlib.compress(json.dumps(sources).encode())])
        if self._how not in ("pickle", "json", *KNOWN):
            own = self._serialiser()
            header["serialiser"] = {"dumps": self._add(own.dumps), "loads": self._add(own.loads)}
        return header

    def _add(self, function: Callable[..., object]) -> int:
        parts = self._as_pickle(function) if self._is_same else self._as_source(function)
        self.functions.append(parts)
        return len(self.functions) - 1

    def _as_pickle(self, function: Callable[..., object]) -> Parts:
        try:
            return self._dump(function)
        except SpecError as error:
            culprit = self._culprit(function)
            what = f"{name_of(function)} uses `{culprit}`" if culprit else name_of(function)
            raise SpecError(f"{what}: {error.message}", hint=error.hint) from error

    def _dump(self, value: object) -> Parts:
        """Pickle a value; what is of a module that is sent is taken from there, not sent twice."""
        while True:
            known = len(self._modules)
            with by_reference(self._sources()):
                parts, pickler = dump(value, self._refer)
            self._note(pickler)
            if known == len(self._modules):
                return parts

    def _sources(self) -> Mapping[str, tuple[bool, str, str]]:
        """Read the modules that are sent; anew when another has been added."""
        if self._sent_for != len(self._modules):
            self._sent_for, self._sent = len(self._modules), read_sources(sorted(self._modules))
        return self._sent

    def _culprit(self, function: Callable[..., object]) -> str | None:
        """Name what a function uses that cannot be pickled, where that can be told."""
        for name, value in used_by(function).items():
            try:
                dump(value, self._refer)
            except SpecError:
                return name
        return None

    def _as_source(self, function: Callable[..., object]) -> Parts:
        found = capture(function)
        there = ".".join(map(str, self._facts.version))
        if found.problems:
            raise SpecError(
                f"{name_of(function)} cannot travel from Python {platform.python_version()} to Python {there}"
                f": {'; '.join(found.problems)}",
                hint=self._other_version(),
            )
        text = found.text()
        _check_syntax(text, name_of(function), self._facts)
        self._modules |= found.modules
        # what is there under its own name, sent or not, stays what it is
        is_there = found.module in self._modules or found.module == "__main__" or not is_own(found.module)
        about = {
            "text": text,
            "origin": f"<{found.name}>",
            "module": "__jobferry__" if is_there else found.module,
            "name": found.name,
            "values": found.values,
        }
        return self._as_json(about)

    def _as_json(self, value: object) -> Parts:
        parts = portable.encode(value, self._refer)
        if any(mark in parts[0] for mark in (b'{"$":"array"', b'{"$":"scalar"')):
            self._need("numpy", "numpy arrays")
        return parts

    def _serialiser(self) -> Serialiser:
        return KNOWN.get(self._how) or registered(self._how)

    def _need(self, module: str, what: str) -> None:
        if module not in self._facts.modules:
            raise SpecError(
                f"{what} need the module {module}, which the Python over there does not have",
                hint=f"install {module} there, or load it in the machine's `setup`",
            )

    def _refer(self, value: object) -> tuple[str, int] | None:
        found = reference(value)
        if found is None:
            return None
        self.awaited[found.job_id] = self.awaited.get(found.job_id, False) or found.is_task
        return found.job_id, found.call

    def _note(self, pickler: FunctionPickler) -> None:
        self._modules |= pickler.modules
        for function in pickler.by_value.values():
            self._note_lines(function)

    def _note_lines(self, function: types.FunctionType) -> None:
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            return
        self._lines[function.__code__.co_filename, first] = "".join(lines)

    def _other_version(self) -> str:
        here, there = ".".join(map(str, HERE)), ".".join(map(str, self._facts.minor))
        if self._is_same:
            return "send what JSON can carry, or leave the serialiser out"
        return (
            f"set `python` to a Python {here} over there, or run this with Python {there}; "
            "or send only numbers, texts, lists, dicts, bytes and numpy arrays"
        )


def _check_syntax(text: str, name: str, facts: PythonFacts) -> None:
    try:
        ast.parse(text, feature_version=facts.minor)  # type: ignore[arg-type]
    except SyntaxError as error:
        there = ".".join(map(str, facts.minor))
        raise SpecError(
            f"{name} uses what Python {there} does not know: {error.msg}: {error.text}"
        ) from error
