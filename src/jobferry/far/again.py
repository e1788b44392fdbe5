"""Calls that save their work before the time is over, and go on with it when the job is started again."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

from . import loading, saving, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple

    Call = Tuple[Any, Any, Any]

# EX_TEMPFAIL: not done, and to be tried again
CODE = 75


class Resuming:
    """Runs a call, or what it left to be called when it was last stopped.

    Args:
        path: the file that holds what was left.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def execute(self, call: Call) -> Any:
        """Run it.

        Raises:
            within.Again: it is to be started again, and what is to be called then is written down.
        """
        function, args, kwargs = self._left() or call
        self._watch(function, args, kwargs)
        try:
            value = function(*args, **kwargs)
            return _awaited(value) if hasattr(value, "__await__") else value
        except BaseException as asked:
            # where jobferry is installed over there, its class of that name is another one
            if not getattr(asked, "is_again", False):
                raise
            later = getattr(asked, "later", None)
            if later is not None:
                self._leave((later.function, later.args, later.kwargs))
            raise within.Again() from asked
        finally:
            # a warning that comes late has nothing left to save
            _signal.signal(warning(), _signal.SIG_IGN)

    def forget(self) -> None:
        """Forget what was left: the call has ended, in one way or the other."""
        if os.path.exists(self._path):
            os.remove(self._path)

    @staticmethod
    def _watch(function: Any, args: Any, kwargs: Any) -> None:
        """Have a callable's own `checkpoint` called when the job is warned of its end."""
        checkpoint = getattr(function, "checkpoint", None)
        if not callable(checkpoint):
            return

        def warned(*_: object) -> None:
            later = checkpoint(*args, **kwargs)
            if not hasattr(later, "function"):
                later = within.Delayed(later if callable(later) else function, *args, **kwargs)
            raise within.Again(later)

        _signal.signal(warning(), warned)

    def _left(self) -> Optional[Call]:
        try:
            with open(self._path, "rb") as file:
                call: Call = loading.Unpickler([file.read()]).load()
                return call
        except FileNotFoundError:
            return None

    def _leave(self, call: Call) -> None:
        aside = self._path + ".new"
        with open(aside, "wb") as file:
            file.write(saving.dump_whole(call))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self._path)


def warning() -> int:
    """Return the number of the signal that warns of the end."""
    return int(getattr(_signal, "SIG" + (os.environ.get("JOBFERRY_WARNING") or "USR2")))


def ask(base: str, element: Optional[int]) -> int:
    """Ask the launch script to start the job again; return the code to end with."""
    name = "job" if element is None else str(element)
    with open(os.path.join(base, "state", name + ".again"), "w"):
        return CODE


def _awaited(value: Any) -> Any:
    """Run what an ``async def`` function returned."""
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())
