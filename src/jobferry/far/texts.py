"""Small JSON texts without the module json, which takes half as long to import as Python to start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring_ascii, make_scanner

    _IS_FAST = True
except ImportError:
    # not CPython
    _IS_FAST = False


def write(value: Any) -> str:
    """Write numbers, texts, truths, None, lists and dicts with texts for keys."""
    if not _IS_FAST:
        import json

        return json.dumps(value)
    return _write(value)


def read(text: str) -> Any:
    """Read a text that `write` wrote.

    Raises:
        ValueError: it is none.
    """
    if not _IS_FAST:
        import json

        return json.loads(text)
    try:
        value, end = make_scanner(_Settings())(text, 0)  # type: ignore[arg-type]
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("not JSON")
    return value


def _write(value: Any) -> str:
    if isinstance(value, str):
        return str(encode_basestring_ascii(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(map(_write, value))
    return "{%s}" % ",".join("%s:%s" % (_write(str(key)), _write(item)) for key, item in value.items())


class _Settings:
    """What the scanner asks its decoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}
