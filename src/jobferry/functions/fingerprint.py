"""Names for functions and values by what they are: the same in every process, and another after a change."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import types
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from jobferry.errors import SpecError
from jobferry.functions.capture import capture
from jobferry.functions.own import is_own
from jobferry.functions.references import reference

_SCALARS = frozenset({int, float, str, bytes, bytearray, bool, complex, type(None)})
_LENGTH = 32
# for values, of which there are many, a class is looked at once
_kinds: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()


def of_function(function: Callable[..., object]) -> str:
    """Name a function by its text, and by all that it uses."""
    return _named(_Walk().function(function))


def of_value(value: object) -> str:
    """Name a value by what is in it.

    Raises:
        SpecError: it belongs to this process, so that nothing can be said of it that holds in another.
    """
    return _named(_Walk(_kinds).value(value))


def _named(pieces: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    for piece in pieces:
        # their lengths, too: what is in two pieces is not the same in one
        hasher.update(b"%d:" % len(piece))
        hasher.update(piece)
    return hasher.hexdigest()[:_LENGTH]


class _Walk:
    """Goes through a value; what is met again within itself is named by how far up it stands.

    Args:
        kinds: the names of the user's own classes, as far as they are known.
        within: the classes whose text is being gone through.
    """

    def __init__(
        self, kinds: MutableMapping[type, str] | None = None, within: frozenset[type] = frozenset()
    ) -> None:
        self._places: dict[int, int] = {}
        self._kinds: MutableMapping[type, str] = {} if kinds is None else kinds
        self._within = within

    def function(self, function: Callable[..., object]) -> Iterator[bytes]:
        found = capture(function)
        yield found.name.encode()
        yield repr([*sorted(found.texts.items()), *sorted(found.imports.items())]).encode()
        for name, value in sorted(found.values.items()):
            yield name.encode()
            try:
                yield _named(self.value(value)).encode()
            except SpecError:
                # such as a lock: what it is called is all that can be said
                yield type(value).__qualname__.encode()

    def value(self, value: Any) -> Iterator[bytes]:
        kind = type(value)
        yield kind.__qualname__.encode()
        if kind in _SCALARS:
            yield bytes(value) if isinstance(value, bytes | bytearray) else repr(value).encode()
            return
        if id(value) in self._places:
            yield b"place %d" % self._places[id(value)]
            return
        self._places[id(value)] = len(self._places)
        if is_own(kind.__module__):
            yield self._kind(kind)
        yield from self._whole(value)
        # side by side, a value and its equal are the same
        del self._places[id(value)]

    def _whole(self, value: Any) -> Iterator[bytes]:
        if (found := reference(value)) is not None:
            yield repr((found.job_id, found.call)).encode()
        elif isinstance(value, functools.partial):
            yield from self.value(value.func)
            yield from self.value([*value.args])
            yield from self.value(value.keywords)
        elif isinstance(value, types.FunctionType | types.MethodType):
            yield from self.function(value)
        elif isinstance(value, type) and is_own(value.__module__):
            yield self._kind(value)
        elif isinstance(value, type | types.BuiltinFunctionType | types.ModuleType):
            yield f"{getattr(value, '__module__', '')} {value.__name__}".encode()
        elif isinstance(value, set | frozenset):
            yield from (
                name.encode()
                for name in sorted(_named(_Walk(self._kinds, self._within).value(item)) for item in value)
            )
        elif isinstance(value, list | tuple):
            for item in value:
                yield from self.value(item)
        elif isinstance(value, Mapping):
            yield from self._pairs(value)
        else:
            yield from self._reduced(value)

    def _kind(self, kind: type) -> bytes:
        """Name one of the user's own classes by its text and by what that uses."""
        if kind in self._within:
            # a class may use a value that is of it
            return kind.__qualname__.encode()
        if self._within:
            # seen from within another it may look otherwise, and which is met first is chance
            return _named(_Walk(self._kinds, self._within | {kind}).function(kind)).encode()
        if kind not in self._kinds:
            self._kinds[kind] = _named(_Walk(self._kinds, frozenset({kind})).function(kind))
        return self._kinds[kind].encode()

    def _pairs(self, value: Mapping[Any, Any]) -> Iterator[bytes]:
        named = {_named(_Walk(self._kinds, self._within).value(key)): item for key, item in value.items()}
        for name in sorted(named):
            yield name.encode()
            yield from self.value(named[name])

    def _reduced(self, value: Any) -> Iterator[bytes]:
        """Go through what pickle would take of an object."""
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            parts = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:
            raise SpecError(f"a {type(value).__qualname__} cannot travel: {error}") from error
        if isinstance(parts, str):
            yield parts.encode()
            return
        for part in parts:
            yield from self.value(list(part) if isinstance(part, Iterator) else part)
