"""The node of the syntax tree that a function or a class was made from."""

from __future__ import annotations
import __future__

import ast
import dis
import inspect
import linecache
import textwrap
import types
from collections.abc import Iterable, Iterator
from itertools import pairwise

from jobferry.functions.scope import methods_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_CHANGED = "its file has changed since it was imported; import it again"
_FLAG = __future__.annotations.compiler_flag
# pytest writes other code than it was given where something is asserted
_REWRITTEN = "@py"
# a method is called in another way where its owner was imported, which the text of a definition does not tell
_AROUND_A_CALL = frozenset({"PUSH_NULL", "PRECALL", "NOP", "EXTENDED_ARG", "CACHE"})
_AS_ATTRIBUTE = {"LOAD_METHOD": "LOAD_ATTR"}
_NAMED = frozenset({*dis.hasname, *dis.haslocal, *dis.hasfree})
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})


class NoSource(Exception):
    """There is no text of it; the message says why."""


def node_of_function(value: types.FunctionType) -> ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef:
    """Find the very function, whatever it says it wraps.

    Raises:
        NoSource: it has none, as what was typed at a prompt, or its file has changed.
    """
    code = value.__code__
    # inspect would go on to what a function says it wraps
    bare = types.FunctionType(code, value.__globals__, closure=value.__closure__)
    try:
        lines, _ = inspect.getsourcelines(bare)
    except (OSError, TypeError) as error:
        raise NoSource(f"it has no source: {error}") from error
    if code.co_name == "<lambda>":
        return _lambda_of(code, "".join(lines))
    # in a file that has changed it may stand elsewhere, as it was
    for tree in _trees("".join(lines), "".join(inspect.findsource(bare)[0])):
        found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        if found and _is_rewritten(code):
            return found[0]
        for node in found:
            if node.name == code.co_name and _is_it(node, code):
                return node
    raise NoSource(_CHANGED)


def node_of_class(value: type) -> ast.ClassDef:
    """Find a class.

    Raises:
        NoSource: it has none, or its file has changed.
    """
    try:
        text = "".join(inspect.getsourcelines(value)[0])
    except (OSError, TypeError) as error:
        node = _class_in_cells(value)
        if node is None:
            raise NoSource(f"it has no source: {error}") from error
    else:
        found = (each for tree in _trees(text) for each in ast.walk(tree) if isinstance(each, ast.ClassDef))
        node = next(found, None)
        if node is None:
            raise NoSource("its source cannot be read")
    _check_methods(value, node)
    return node


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


def _trees(*texts: str) -> Iterator[ast.Module]:
    for text in texts:
        # to take away what is before each line would change texts of several lines within it
        for attempt in (text, f"if True:\n{text}", textwrap.dedent(text)):
            try:
                yield ast.parse(attempt)
            except SyntaxError:
                continue
            break


def _lambda_of(code: types.CodeType, text: str) -> ast.Lambda:
    """Find a lambda among the code around it."""
    dedented = textwrap.dedent(text).strip()
    # a line may begin or end in the middle of an expression
    for attempt in (dedented, f"({dedented})", f"({dedented.rstrip(',)')})", *_from_lambda_on(dedented)):
        try:
            tree = ast.parse(attempt)
        except SyntaxError:
            continue
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        found = [node for node in found if _is_rewritten(code) or _is_it(node, code)]
        if len({ast.dump(node) for node in found}) == 1:
            return found[0]
        raise NoSource("it is one of several lambdas on its line" if found else _CHANGED)
    raise NoSource("the line of the lambda cannot be read; define it with `def`")


def _from_lambda_on(text: str) -> list[str]:
    """List what follows the word, shorter and shorter, until one of them is a whole expression."""
    begin = text.find("lambda")
    return [text[begin:end] for end in range(len(text), begin, -1)] if begin >= 0 else []


def _check_methods(value: type, node: ast.ClassDef) -> None:
    """See that the methods of a class are those of its text."""
    codes = [function.__code__ for _, function in methods_of(value)]
    codes = [code for code in codes if not _is_rewritten(code)]
    free = {name for code in codes for name in code.co_freevars} - {"__class__"}
    flags = next((code.co_flags & _FLAG for code in codes), 0)
    there = list(_codes(_compile(node, free, flags))) if codes else []
    for code in codes:
        named = [each for each in there if each.co_name == code.co_name]
        # what was made from a text of a library's own, as the methods of a dataclass
        is_made = not named and code.co_filename.startswith("<")
        if not is_made and all(_shape(each) != _shape(code) for each in named):
            raise NoSource(_CHANGED)


def _is_it(node: ast.Lambda | Definition, code: types.CodeType) -> bool:
    """Whether a node gives this code, compiled as it was: in its class, with the names around it."""
    words = code.co_qualname.split(".")
    classes = [w for w, after in pairwise(words) if "<" not in w[0] + after]
    is_method = len(words) > 1 and "<" not in words[-2]
    free = [name for name in code.co_freevars if not (is_method and name == "__class__")]
    if isinstance(node, ast.Lambda):
        # lambdas among its defaults would come before it, those within come after
        bare = ast.arguments(**{**vars(node.args), "defaults": [], "kw_defaults": []})
        bare.kw_defaults = [None for _ in node.args.kwonlyargs]
        node = ast.copy_location(ast.Lambda(bare, node.body), node)
    whole = _compile(node, free, code.co_flags & _FLAG, classes[-1:], is_method=is_method)
    named = [each for each in _codes(whole) if each.co_name == code.co_name]
    return any(
        _shape(each) == _shape(code) for each in (named[:1] if isinstance(node, ast.Lambda) else named)
    )


def _compile(
    node: ast.Lambda | Definition,
    free: Iterable[str],
    flags: int,
    classes: Iterable[str] = (),
    *,
    is_method: bool = False,
) -> types.CodeType:
    inner: ast.stmt = ast.Expr(node) if isinstance(node, ast.Lambda) else node
    # what it is called itself is of the module, unless it is a name around it
    outside = {*classes, getattr(node, "name", "around")} - {*free}
    declared = f"global {', '.join(sorted(outside))}" if outside else "pass"
    around = [f"def around({', '.join(sorted(free))}): {declared}"] if free else []
    inside = [f"class {name}: pass" for name in classes]
    # names with two underscores are other ones within a class
    for outer in reversed((*inside, *around, *(inside if is_method else ()))):
        statement = ast.parse(outer).body[0]
        assert isinstance(statement, ast.FunctionDef | ast.ClassDef)
        statement.body = [*(each for each in statement.body if isinstance(each, ast.Global)), inner]
        inner = statement
    tree = ast.fix_missing_locations(ast.Module([inner], []))
    try:
        whole: types.CodeType = compile(tree, "<source>", "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        raise NoSource(_CHANGED) from error
    return whole


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _is_rewritten(code: types.CodeType) -> bool:
    names = (name for each in (code, *_codes(code)) for name in (*each.co_names, *each.co_varnames))
    return any(name.startswith(_REWRITTEN) for name in names)


def _shape(code: types.CodeType) -> tuple[object, ...]:
    # from Python 3.13 on a class within knows its line, too
    line = code.co_firstlineno if "__firstlineno__" in code.co_names else None
    constants = [None if line is not None and each == line else _constant(each) for each in code.co_consts]
    names = {*code.co_names, *code.co_freevars}
    return code.co_varnames, constants, names, code.co_argcount, list(_steps(code))


def _steps(code: types.CodeType) -> Iterator[tuple[str, object]]:
    for step in dis.get_instructions(code):
        if step.opname in _AROUND_A_CALL:
            continue
        if step.opcode in _NAMED:
            yield _AS_ATTRIBUTE.get(step.opname, step.opname), step.argval
        else:
            yield step.opname, None if step.opcode in _JUMPS else step.arg


def _constant(value: object) -> object:
    if isinstance(value, types.CodeType):
        return _shape(value)
    if isinstance(value, tuple):
        return [_constant(item) for item in value]
    if isinstance(value, str):
        # a class within knows where it stands
        return value.rpartition(".<locals>.")[2]
    # equal, but not the same: 1 and True, 0.0 and -0.0
    return value if isinstance(value, frozenset) else repr(value)
