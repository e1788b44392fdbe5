"""The text of one definition, and the names it uses."""

from __future__ import annotations

import ast
import inspect
import linecache
import symtable
import textwrap
import types
from dataclasses import dataclass

# a remote function's decorator stays here: over there it is a plain function
_REMOTE = "remote"


class NoSource(Exception):
    """There is no text of it; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A definition as text.

    Attributes:
        names: what it uses and does not define itself.
    """

    text: str
    names: tuple[str, ...]


def read_source(value: types.FunctionType | type, name: str) -> Source:
    """Read a function's or a class's text so that it defines `name`.

    Raises:
        NoSource: it has none, as what was typed at a prompt, or it is one of several on its line.
    """
    node = _node_of(value)
    if isinstance(node, ast.Lambda):
        text = f"{name} = {ast.unparse(node)}"
    else:
        node.decorator_list = [each for each in node.decorator_list if not _is_remote(each)]
        text = ast.unparse(node)
        if node.name != name:
            text += f"\n{name} = {node.name}"
    return Source(text, _free_names(text))


def _node_of(
    value: types.FunctionType | type,
) -> ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef:
    try:
        lines, first = inspect.getsourcelines(value)
    except (OSError, TypeError) as error:
        if isinstance(value, type) and (found := _class_in_cells(value)) is not None:
            return found
        raise NoSource(f"it has no source: {error}") from error
    text = "".join(lines)
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        return _lambda_of(value, text)
    tree = _parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node
    raise NoSource(f"its source cannot be read: line {first}")


def _class_in_cells(value: type) -> ast.ClassDef | None:
    """Find a class among the cells of a notebook, where inspect does not look; the last one counts."""
    cells = [entry[2] for name, entry in linecache.cache.items() if "ipykernel" in name and len(entry) == 4]
    for lines in reversed(cells):
        try:
            nodes = ast.parse("".join(lines)).body
        except SyntaxError:
            # a cell with magics in it
            continue
        for node in nodes:
            if isinstance(node, ast.ClassDef) and node.name == value.__qualname__:
                return node
    return None


def _parse(text: str) -> ast.Module:
    for attempt in (textwrap.dedent(text), f"if True:\n{text}"):
        try:
            return ast.parse(attempt)
        except SyntaxError:
            continue
    raise NoSource("its source cannot be read")


def _lambda_of(value: types.FunctionType, text: str) -> ast.Lambda:
    """Find a lambda among the code around it."""
    dedented = textwrap.dedent(text).strip()
    # a line may begin or end in the middle of an expression
    for attempt in (dedented, f"({dedented})", f"({dedented.rstrip(',)')})", *_from_lambda_on(dedented)):
        try:
            tree = ast.parse(attempt)
        except SyntaxError:
            continue
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and _is_it(node, value)]
        if len({ast.dump(node) for node in found}) == 1:
            return found[0]
        raise NoSource("it is one of several lambdas on its line" if found else "it has no source of its own")
    raise NoSource("the line of the lambda cannot be read; define it with `def`")


def _from_lambda_on(text: str) -> list[str]:
    """List what follows the word, shorter and shorter, until one of them is a whole expression."""
    begin = text.find("lambda")
    return [text[begin:end] for end in range(len(text), begin, -1)] if begin >= 0 else []


def _is_it(node: ast.Lambda, value: types.FunctionType) -> bool:
    code = compile(ast.Expression(node), "<lambda>", "eval").co_consts[0]
    return isinstance(code, types.CodeType) and _shape(code) == _shape(value.__code__)


def _shape(code: types.CodeType) -> tuple[object, ...]:
    constants = [_shape(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    # a name of the function around it is loaded in another way than a global one
    return code.co_varnames, constants, {*code.co_names, *code.co_freevars}, code.co_argcount


def _is_remote(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _REMOTE == (target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", None))


def _free_names(text: str) -> tuple[str, ...]:
    """List the names that a text uses and does not bind where it uses them, in a stable order."""
    found: dict[str, None] = {}
    waiting = [symtable.symtable(f"from __future__ import annotations\n{text}", "<source>", "exec")]
    defined = {symbol.get_name() for symbol in waiting[0].get_symbols() if symbol.is_assigned()}
    while waiting:
        table = waiting.pop()
        for symbol in table.get_symbols():
            is_global = symbol.is_global() or (table.get_type() == "module" and not symbol.is_assigned())
            if is_global and symbol.is_referenced() and symbol.get_name() not in defined:
                found[symbol.get_name()] = None
        waiting += table.get_children()
    return tuple(sorted(found))
