"""A function as source, with all that it uses: to tell whether it has changed, and for another Python."""

from __future__ import annotations

import dis
import hashlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from jobferry.far import portable
from jobferry.functions.own import is_own
from jobferry.functions.source import NoSource, read_source

F = TypeVar("F")
# the package over there that runs calls; there is none of that name here
FAR = "jobferry_far"
_FUTURE = "from __future__ import annotations"


@dataclass(slots=True)
class Captured:
    """What a function is made of.

    Attributes:
        name: what it is called in the text; with dots when it belongs to a class.
        module: the module it comes from.
        texts: definitions by the name they define, those that others need first.
        imports: import statements.
        values: what else it uses by name, data alone.
        modules: the user's own modules that it imports.
        problems: why it cannot travel as source; none when it can.
    """

    name: str
    module: str
    texts: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Write all of it as one piece of Python."""
        return "\n\n".join([_FUTURE, "\n".join(self.imports.values()), *self.texts.values()]) + "\n"


def capture(function: Callable[..., object]) -> Captured:
    """Gather a function's source and all it uses; what stands in the way is among its problems."""
    target: object = plain(function)
    if isinstance(target, types.FunctionType):
        return _of_function(target)
    if isinstance(target, types.MethodType):
        owner, name = target.__self__, target.__func__.__qualname__
        if isinstance(owner, type):
            return _of_named(owner, name)
        return _of_object(owner, name, f"it is a method of an object, a {type(owner).__qualname__}")
    if isinstance(target, type | types.BuiltinFunctionType):
        return _of_named(target, target.__name__)
    return _of_object(target, "__call__", f"it is an object, a {type(target).__qualname__}")


def _of_named(target: type | types.BuiltinFunctionType, name: str) -> Captured:
    found = Captured(name=name, module=target.__module__ or "builtins")
    _Gatherer(found).add(target.__name__, target)
    return found


def _of_object(owner: object, name: str, problem: str) -> Captured:
    kind = type(owner)
    found = Captured(name=name, module=kind.__module__)
    _Gatherer(found).add(kind.__name__, kind)
    found.values["self"] = owner
    found.problems.append(problem)
    return found


def _of_function(function: types.FunctionType) -> Captured:
    words = function.__qualname__.split(".")
    found = Captured(name=function.__name__, module=function.__module__ or "__main__")
    owner: object = sys.modules.get(found.module)
    for word in words[:-1]:
        owner = getattr(owner, word, None)
    if len(words) > 1 and isinstance(owner, type):
        # a function that stands in a class is reached through it
        found.name = function.__qualname__
        _Gatherer(found).add(words[0], getattr(sys.modules[found.module], words[0]))
        return found
    if function.__name__ == "<lambda>":
        found.name = "_lambda"
    _Gatherer(found).add(found.name, function)
    return found


def plain(function: F) -> F:
    """Return the function that a remote one stands for."""
    found: F = getattr(function, "__jobferry_function__", function)
    return found


class _Gatherer:
    """Follows the names that definitions use."""

    def __init__(self, found: Captured) -> None:
        self._found = found
        self._known: dict[str, object] = {}

    def add(self, name: str, value: object) -> None:
        """Take in what a name stands for, and what that uses in turn."""
        if callable(value):
            value = plain(value)
        if name in self._known:
            if self._known[name] is not value and not _is_equal(self._known[name], value):
                self._found.problems.append(f"two different things are called `{name}`")
            return
        self._known[name] = value
        if isinstance(value, types.ModuleType):
            self._module(name, value)
        elif isinstance(value, types.FunctionType | type) and is_own(value.__module__ or "__main__"):
            self._definition(name, value)
        elif isinstance(value, types.FunctionType | type | types.BuiltinFunctionType):
            self._from_module(name, value)
        else:
            self._value(name, value)

    def _module(self, name: str, module: types.ModuleType) -> None:
        if is_own(module.__name__):
            self._found.modules.add(module.__name__)
        self._found.imports[name] = f"import {module.__name__} as {name}"
        if "." in module.__name__ and name == module.__name__.partition(".")[0]:
            self._found.imports[name] = f"import {module.__name__}"

    def _from_module(self, name: str, value: types.FunctionType | type | types.BuiltinFunctionType) -> None:
        where, first = value.__module__ or "builtins", value.__qualname__
        if where.partition(".")[0] != FAR and getattr(sys.modules.get(where), first, None) is None:
            self._found.problems.append(f"`{name}` cannot be imported from {where} by name")
            return
        self._found.imports[name] = f"from {where} import {first} as {name}"

    def _definition(self, name: str, value: types.FunctionType | type) -> None:
        try:
            source = read_source(value, name)
        except NoSource as error:
            self._found.problems.append(f"`{name}`: {error}")
            self._found.texts[name] = _without_source(value)
            return
        scope = _scope(value)
        for used in source.names:
            if used in scope:
                self.add(used, scope[used])
        if isinstance(value, types.FunctionType) and (rebound := _rebound(value)):
            self._found.problems.append(f"`{name}` rebinds `{rebound}` of the function around it")
        self._found.texts[name] = source.text

    def _value(self, name: str, value: object) -> None:
        try:
            portable.encode(value)
            self._found.values[name] = value
        except portable.NotPortable:
            if (where := _home_of(name, value)) is not None:
                self._found.imports[name] = f"from {where} import {name}"
                return
            kind = type(value)
            self._found.values[name] = value
            self._found.problems.append(
                f"it uses `{name}`, a {kind.__module__}.{kind.__qualname__}, which cannot travel as data"
            )


def _home_of(name: str, value: object) -> str | None:
    """Find an installed module that has a value under the same name."""
    for where, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and vars(module).get(name) is value and not is_own(where):
            return where
    return None


def _scope(value: types.FunctionType | type) -> Mapping[str, object]:
    """Tell what names mean to a definition: those of its module, and those of the functions around it."""
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        inner = {n: v for f in _functions_of(value) for n, v in _scope(f).items()}
        return {**(vars(module) if module is not None else {}), **inner}
    closure = {}
    for free, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            closure[free] = cell.cell_contents
        except ValueError:
            continue
    return {**value.__globals__, **closure}


def _functions_of(kind: type) -> Iterator[types.FunctionType]:
    for member in vars(kind).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(inner, types.FunctionType):
            yield inner


def _rebound(function: types.FunctionType) -> str | None:
    free = set(function.__code__.co_freevars)
    for step in dis.get_instructions(function):
        if step.opname == "STORE_DEREF" and step.argval in free:
            return str(step.argval)
    return None


def _is_equal(one: object, other: object) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except ValueError:
        # arrays are equal in some places and not in others
        return False


def _without_source(value: types.FunctionType | type) -> str:
    """Describe a definition that has no text, as one typed at a prompt, by what it was compiled to."""
    functions = [value] if isinstance(value, types.FunctionType) else list(_functions_of(value))
    return "# " + " ".join(
        hashlib.sha256(repr(_describe(f.__code__)).encode()).hexdigest() for f in functions
    )


def _describe(code: types.CodeType) -> tuple[object, ...]:
    constants = [_describe(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return sys.version_info[:2], code.co_code, constants, code.co_names, code.co_varnames
