"""Values and exceptions written for the way home."""

from __future__ import annotations

import io

from . import lean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

    from . import serialisers

    T = TypeVar("T")
    Buffer = Union[bytes, bytearray, memoryview]
    Saved = Tuple[Dict[str, Any], Sequence[Buffer]]
    """What a frame's header says of a value, and the value."""


class NotSaved(Exception):
    """A value that cannot be brought home; the message says why."""


def save_value(value: Any, how: str, serialiser: Optional[serialisers.Serialiser] = None) -> Saved:
    """Write a result.

    Args:
        how: ``pickle``, ``json`` or the name of another serialiser, which is then given.

    Raises:
        NotSaved: it cannot be written.
    """
    try:
        if serialiser is not None:
            written = serialiser.dumps(value)
            if not isinstance(written, (bytes, bytearray, memoryview)):
                raise TypeError("it gave a %s, not bytes" % type(written).__name__)
            return {"kind": how}, [written]
        if how == "json":
            from . import portable

            return {"kind": "json"}, portable.encode(value)
        return {"kind": "pickle"}, dump(value)
    except Exception as exc:
        words = "%s: %s" % (type(exc).__name__, exc)
        raise NotSaved("a %s cannot be written as %s: %s" % (_name_of(type(value)), how, words)) from exc


def dump(value: Any) -> List[Buffer]:
    """Pickle a value; what lies in large buffers, as arrays do, is not copied.

    Functions and classes that no module here can give are written as they are, by cloudpickle.
    """
    return _by_either(lambda pickler: _dump(value, pickler))


def dump_whole(value: Any) -> bytes:
    """Pickle a value into one byte string."""
    return _by_either(lambda pickler: _dump_whole(value, pickler))


class _Pickler(lean.Pickler):
    """Leaves what came from the caller's script to cloudpickle: no other process finds it by its name."""

    def reducer_override(self, value: Any) -> Any:
        """Refuse what is of the script; anything else goes its way."""
        if getattr(value, "__module__", None) == "__main__" and hasattr(value, "__qualname__"):
            raise TypeError("it is of the script")
        return NotImplemented


def _by_either(write: Callable[[Any], T]) -> T:
    try:
        return write(_Pickler)
    except Exception:
        import cloudpickle

        return write(cloudpickle.Pickler)


def _dump(value: Any, pickler: Any) -> List[Buffer]:
    buffers: List[lean.PickleBuffer] = []
    stream = io.BytesIO()
    pickler(stream, protocol=5, buffer_callback=buffers.append).dump(value)
    return [stream.getbuffer(), *(buffer.raw() for buffer in buffers)]


def _dump_whole(value: Any, pickler: Any) -> bytes:
    stream = io.BytesIO()
    pickler(stream, protocol=5).dump(value)
    return stream.getvalue()


def save_error(error: BaseException, how: str) -> Saved:
    """Write an exception: itself where that can be done, its words in any case."""
    about: Dict[str, Any] = {
        "type": _name_of(type(error)),
        "message": _words_of(error),
        "traceback": format_error(error),
    }
    if how == "json":
        if type(error).__module__ != "builtins":
            # plain data says nothing of classes of one's own, though they may have the name of another
            return dict(about, kind="words"), []
        from . import portable

        try:
            return dict(about, kind="json"), portable.encode([type(error).__name__, _args_of(error)])
        except portable.NotPortable:
            return dict(about, kind="words"), []
    # taken apart: a pickled exception calls its own __init__ with `args`, which fits only sometimes
    for attributes in (vars(error), {}):
        try:
            return dict(about, kind="pickle"), dump((type(error), tuple(_args_of(error)), attributes))
        except Exception:
            continue
    return dict(about, kind="words"), []


def _args_of(error: BaseException) -> List[Any]:
    """List what an exception is made of; of one about a file its name too, which is not among `args`."""
    args = list(error.args)
    of_its_own = type(error).__module__ != "builtins"
    if isinstance(error, OSError) and not of_its_own and len(args) == 2 and error.filename is not None:
        args.append(error.filename)
        if error.filename2 is not None:
            args += [None, error.filename2]
    return args


def format_error(error: BaseException) -> str:
    """Write a traceback without the lines that are ours."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as exc:
        return "(its words cannot be told: %r)" % type(exc).__name__


def _name_of(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    )
