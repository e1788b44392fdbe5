"""The dependency rule and the sizes of docs/architecture.md, held for every module there is and will be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

# by the longest name that fits; anything else is floor 3
FLOORS = {
    "model": 0,
    "errors": 0,
    "clock": 0,
    "data": 0,
    "far": 0,
    "render.shell": 0,
    "render.wire": 0,
    "render": 1,
    "schedulers": 1,
    "verdict": 1,
    "parts": 1,
    "retrying": 1,
    "judging": 1,
    "questions": 1,
    "evidence": 1,
    "transports": 2,
    "staging": 2,
    "store": 2,
    "config": 2,
    "cli": 4,
    "__main__": 4,
}
# floors 1 and 2 never see each other
MAY_IMPORT = {0: {0}, 1: {0, 1}, 2: {0, 2}, 3: {0, 1, 2, 3}}

TOUCHES_THE_WORLD = {"subprocess", "socket", "sqlite3", "threading"}
TELLS_TIME = {("time", "sleep"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
MAY_TOUCH = {"clock", "watch", "testing.clock", "testing.processes", "testing.transport"} | {
    "conformance.schedulers",
    "cli._output",
    # cloudpickle keeps for the whole process which modules it takes by value
    "functions.pickling",
    # futures are resolved while the program does something else
    *("functions.executor", "functions.sender", "functions.background", "aio"),
}
# runs over there, where it is alone: it may ask the batch system, and speaks on its own standard error
OVER_THERE = "far."
THE_PRINTER = "cli._output"
PRINTS = {"print", "echo", "secho", "click.echo", "click.secho"}
WRITES = {"sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write", "sys.stderr.buffer.write"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import of one module; `eager` when it happens as the importing module is loaded."""

    target: str
    line: int
    eager: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A parsed file of the package, by its dotted name without `jobferry.`; empty for the package itself."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def floor(self) -> int:
        return floor_of(self.name)

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def floor_of(name: str) -> int:
    words = name.split(".")
    for length in range(len(words), 0, -1):
        known = FLOORS.get(".".join(words[:length]))
        if known is not None:
            return known
    return 3


def load_modules() -> dict[str, Module]:
    modules = {}
    for path in sorted((SOURCE / "jobferry").rglob("*.py")):
        words = path.relative_to(SOURCE / "jobferry").with_suffix("").parts
        if words[0] == "data" and words[-1] != "__init__":
            # carried to the other side as files; never imported here
            continue
        name = ".".join(word for word in words if word != "__init__")
        modules[name] = Module(name=name, path=path, tree=ast.parse(path.read_text("utf-8")))
    return modules


MODULES = load_modules()


def imports_of(module: Module) -> Iterator[Import]:
    yield from _imports_in(module, module.tree, eager=True)


def _imports_in(module: Module, node: ast.AST, *, eager: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(target=alias.name, line=child.lineno, eager=eager)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(module, child)
            for alias in child.names:
                target = f"{base}.{alias.name}"
                is_module = target.removeprefix("jobferry.") in MODULES
                yield Import(target=target if is_module else base, line=child.lineno, eager=eager)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _imports_in(module, ast.Module([statement], []), eager=False)
            for statement in child.orelse:
                yield from _imports_in(module, ast.Module([statement], []), eager=eager)
        else:
            in_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports_in(module, child, eager=eager and not in_function)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = ["jobferry", *filter(None, module.name.split("."))]
    if module.path.name != "__init__.py":
        package.pop()
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


def inner(target: str) -> str | None:
    """Give the name inside the package, empty for the package itself; None for anybody else's module."""
    if target == "jobferry":
        return ""
    return target.removeprefix("jobferry.") if target.startswith("jobferry.") else None


def may_import(module: Module, target: str) -> bool:
    if module.floor == 4:
        return target in ("", "api", "errors") or floor_of(target) == 4
    if target == "":
        return False
    return floor_of(target) in MAY_IMPORT[module.floor]


def test_imports_point_down() -> None:
    offenders = [
        f"{module.at(found.line)}: {module.name or 'jobferry'} imports {target or 'jobferry'}"
        for module in MODULES.values()
        for found in imports_of(module)
        if (target := inner(found.target)) is not None and not may_import(module, target)
    ]

    assert offenders == []


def test_no_import_cycles() -> None:
    graph = {
        name: {
            target
            for found in imports_of(module)
            if found.eager and (target := inner(found.target)) in MODULES and target != name
        }
        for name, module in MODULES.items()
    }

    assert find_cycle(graph) is None


def find_cycle(graph: Mapping[str, set[str]]) -> list[str] | None:
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for target in sorted(graph[name]):
            if cycle := walk(target, [*path, name]):
                return cycle
        done.add(name)
        return None

    return next((cycle for name in graph if (cycle := walk(name, []))), None)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
    ],
)
def test_a_cycle_is_found(graph: dict[str, set[str]], expected: list[str] | None) -> None:
    assert find_cycle(graph) == expected


def test_only_io_rooms_touch_the_world() -> None:
    offenders = []
    for module in MODULES.values():
        if module.floor == 2 or module.name in MAY_TOUCH or module.name.startswith(OVER_THERE):
            continue
        for found in imports_of(module):
            if found.target.partition(".")[0] in TOUCHES_THE_WORLD:
                offenders.append(f"{module.at(found.line)}: imports {found.target}")
        offenders += [f"{module.at(line)}: {what}" for line, what in _time_uses(module.tree)]

    assert offenders == []


def _time_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module, alias.name) in TELLS_TIME:
                    yield node.lineno, f"imports {node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).rpartition(".")[2]
            if (owner, node.attr) in TELLS_TIME:
                yield node.lineno, f"uses {owner}.{node.attr}"


def test_only_one_place_prints() -> None:
    offenders = []
    for module in MODULES.values():
        if module.name == THE_PRINTER:
            continue
        for found in imports_of(module):
            if found.target.partition(".")[0] == "rich":
                offenders.append(f"{module.at(found.line)}: imports {found.target}")
        # a transport may pass on what ssh says to the terminal
        may_write = module.floor == 2 or module.name.startswith(OVER_THERE)
        forbidden = PRINTS if may_write else PRINTS | WRITES
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden:
                offenders.append(f"{module.at(node.lineno)}: calls {ast.unparse(node.func)}")

    assert offenders == []


def test_nothing_is_too_long() -> None:
    offenders = []
    for module in MODULES.values():
        lines = len(module.path.read_text("utf-8").splitlines())
        if lines > 300:
            offenders.append(f"{module.at(1)}: module of {lines} lines")
        for node in ast.walk(module.tree):
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > (200 if isinstance(node, ast.ClassDef) else 45):
                offenders.append(f"{module.at(node.lineno)}: {node.name} of {lines} lines")

    assert offenders == []


def test_no_tracked_file_names_this_machine_or_a_package_index() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    forbidden = re.compile("|".join((*_index_hosts(), *_machine_paths())))

    offenders = [
        f"{name}: {found.group()}"
        for name in tracked.stdout.split("\0")
        if (ROOT / name).is_file()
        and (found := forbidden.search((ROOT / name).read_text("utf-8", errors="replace")))
    ]

    assert offenders == []


def _index_hosts() -> list[str]:
    # put together here, or this file would name them too
    hosts = (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("golang", "org"),
    )
    return [re.escape(".".join(words)) for words in hosts]


def _machine_paths() -> list[str]:
    places = {
        str(ROOT),
        sys.prefix,
        sys.base_prefix,
        *("/".join(("", "work", end)) for end in ("main", "shared")),
    }
    # a short one, as /usr or /src, says nothing about a machine
    telling = sorted(place for place in places if place.count("/") > 1 and not place.startswith("/usr/"))
    return [rf"(?<![\w.~-]){re.escape(place)}(?![\w-])" for place in telling]
