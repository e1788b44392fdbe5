"""A function as source, with all that it uses: to tell whether it has changed, and for another Python."""

from __future__ import annotations

import builtins
import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from jobferry.far import portable
from jobferry.functions.nodes import NoSource
from jobferry.functions.own import is_own
from jobferry.functions.pickling import imports_of
from jobferry.functions.scope import home_of
from jobferry.functions.source import Source, read_source

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
        submodules: modules that it reaches through the packages they belong to.
        problems: why it cannot travel as source; none when it can.
    """

    name: str
    module: str
    texts: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    submodules: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Write all of it as one piece of Python."""
        imports = [*self.imports.values(), *(f"__import__({name!r})" for name in sorted(self.submodules))]
        return "\n\n".join([_FUTURE, "\n".join(imports), *self.texts.values()]) + "\n"


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
    if len(words) > 1 and isinstance(owner, type) and plain(getattr(owner, words[-1], None)) is function:
        # a function that stands in a class is reached through it
        found.name = function.__qualname__
        _Gatherer(found).add(words[0], getattr(sys.modules[found.module], words[0]))
        return found
    if not function.__name__.isidentifier():
        found.name = "_lambda"
    elif hasattr(function, "__wrapped__"):
        here = getattr(sys.modules.get(found.module), function.__name__, None)
        # what it wraps goes by its name, too
        found.name = function.__name__ if plain(here) is function else f"wrapped_{function.__name__}"
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
        # definitions whose text is not written yet, or is already
        self._open: set[int] = set()
        self._written: dict[int, str] = {}

    def add(self, name: str, value: object) -> None:
        """Take in what a name stands for, and what that uses in turn."""
        if callable(value):
            value = plain(value)
        if not self._is_new(name, value):
            return
        if isinstance(value, types.ModuleType):
            self._module(name, value)
        elif isinstance(value, types.FunctionType | type) and _is_of_the_user(value):
            self._definition(name, value)
        elif isinstance(value, types.FunctionType | type | types.BuiltinFunctionType):
            self._from_module(name, value)
        else:
            self._value(name, value)

    def _is_new(self, name: str, value: object) -> bool:
        """Note what a name stands for; whatever module it is used in, there is one of it over there."""
        if self._is_taken(name, value):
            one, other = _kind_of(self._known[name]), _kind_of(value)
            self._found.problems.append(
                f"two different things are called `{name}`, {one} and {other}: rename one of them"
            )
        is_new = name not in self._known
        self._known.setdefault(name, value)
        return is_new

    def _is_taken(self, name: str, value: object) -> bool:
        if name not in self._known:
            return False
        if callable(value):
            value = plain(value)
        return self._known[name] is not value and not _is_equal(self._known[name], value)

    def _module(self, name: str, module: types.ModuleType) -> None:
        if is_own(module.__name__):
            self._found.modules.add(module.__name__)
        self._found.imports[name] = f"import {module.__name__} as {name}"
        if "." in module.__name__ and name == module.__name__.partition(".")[0]:
            self._found.imports[name] = f"import {module.__name__}"

    def _from_module(self, name: str, value: types.FunctionType | type | types.BuiltinFunctionType) -> None:
        where, first = value.__module__ or "builtins", value.__qualname__
        if where.partition(".")[0] != FAR and getattr(sys.modules.get(where), first, None) is not value:
            home = _home_of(name, value)
            if home is None:
                self._found.problems.append(f"`{name}` cannot be imported from {where} by name")
                return
            where, first = home, name
        self._found.imports[name] = f"from {where} import {first} as {name}"

    def _definition(self, name: str, value: types.FunctionType | type) -> None:
        if id(value) in self._written:
            self._found.texts[name] = f"{name} = {self._written[id(value)]}"
            return
        self._open.add(id(value))
        try:
            source = read_source(value, name, self._is_taken)
            self._follow(name, source)
        except NoSource as error:
            self._found.problems.append(f"`{name}`: {error}")
            self._found.texts[name] = _without_source(value)
            return
        self._found.texts[name] = source.text
        self._written[id(value)] = name

    def _follow(self, name: str, source: Source) -> None:
        """Take in all that a text uses."""
        for used in source.names:
            if used in source.values:
                needed = source.values[used]
                if id(needed) in self._open and id(needed) not in self._written:
                    raise NoSource(f"it needs `{getattr(needed, '__name__', used)}`, which needs it in turn")
                self.add(used, needed)
            elif used in source.scope:
                self.add(used, source.scope[used])
            elif hasattr(builtins, used):
                self._is_new(used, getattr(builtins, used))
        for root, *words in source.chains():
            if root in source.names:
                self._submodules(source.scope.get(root), words)
        for function in source.functions:
            self._found.modules.update(imports_of(function))

    def _submodules(self, module: object, words: list[str]) -> None:
        """Note the modules that a name with dots goes through; to import a package does not import these."""
        for word in words:
            if not isinstance(module, types.ModuleType):
                return
            name, module = f"{module.__name__}.{word}", getattr(module, word, None)
            if isinstance(module, types.ModuleType) and sys.modules.get(name) is module:
                self._found.submodules.add(name)
                if is_own(name):
                    self._found.modules.add(name)

    def _value(self, name: str, value: object) -> None:
        if type(value) is object:
            # a mark: nothing is known of it but which one it is
            self._found.texts[name] = f"{name} = {self._written.setdefault(id(value), 'object()')}"
            self._written[id(value)] = name
            return
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


def _is_of_the_user(value: types.FunctionType | type) -> bool:
    return is_own(value.__module__ or "__main__") or is_own(home_of(value))


def _kind_of(value: object) -> str:
    """Describe a value, so that it is known among others of its name."""
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return "Python's own" if value.__module__ == "builtins" else f"one of {value.__module__}"
    return "a module" if isinstance(value, types.ModuleType) else f"a {type(value).__qualname__}"


def _functions_of(kind: type) -> Iterator[types.FunctionType]:
    for member in vars(kind).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(inner, types.FunctionType):
            yield inner


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
