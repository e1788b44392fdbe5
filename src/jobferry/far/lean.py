"""The C half of pickle, without what its Python half takes to start."""

from __future__ import annotations

import sys


def _import() -> None:
    """Import `_pickle`, which takes one name of functools as it starts.

    To import functools takes a quarter of the time that Python takes to start; a stand-in with that name is
    enough.
    """
    if "functools" not in sys.modules:
        try:
            from _functools import partial  # type: ignore[import-not-found]
        except ImportError:
            # not CPython
            return
        stand_in = type(sys)("functools")
        stand_in.partial = partial  # type: ignore[attr-defined]
        sys.modules["functools"] = stand_in
        try:
            import _pickle  # noqa: F401
        finally:
            del sys.modules["functools"]


_import()

from _pickle import PickleBuffer, Pickler, Unpickler, UnpicklingError  # noqa: E402

__all__ = ["PickleBuffer", "Pickler", "Unpickler", "UnpicklingError"]
