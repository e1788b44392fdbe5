"""The text of one definition, and the names it uses."""

from __future__ import annotations

import ast
import functools
import symtable
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from jobferry.functions.nodes import Definition, NoSource, node_of_class, node_of_function
from jobferry.functions.own import imported_from, is_own
from jobferry.functions.scope import (
    NOTHING,
    closure_of,
    find,
    gives,
    home_of,
    methods_of,
    scope_of,
    with_builtins,
)
from jobferry.functions.state import changes_of_class, changes_of_function

# a remote function's decorator stays here: over there it is a plain function
_REMOTE = "remote"


@dataclass(slots=True)
class Source:
    """A definition as text.

    Attributes:
        names: what it uses and does not define itself.
        scope: what these mean.
        values: what must be there before it, by the names that were made up for it.
        functions: the functions that stand in it.
    """

    text: str = ""
    names: tuple[str, ...] = ()
    scope: Mapping[str, object] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    functions: list[types.FunctionType] = field(default_factory=list)

    def chains(self) -> Iterator[tuple[str, ...]]:
        """List the names with dots that it uses."""
        for node in ast.walk(ast.parse(self.text)):
            words: list[str] = []
            while isinstance(node, ast.Attribute):
                words.insert(0, node.attr)
                node = node.value
            if words and isinstance(node, ast.Name):
                yield node.id, *words


def read_source(
    value: types.FunctionType | type, name: str, is_taken: Callable[[str, object], bool] = lambda *_: False
) -> Source:
    """Read a function's or a class's text so that it defines `name`.

    Args:
        is_taken: whether a name means something else already.

    Raises:
        NoSource: it has none, as what was typed at a prompt, or it is one of several on its line, or it
            would be another thing over there.
    """
    found = Source()
    if isinstance(value, type):
        lines, given = _class_lines(value, name, found)
    else:
        lines, given = _function_lines(value, name, found, is_taken), changes_of_function(value)
    for attribute, held in given:
        made_up = f"set_{attribute}_of_{name}"
        found.values[made_up] = held
        lines.append(f"{name}.{attribute} = {made_up}")
    found.text = "\n".join(lines)
    found.names = _free_names(found.text, name)
    return found


def _class_lines(value: type, name: str, found: Source) -> tuple[list[str], list[tuple[str, object]]]:
    node = node_of_class(value)
    found.scope = scope_of(value)
    functions = dict(methods_of(value))
    found.functions = [*functions.values()]
    given = list(changes_of_class(value, node, found.scope))
    _refuse_rebinding(node, {free for each in found.functions for free in each.__code__.co_freevars})
    _make_plain(node, found.scope, value.__module__)
    inside = with_builtins(vars(value), found.scope)
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name in functions:
            _set_defaults(each, functions[each.name], f"{name}_{each.name}", inside, found)
    return [ast.unparse(node), *([f"{name} = {node.name}"] if node.name != name else [])], given


def _function_lines(
    value: types.FunctionType, name: str, found: Source, is_taken: Callable[[str, object], bool]
) -> list[str]:
    homes, function = _below_libraries(value)
    node = node_of_function(function)
    found.functions = [function]
    found.scope = scope_of(function)
    closure = closure_of(function)
    _refuse_rebinding(node, {*function.__code__.co_freevars})
    _make_plain(node, found.scope, found.scope.get("__package__"))
    _set_defaults(node, function, name, with_builtins(found.scope), found)
    if isinstance(node, ast.Lambda):
        if not any(is_taken(free, held) for free, held in closure.items()):
            return [f"{name} = {ast.unparse(node)}"]
        result = ast.unparse(node)
    else:
        # this is what was defined: what was made of it by decorators is another function, which uses it
        node.decorator_list = _kept(node.decorator_list, function, homes, found.scope)
        is_apart = hasattr(function, "__wrapped__") or "__class__" in closure
        is_apart = is_apart or any(is_taken(free, held) for free, held in closure.items())
        is_apart = is_apart or (node.name != name and is_taken(node.name, value))
        if not is_apart:
            return [ast.unparse(node), *([f"{name} = {node.name}"] if node.name != name else [])]
        named = node.name
        if closure.get(named) is function:
            del closure[named]
        elif _mentions(node, named):
            # within, its name means what its module calls so
            node.name = f"_{named}"
        result = node.name
    # a function around it, as there was, whose names are not those of any other
    text = f"def around_{name}({', '.join(closure)}): return {result}"
    around = ast.parse(text).body[0]
    if isinstance(around, ast.FunctionDef) and not isinstance(node, ast.Lambda):
        renamed = ast.parse(f"{result}.__name__ = {named!r}").body if result != named else []
        around.body[:0] = [node, *renamed]
    found.values.update({f"{free}_of_{name}": held for free, held in closure.items()})
    given = ", ".join(f"{free}_of_{name}" for free in closure)
    return [ast.unparse(around), f"{name} = around_{name}({given})"]


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))


def _below_libraries(value: types.FunctionType) -> tuple[list[str], types.FunctionType]:
    """Find the user's own function within what libraries wrapped around it, and name these."""
    homes = []
    while not is_own(home_of(value)) and isinstance(
        inner := getattr(value, "__wrapped__", None), types.FunctionType
    ):
        homes.append(home_of(value))
        value = inner
    return homes, value


def _kept(
    decorators: list[ast.expr], function: types.FunctionType, homes: list[str], scope: Mapping[str, object]
) -> list[ast.expr]:
    """List the decorators that belong to a function's text: those by which libraries wrapped it."""
    kept = []
    waiting = list(homes)
    for decorator in decorators:
        target = find(decorator.func if isinstance(decorator, ast.Call) else decorator, scope)
        home = str(getattr(target, "__module__", None)).partition(".")[0]
        if waiting and home == waiting[0].partition(".")[0]:
            kept.append(decorator)
            del waiting[0]
        elif target is functools.wraps and isinstance(decorator, ast.Call):
            names = {each.id for each in ast.walk(decorator) if isinstance(each, ast.Name)}
            if names <= {*scope}:
                kept.append(decorator)
    if waiting:
        raise NoSource(f"it was wrapped by {waiting[0]} in another way than with `@`")
    return kept


def _set_defaults(
    node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef,
    function: types.FunctionType,
    name: str,
    scope: Mapping[str, object],
    found: Source,
) -> None:
    """Put names in place of defaults that the text would give another value over there."""
    defaults, keywords = function.__defaults__ or (), function.__kwdefaults__ or {}
    places = [*node.args.posonlyargs, *node.args.args]
    named = [a.arg for a, each in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if each]
    if len(defaults) != len(node.args.defaults) or {*named} != {*keywords}:
        raise NoSource("its defaults were set after it was defined")

    def written(each: ast.expr, argument: str, value: object) -> ast.expr:
        if gives(each, value, scope):
            return each
        made_up = f"default_{argument}_of_{name}"
        found.values[made_up] = value
        return ast.Name(made_up, ast.Load())

    last = places[len(places) - len(defaults) :]
    node.args.defaults = [
        written(each, argument.arg, value)
        for each, argument, value in zip(node.args.defaults, last, defaults, strict=True)
    ]
    node.args.kw_defaults = [
        written(each, argument.arg, keywords[argument.arg]) if each else None
        for each, argument in zip(node.args.kw_defaults, node.args.kwonlyargs, strict=True)
    ]


def _refuse_rebinding(node: ast.AST, free: set[str]) -> None:
    rebound = [name for each in ast.walk(node) if isinstance(each, ast.Nonlocal) for name in each.names]
    for name in rebound:
        if name in free:
            raise NoSource(f"it rebinds `{name}` of the function around it")


def _make_plain(node: ast.AST, scope: Mapping[str, object], package: object) -> None:
    """Take away what belongs here: the decorators of remote functions, and imports from where it stands."""
    for each in ast.walk(node):
        if isinstance(each, Definition):
            each.decorator_list = [d for d in each.decorator_list if not _is_remote(d, scope)]
        elif isinstance(each, ast.ImportFrom) and each.level and isinstance(package, str):
            each.module = next(imported_from(package, each.level, each.module or "", ()), each.module)
            each.level = 0


def _is_remote(decorator: ast.expr, scope: Mapping[str, object]) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if _REMOTE != (target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", None)):
        return False
    found = find(target, scope)
    return found is NOTHING or str(getattr(found, "__module__", "")).partition(".")[0] == "jobferry"


def _free_names(text: str, name: str) -> tuple[str, ...]:
    """List the names that a text uses and does not bind where it uses them, in a stable order."""
    found: dict[str, None] = {}
    try:
        waiting = [symtable.symtable(f"from __future__ import annotations\n{text}", "<source>", "exec")]
    except SyntaxError as error:
        raise NoSource(f"it cannot stand alone: {error.msg}") from error
    defined = {symbol.get_name() for symbol in waiting[0].get_symbols() if symbol.is_assigned()}
    while waiting:
        table = waiting.pop()
        for symbol in table.get_symbols():
            is_module = table.get_type() == "module"
            is_global = symbol.is_global() or (is_module and not symbol.is_assigned())
            # what calls itself means what its module calls so
            is_known = symbol.get_name() in defined and (is_module or symbol.get_name() == f"around_{name}")
            if is_global and symbol.is_referenced() and not is_known:
                found[symbol.get_name()] = None
        waiting += table.get_children()
    return tuple(sorted(found))
