"""Which modules are the user's own, and so are on no other machine; and their sources."""

from __future__ import annotations

import ast
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

# what travels in other ways: ourselves, and what is sent along anyway
_OURS = frozenset({"jobferry", "jobferry_far", "cloudpickle"})


def is_own(name: str) -> bool:
    """Whether a module is the user's: neither of Python itself nor installed from elsewhere."""
    top = name.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return False
    if name == "__main__":
        return True
    module = sys.modules.get(top)
    origin = _origin(module) if module is not None else _origin_of_unloaded(top)
    return origin is not None and not _is_installed(origin)


def own_modules() -> list[ModuleType]:
    """List the user's own modules among those that are loaded."""
    loaded = list(sys.modules.items())
    own = [module for name, module in loaded if isinstance(module, ModuleType) and is_own(name)]
    return [module for module in own if sys.modules.get(module.__name__) is module]


def read_sources(roots: Iterable[str]) -> dict[str, tuple[bool, str, str]]:
    """Read the user's own modules, with those that they import: name -> whether a package, file, text."""
    found: dict[str, tuple[bool, str, str]] = {}
    waiting = [name for root in roots for name in _with_parents(root)]
    while waiting:
        name = waiting.pop()
        if name in found or name == "__main__" or not is_own(name):
            continue
        source = _read(name)
        if source is not None:
            found[name] = source
            waiting += [parent for each in _imported(name, source) for parent in _with_parents(each)]
    return found


def _with_parents(name: str) -> list[str]:
    words = name.split(".")
    return [".".join(words[:length]) for length in range(1, len(words) + 1)]


def _read(name: str) -> tuple[bool, str, str] | None:
    """Read a module's source; None of one that has none, such as a compiled one, or that is not there."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    is_package = spec.submodule_search_locations is not None
    if spec.origin is None or not spec.origin.endswith(".py"):
        # a package without an __init__.py has no text of its own
        return (True, "", "") if is_package and spec.origin is None else None
    try:
        return is_package, spec.origin, Path(spec.origin).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _imported(name: str, source: tuple[bool, str, str]) -> Iterator[str]:
    is_package, _, text = source
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from imported_from(package, node.level, node.module or "", [a.name for a in node.names])


def imported_from(package: str, level: int, module: str, names: Iterable[str]) -> Iterator[str]:
    """Name the modules that ``from module import names`` may mean, in a module of that package."""
    if level:
        words = package.split(".")
        base = ".".join(words[: len(words) - level + 1])
        module = f"{base}.{module}".strip(".") if module else base
    if module:
        yield module
        yield from (f"{module}.{name}" for name in names if name != "*")


def _origin(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    if file:
        return str(file)
    places = list(getattr(module, "__path__", ()))
    return str(places[0]) if places else None


def _origin_of_unloaded(top: str) -> str | None:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


@cache
def _is_installed(origin: str) -> bool:
    path = Path(origin)
    return any(path.is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    named = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    named += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({Path(name) for name in named} | {Path(name).resolve() for name in named})
