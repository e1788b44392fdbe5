"""The end of a process: at once where nothing is left to tidy up.

Taking the interpreter down is a fifth of the work of a short call, and as a rule nobody would see what it
does. What somebody might see is looked for; whatever is not known to be harmless is given its ordinary end.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from _io import _IOBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import AbstractSet, NoReturn, Set

# modules not written in Python that keep nothing which their end would write, send or remove
_HARMLESS = {
    *("_ast", "_bisect", "_blake2", "_bz2", "_codecs", "_collections", "_csv", "_datetime", "_decimal"),
    *("_functools", "_hashlib", "_heapq", "_json", "_locale", "_lzma", "_md5", "_opcode", "_operator"),
    *("_pickle", "_random", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_signal", "_sre", "_stat"),
    *("_statistics", "_string", "_struct", "_tokenize", "_typing", "_weakref", "_zoneinfo", "array"),
    *("atexit", "binascii", "cmath", "errno", "gc", "itertools", "math", "time", "unicodedata", "zlib"),
}
# what is left suspended in the middle has its last lines still to run
_SUSPENDED = frozenset({"generator", "coroutine", "async_generator"})


def leave(code: int, before: AbstractSet[str]) -> NoReturn:
    """End this process with an exit code.

    Args:
        before: names of the modules that were there before anything of the user's was.
    """
    if _nothing_is_left(before):
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            # the ordinary end says so, and has a code for it
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


def _nothing_is_left(before: AbstractSet[str]) -> bool:
    # whoever watches this process or waits for its end has said so in one of these ways
    if atexit._ncallbacks() or "threading" in sys.modules or sys.gettrace() or sys.getprofile():
        return False
    # something else may stand before the stream that holds the last words
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        return False
    if not all(_is_harmless(name) for name in sys.modules.keys() - before):
        return False
    kinds = list(map(type, gc.get_objects()))
    told = [kind for kind in set(kinds) if hasattr(kind, "__del__") or kind.__name__ in _SUSPENDED]
    # a file that is open may have something to write
    files = sum(map(kinds.count, told))
    return files == len(_streams()) and all(issubclass(kind, _IOBase) for kind in told)


def _is_harmless(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return name in _HARMLESS or (isinstance(file, str) and file.endswith(".py"))


def _streams() -> Set[int]:
    """Tell the identities of the three streams that every process has, layer by layer."""
    found = set()
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        layer = stream
        while layer is not None:
            found.add(id(layer))
            layer = getattr(layer, "buffer", None) or getattr(layer, "raw", None)
    return found
