"""What a function or a class was given after it was defined."""

from __future__ import annotations

import ast
import symtable
import types
from abc import ABCMeta
from collections.abc import Iterator, Mapping

from jobferry.functions.nodes import NoSource
from jobferry.functions.scope import gives, is_constant, stands_in, with_builtins

_SLOTS = types.MemberDescriptorType | types.GetSetDescriptorType


def changes_of_function(function: types.FunctionType) -> list[tuple[str, object]]:
    """Give the attributes that a function was given."""
    # what Python and libraries note about it
    noted = ("__", "_is_coroutine")
    return [(name, held) for name, held in vars(function).items() if not name.startswith(noted)]


def changes_of_class(
    kind: type, node: ast.ClassDef, scope: Mapping[str, object]
) -> Iterator[tuple[str, object]]:
    """Give the attributes that the text of a class would not give it, as they are now.

    Raises:
        NoSource: a method was replaced by something else.
    """
    # enumerations, named tuples and such make other things of what stands in their text
    if type(kind) not in (type, ABCMeta) or "_field_defaults" in vars(kind):
        return
    table = symtable.symtable(ast.unparse(node), "<source>", "exec").get_children()[0]
    while table.get_type() != "class":
        table = table.get_children()[-1]
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    once = dict(_assigned_once(node, kind.__name__))
    outside = with_builtins(scope)
    is_made_by_others = bool(node.decorator_list) or any(
        "__init_subclass__" in vars(base) for base in kind.__mro__[1:-1]
    )
    for name, held in list(vars(kind).items()):
        if name in once:
            expression = once[name]
            is_telling = is_constant(expression) or (
                isinstance(expression, ast.Name) and expression.id not in bound and callable(held) is False
            )
            if is_telling and not hasattr(held, "__get__") and not gives(expression, held, outside):
                yield name, held
        elif name.startswith(("__", "_abc_")):
            continue
        elif name not in bound and not is_made_by_others and not isinstance(held, _SLOTS):
            yield name, held
        elif isinstance(held, types.FunctionType) and _is_plain(node, name) and not stands_in(held, kind):
            raise NoSource(f"its `{name}` was set after it was defined")


def _assigned_once(node: ast.ClassDef, kind: str) -> Iterator[tuple[str, ast.expr]]:
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    read = {each.id for each in names if isinstance(each.ctx, ast.Load)}
    stored = [each.id for each in names if not isinstance(each.ctx, ast.Load)]
    for each in node.body:
        target = each.targets[0] if isinstance(each, ast.Assign) and len(each.targets) == 1 else None
        target = each.target if isinstance(each, ast.AnnAssign) else target
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value and isinstance(target, ast.Name):
            name = target.id
            # what the text goes on to fill is as it is by then
            is_filled = not isinstance(each.value, ast.Constant | ast.Name) and name in read
            if stored.count(name) == 1 and name != "__slots__" and not is_filled:
                is_private = name.startswith("__") and not name.endswith("__")
                yield f"_{kind.lstrip('_')}{name}" if is_private else name, each.value


def _is_plain(node: ast.ClassDef, name: str) -> bool:
    """Whether a class has a function of that name as it stands in the text."""
    found = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == name]
    return len(found) == 1 and not found[0].decorator_list and not node.decorator_list
