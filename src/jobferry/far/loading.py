"""Functions and values made again from what was sent."""

from __future__ import annotations

import io
import sys

from . import lean

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Resolve = Callable[[Sequence[Any]], Any]
    """Finds what a reference stands for, such as another job's result."""


_PICKLE_MODULES = ("cloudpickle", "cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast")


class Unpickler(lean.Unpickler):
    """Reads pickles whose references stand for results of other jobs."""

    def __init__(self, parts: Sequence[Buffer], resolve: Optional[Resolve] = None) -> None:
        # an array over bytes could not be written to
        buffers = [bytearray(part) if isinstance(part, bytes) else part for part in parts[1:]]
        super().__init__(io.BytesIO(parts[0]), buffers=buffers)
        self._resolve = resolve

    def find_class(self, module: str, name: str) -> Any:
        """Find what a pickle names; the few that make functions again come from here, see `_REBUILD`."""
        if module in _PICKLE_MODULES and name in _REBUILD:
            return _REBUILD[name]
        return super().find_class(module, name)

    def persistent_load(self, reference: Any) -> Any:
        """Find what a reference stands for."""
        if self._resolve is None:
            raise lean.UnpicklingError("a reference to another job's result, which cannot be looked up here")
        return self._resolve(reference)


# The names that cloudpickle 3 gives what makes a function again. To import all of cloudpickle takes three
# times as long as starting Python does, and a plain function needs no more of it than this.
# types, which has names for them, takes its time, too
_FUNCTION: Any = type(lambda: None)
_CODE: Any = type((lambda: None).__code__)


def _make_function(code: Any, namespace: Dict[str, Any], name: Any, defaults: Any, closure: Any) -> Any:
    namespace["__builtins__"] = __builtins__
    return _FUNCTION(code, namespace, name, defaults, closure)


def _set_function(function: Any, state: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    attributes, slots = state
    function.__dict__.update(attributes)
    namespace, closure = slots.pop("__globals__"), slots.pop("__closure__")
    # the modules in it are imported by now, which is what it was for
    slots.pop("_cloudpickle_submodules")
    function.__globals__.update(namespace)
    function.__globals__["__builtins__"] = __builtins__
    for cell, filled in zip(function.__closure__ or (), closure or ()):
        try:
            cell.cell_contents = filled.cell_contents
        except ValueError:
            # an empty one
            continue
    for name, value in slots.items():
        setattr(function, name, value)


def _import(name: str) -> types.ModuleType:
    __import__(name)
    return sys.modules[name]


_REBUILD: Mapping[str, Any] = {
    "_make_function": _make_function,
    "_function_setstate": _set_function,
    "_make_empty_cell": lambda: _import("types").CellType(),
    "_builtin_type": lambda name: _CODE if name == "CodeType" else getattr(_import("types"), name),
    "subimport": _import,
}


def show_script(function: Any) -> None:
    """Let pickle, and so multiprocessing, find by name what came from the caller's script."""
    main = sys.modules["__main__"]
    inner = getattr(function, "__func__", getattr(function, "func", function))
    names = dict(getattr(inner, "__globals__", {}))
    names[getattr(inner, "__name__", "")] = inner
    for name, value in names.items():
        # of other values one does not know what it means to look at them
        if not (type(value) is _FUNCTION or issubclass(type(value), type)) or hasattr(main, name):
            continue
        if value.__module__ == main.__name__ and value.__qualname__ == name:
            setattr(main, name, value)


class SentModules:
    """Finds the user's own modules among the sources that were sent; asked last, when there is no other."""

    def __init__(self, read: Callable[[], Mapping[str, Sequence[Any]]]) -> None:
        self._read = read
        self._sources: Optional[Mapping[str, Sequence[Any]]] = None

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Find a module by its name."""
        if self._sources is None:
            self._sources = self._read()
        found = self._sources.get(fullname)
        if found is None:
            return None
        return _spec(fullname, self, origin=found[1], is_package=bool(found[0]))

    def create_module(self, spec: Any) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run a module's text in its namespace."""
        assert self._sources is not None
        _, origin, text = self._sources[module.__name__]
        module.__file__ = origin
        run_source(text, origin, module.__dict__)


class StandIn:
    """Gives a module of ours for `jobferry` where that is not installed."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Find nothing but the one."""
        return _spec(fullname, self) if fullname == "jobferry" else None

    def create_module(self, spec: Any) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Show the names of the module that stands in."""
        module.__dict__.update({n: v for n, v in vars(self._module).items() if not n.startswith("_")})


def _spec(*args: Any, **kwargs: Any) -> Any:
    from importlib.machinery import ModuleSpec

    return ModuleSpec(*args, **kwargs)


def run_source(text: str, origin: str, namespace: Dict[str, Any]) -> None:
    """Run a text as Python, so that a traceback can show its lines."""
    show_lines(origin, 1, text)
    exec(compile(text, origin, "exec", dont_inherit=True), namespace)


def show_lines(origin: str, first: int, text: str) -> None:
    """Let tracebacks show lines of a file that is not here, from its line `first` on."""
    import linecache

    known = linecache.cache.get(origin)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    added = text.splitlines(keepends=True)
    lines += ["\n"] * (first - 1 + len(added) - len(lines))
    lines[first - 1 : first - 1 + len(added)] = added
    linecache.cache[origin] = (sum(map(len, lines)), None, lines, origin)
