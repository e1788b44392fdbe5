"""What names mean to a definition, and whether an expression still means what it once gave."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
import sys
import types
from collections import ChainMap
from collections.abc import Iterator, Mapping

NOTHING = object()
# what constants are written with; to evaluate these does nothing else
_CONSTANT = (
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.UnaryOp,
    ast.BinOp,
    ast.unaryop,
    ast.operator,
    ast.expr_context,
)


def home_of(value: types.FunctionType | type) -> str:
    """Name the module that a definition's names are of, which is not what `functools.wraps` makes it say."""
    found = value.__globals__.get("__name__") if isinstance(value, types.FunctionType) else value.__module__
    return str(found or "__main__")


def scope_of(value: types.FunctionType | type) -> Mapping[str, object]:
    """Tell what names mean to a definition: those of its module, and those of the functions around it."""
    if isinstance(value, types.FunctionType):
        return {**value.__globals__, **closure_of(value)}
    module = sys.modules.get(value.__module__)
    own = [function for _, function in methods_of(value)]
    names = vars(module) if module is not None else {n: v for f in own for n, v in f.__globals__.items()}
    return {**names, **{n: v for f in own for n, v in closure_of(f).items()}}


def closure_of(function: types.FunctionType) -> dict[str, object]:
    """Tell what a function uses of the functions around it; what has no value yet is absent."""
    found = {}
    for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[free] = cell.cell_contents
        except ValueError:
            continue
    return found


def methods_of(kind: type) -> Iterator[tuple[str, types.FunctionType]]:
    """Give the functions that stand in a class's own text, without what is wrapped around them."""
    for name, member in list(vars(kind).items()):
        parts = (member.fget, member.fset, member.fdel) if isinstance(member, property) else (member,)
        for part in parts:
            function = _unwrapped(part)
            if isinstance(function, types.FunctionType) and stands_in(function, kind):
                yield name, function


def stands_in(function: types.FunctionType, kind: type) -> bool:
    """Whether a function was defined right in a class."""
    code = function.__code__
    return (
        code.co_qualname == f"{kind.__qualname__}.{code.co_name}" and function.__module__ == kind.__module__
    )


def _unwrapped(member: object) -> object:
    if isinstance(member, functools.cached_property):
        return member.func
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    if isinstance(member, type) or not callable(member):
        return None
    try:
        return inspect.unwrap(member)
    except ValueError:
        # it is wrapped around itself
        return None


def find(node: ast.expr, scope: Mapping[str, object]) -> object:
    """Look up a name with dots; NOTHING when it is no such, or is not there."""
    if isinstance(node, ast.Attribute):
        owner = find(node.value, scope)
        return NOTHING if owner is NOTHING else getattr(owner, node.attr, NOTHING)
    return scope.get(node.id, NOTHING) if isinstance(node, ast.Name) else NOTHING


def with_builtins(*scopes: Mapping[str, object]) -> Mapping[str, object]:
    """Put what Python itself knows behind other names."""
    return ChainMap(*map(dict, scopes), vars(builtins))


def gives(node: ast.expr, value: object, scope: Mapping[str, object]) -> bool:
    """Whether an expression is a constant like a value, made from one, or a name of that very value."""
    made = find(node.func, scope) if isinstance(node, ast.Call) else NOTHING
    if isinstance(node, ast.Call) and made is object and type(value) is object:
        # a mark, which nothing else is equal to: another does as well
        return not (node.args or node.keywords)
    parts = [*node.args, *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else [node]
    if not all(map(is_constant, parts)):
        return find(node, scope) is value
    if isinstance(node, ast.Call) and not (isinstance(made, type) or made is re.compile):
        return False
    code = compile(ast.Expression(node), "<constant>", "eval")
    try:
        found = eval(code, {"__builtins__": {}}, ChainMap(dict(scope)))
    except Exception:  # noqa: BLE001 - what cannot be made again is not the same
        return False
    return _is_same(found, value)


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is made of constants alone."""
    return all(isinstance(each, _CONSTANT) for each in ast.walk(node))


def _is_same(one: object, other: object) -> bool:
    """Whether two values are alike to the last of their parts: 1 is not True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return _is_same([*one.items()], [*other.items()])
    return one == other if isinstance(one, set) else repr(one) == repr(other)
