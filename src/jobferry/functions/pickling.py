"""Functions and their arguments as pickles, for a Python of the same minor version."""

from __future__ import annotations

import dis
import functools
import importlib
import io
import pickle
import sys
import threading
import types
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import cloudpickle

from jobferry.errors import SpecError
from jobferry.functions.own import imported_from, is_own, own_modules

Refer = Callable[[object], tuple[str, int] | None]
"""Gives the job and the number of a call whose result is meant; None for any other object."""

_PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None)})
# what functools.lru_cache makes: a type of its own, written in C
_Cached: Any = type(functools.lru_cache(len))
# which modules are taken by value is a state of cloudpickle as a whole
_by_value = threading.RLock()
_depth = 0


def _import(module: types.ModuleType) -> tuple[Any, tuple[str]]:
    return importlib.import_module, (module.__name__,)


def _with_its_file(code: types.CodeType) -> tuple[Any, tuple[Any, ...]]:
    """Write code with the name of its file, which tracebacks tell; cloudpickle 3.1.3 leaves it out."""
    kind, parts = cloudpickle.Pickler.dispatch_table[types.CodeType](code)
    return kind, tuple(code.co_filename if part == "<dynamic-code>" else part for part in parts)


def _cached(function: Any) -> Any:
    """Write a function that remembers its results as what it remembers them for; the results stay here."""
    inner = function.__wrapped__
    if not is_own(inner.__module__ or "__main__"):
        return str(function.__qualname__)
    how = function.cache_parameters()
    return _Cached, (inner, how["maxsize"], how["typed"], functools._CacheInfo)


def _cached_property(made: functools.cached_property[Any]) -> tuple[Any, ...]:
    """Write it without its lock, which it has before Python 3.12."""
    return functools.cached_property, (made.func,), {"attrname": made.attrname}


class FunctionPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Takes the user's own functions and classes by value; notes which of his modules they import.

    Attributes:
        modules: names of his modules that must be importable over there.
        by_value: functions that were taken by value.
    """

    # the pickler in C reads it from the class, once
    dispatch_table: ClassVar[ChainMap[type, Any]] = ChainMap(
        {
            types.ModuleType: _import,
            types.CodeType: _with_its_file,
            functools.cached_property: _cached_property,
            _Cached: _cached,
        },
        cloudpickle.Pickler.dispatch_table,
    )

    def __init__(self, stream: io.BytesIO, buffers: list[pickle.PickleBuffer], refer: Refer) -> None:
        super().__init__(stream, protocol=5, buffer_callback=buffers.append)
        self._refer = refer
        self.modules: set[str] = set()
        self.by_value: dict[int, types.FunctionType] = {}

    def persistent_id(self, obj: object) -> tuple[str, int] | None:
        """Give what stands for another job's result."""
        kind = type(obj)
        if kind in _PLAIN:
            return None
        if kind is types.ModuleType:
            if is_own(obj.__name__):  # type: ignore[attr-defined]
                self.modules.add(obj.__name__)  # type: ignore[attr-defined]
        elif kind is types.FunctionType:
            function: types.FunctionType = obj  # type: ignore[assignment]
            if is_own(function.__module__ or "__main__") and id(function) not in self.by_value:
                self.by_value[id(function)] = function
                self.modules.update(imports_of(function))
        return self._refer(obj)


def dump(value: object, refer: Refer) -> tuple[list[Any], FunctionPickler]:
    """Pickle a value into parts: the pickle, then what lies in large buffers, which is not copied.

    Raises:
        SpecError: something in it cannot be pickled, in pickle's words.
    """
    stream = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = FunctionPickler(stream, buffers, refer)
    with own_by_value():
        try:
            pickler.dump(value)
        except SpecError:
            # it says better what is in the way
            raise
        except Exception as error:
            raise SpecError(
                f"it cannot be pickled: {error}",
                hint="what belongs to this process, such as locks, sockets and open files, cannot travel; "
                "make it inside the function",
            ) from error
    return [stream.getbuffer(), *(buffer.raw() for buffer in buffers)], pickler


def is_plain(value: object) -> bool:
    """Whether a value is made of numbers and texts alone, so that any pickler does."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind in (list, tuple):
        return all(map(is_plain, value))  # type: ignore[call-overload]
    if kind is dict:
        return all(is_plain(key) and is_plain(item) for key, item in value.items())  # type: ignore[attr-defined]
    return False


@contextmanager
def own_by_value() -> Iterator[None]:
    """Take the user's own modules by value for as long as the block lasts; blocks may stand in each other."""
    global _depth
    with _by_value:
        known = cloudpickle.list_registry_pickle_by_value()
        # what runs as __main__ is by value anyway
        own = [] if _depth else [m for m in own_modules() if m.__name__ not in {*known, "__main__"}]
        for module in own:
            cloudpickle.register_pickle_by_value(module)
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1
            for module in own:
                cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def by_reference(names: Iterable[str]) -> Iterator[None]:
    """Within `own_by_value`, take modules of these names by name: they are sent themselves."""
    known = cloudpickle.list_registry_pickle_by_value()
    modules = [sys.modules[name] for name in names if name in known and name in sys.modules]
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.register_pickle_by_value(module)


def imports_of(function: types.FunctionType) -> Iterator[str]:
    """Name the user's own modules that a function imports when it is run."""
    package = function.__globals__.get("__package__") or ""
    for code in _codes(function.__code__):
        # an import takes two constants: how far up it begins, and the names
        last: list[object] = [0, None]
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                level = last[0] if isinstance(last[0], int) else 0
                names = last[1] if isinstance(last[1], tuple) else ()
                found = imported_from(package, level, str(step.argval or ""), map(str, names))
                yield from filter(is_own, found)
            elif step.opname.startswith("LOAD_"):
                last = [last[1], step.argval]


def used_by(function: object) -> dict[str, object]:
    """Tell what the names mean that a function uses and does not define itself."""
    if not isinstance(function, types.FunctionType):
        return {}
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    found = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
    for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            found[free] = cell.cell_contents
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
