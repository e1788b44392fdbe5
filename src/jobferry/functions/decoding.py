"""From what came home to a value or an exception of this process."""

from __future__ import annotations

import builtins
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobferry.errors import JobFailed, JobferryError, RemoteError, RemoteTraceback, ResultError
from jobferry.far import portable
from jobferry.far.loading import Unpickler
from jobferry.far.serialisers import KNOWN
from jobferry.functions.serialisers import registered
from jobferry.model.record import JobRecord

Header = Mapping[str, Any]
Parts = Sequence[bytearray]

_CLOUDPICKLE = "cloudpickle.cloudpickle"


class _Unpickler(Unpickler):
    """Takes a class of a module that is here for the class of that name, wherever the pickle was made."""

    def find_class(self, module: str, name: str) -> Any:
        if module == _CLOUDPICKLE and name == "_make_skeleton_class":
            return _class_here_or(super().find_class(module, name))
        if module == _CLOUDPICKLE and name == "_class_setstate":
            return _unless_here(super().find_class(module, name))
        return super().find_class(module, name)


def _class_here_or(make: Callable[..., type]) -> Callable[..., type]:
    def found(kind: Any, name: str, bases: Any, details: Mapping[str, Any], tracker: Any, extra: Any) -> type:
        qualname = details.get("__qualname__", name)
        here = _class_here(details.get("__module__", ""), qualname)
        return here if here is not None else make(kind, name, bases, details, tracker, extra)

    return found


def _unless_here(fill: Callable[[type, Any], type]) -> Callable[[type, Any], type]:
    def filled(kind: type, state: Any) -> type:
        return kind if _class_here(kind.__module__, kind.__qualname__) is kind else fill(kind, state)

    return filled


def _class_here(module: str, qualname: str) -> type | None:
    found: object = sys.modules.get(module)
    for word in qualname.split("."):
        found = getattr(found, word, None)
    return found if isinstance(found, type) else None


def value_of(header: Header, parts: Parts, record: JobRecord) -> Any:
    """Read what a call returned.

    Raises:
        ResultError: it cannot be read here.
    """
    function = record.spec.function
    kind = header["kind"]
    if function is not None and not function.trusted and kind != "json":
        raise ResultError(
            f"a result of {record.id} came as {kind}, which is not taken from a machine that is not trusted",
            machine=record.machine.name,
            job_id=record.id,
        )
    try:
        if kind == "pickle":
            return _Unpickler(parts).load()
        if kind == "json":
            return portable.decode(parts)
        return (KNOWN.get(kind) or registered(kind)).loads(bytes(parts[0]))
    except Exception as error:
        raise ResultError(
            f"a result of {record.id} cannot be read here: {type(error).__name__}: {error}",
            hint="what it is made of must be importable here too",
            machine=record.machine.name,
            job_id=record.id,
        ) from error


def error_of(header: Header, parts: Parts, record: JobRecord) -> Exception:
    """Make the exception that says what came of a call that failed."""
    words = str(header.get("message", ""))
    kind = header["kind"]
    if kind == "exit":
        code = int(header["code"])
        is_command = record.spec.function is not None and record.spec.function.commands
        left = f"the function left with {words}, and so without a result"
        error: Exception = JobFailed(
            f"the command ended with exit code {code}" if is_command else left, code=code
        )
    elif kind == "unsaved":
        error = ResultError(f"the function ran, but {words}", hint="return what can be written")
    elif kind in ("refused", "died", "python"):
        error = JobFailed(f"{record.spec.name}: {words}")
    else:
        error = _itself(header, parts, record)
        error.__cause__ = RemoteTraceback(str(header.get("traceback", "")))
    if isinstance(error, JobferryError) and error.job_id is None:
        error.machine, error.job_id = record.machine.name, record.id
    error.add_note(f"on {record.machine.name}, job {record.id}, task {header['task']}")
    return error


def _itself(header: Header, parts: Parts, record: JobRecord) -> Exception:
    """Make the very exception again, or one that tells its kind and words."""
    try:
        if header["kind"] == "pickle" and (record.spec.function is None or record.spec.function.trusted):
            kind, args, state = _Unpickler(parts).load()
            return _rebuilt(kind, args, state)
        if header["kind"] == "json":
            name, args = portable.decode(parts)
            return _rebuilt(getattr(builtins, name), tuple(args), {})
    except Exception as error:  # noqa: BLE001 - whatever an unknown class does, its words are told
        reason = f" (it cannot be made again here: {type(error).__name__}: {error})"
    else:
        reason = ""
    return RemoteError(
        f"{header.get('type')}: {header.get('message')}{reason}",
        kind=str(header.get("type")),
        traceback=str(header.get("traceback", "")),
        machine=record.machine.name,
        job_id=record.id,
    )


def _rebuilt(kind: type, args: tuple[Any, ...], state: Mapping[str, Any]) -> Exception:
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise TypeError(f"{kind!r} is no exception")
    made: tuple[object, object] = (kind.__init__, kind.__new__)
    if any(isinstance(each, types.FunctionType) for each in made):
        # its own __init__ takes other arguments more often than not
        error = kind.__new__(kind, *args)
        error.args = args
    else:
        error = kind(*args)
    vars(error).update(state)
    return error


def warn_again(header: Header) -> None:
    """Show here the warnings that a call gave over there."""
    for name, message, filename, lineno in header.get("warnings", ()):
        kind = getattr(builtins, name, UserWarning)
        category = kind if isinstance(kind, type) and issubclass(kind, Warning) else UserWarning
        warnings.warn_explicit(message, category, filename, lineno, module=filename)
