"""One call after another: its function and arguments made again, run, and what came of it written down."""

from __future__ import annotations

import os
import sys
import time
import warnings
import zlib

from . import again, loading, results, saving, within
from .calls import CallReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

    from . import serialisers

    Frame = Tuple[Dict[str, Any], Sequence[saving.Buffer]]
    Call = Tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]

_MOST_WARNINGS = 100


class Refused(Exception):
    """A call that cannot be run here; the message says why."""


class Work:
    """The calls of one job, in its folder over there."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._file: BinaryIO = open(os.path.join(folder, "call"), "rb")  # noqa: SIM115
        self._owner = os.getpid()
        self._reader = CallReader(self._file)
        self.header = self._reader.header
        self._functions: Dict[int, Callable[..., Any]] = {}
        self._serialiser: Optional[serialisers.Serialiser] = None

    def close(self) -> None:
        """Let go of the file, which is opened again when something of it is wanted after all."""
        self._file.close()

    def tasks(self, element: Optional[int]) -> range:
        """Tell which calls an element of the job's array runs; all of a job that is no array."""
        if element is None:
            return range(self.header["count"])
        chunk = self.header["chunk"]
        return range(element * chunk, min((element + 1) * chunk, self.header["count"]))

    def check(self) -> None:
        """Look whether this Python can run what was sent.

        Raises:
            Refused: it was written for another.
        """
        wanted = tuple(self.header["python"])
        if self.header["format"] == "pickle" and sys.version_info[:2] != wanted:
            # to load it would end this process without a word, or worse
            raise Refused(
                "it was written for Python %d.%d, and this is Python %d.%d (%s)"
                % (wanted[0], wanted[1], sys.version_info[0], sys.version_info[1], sys.executable)
            )

    def prepare(self) -> None:
        """Make the user's own modules known, and a stand-in for ourselves."""
        if self.header.get("sources") is not None:
            sys.meta_path.append(loading.SentModules(self._sources))
        sys.meta_path.append(loading.StandIn(within))

    def show_lines(self) -> None:
        """Let tracebacks show lines of files that are not here."""
        for origin, first, text in self.header["lines"]:
            if not os.path.exists(origin):
                loading.show_lines(origin, first, text)

    def call(self, index: int) -> Call:
        """Make a call again: its function, its arguments."""
        number, parts = self._read(lambda reader: reader.arguments(index))
        if number not in self._functions:
            self._functions[number] = self._function(number)
        args, kwargs = self.value(self.header["how"], parts)
        return self._functions[number], args, kwargs

    def value(self, how: str, parts: Sequence[saving.Buffer]) -> Any:
        """Read a value that was written in one of the ways this job uses."""
        if how == "pickle":
            return loading.Unpickler(parts, self._resolve).load()
        if how == "json":
            from . import portable

            return portable.decode(parts, self._resolve)
        return self.serialiser(how).loads(bytes(parts[0]))

    def serialiser(self, how: str) -> serialisers.Serialiser:
        """Return the way to write that has a name."""
        from . import serialisers

        if how in serialisers.KNOWN:
            return serialisers.KNOWN[how]
        if self._serialiser is None:
            own = self.header["serialiser"]
            self._serialiser = serialisers.Serialiser(
                self._function(own["dumps"]), self._function(own["loads"])
            )
        return self._serialiser

    def save(self, value: Any) -> saving.Saved:
        """Write a result in the way this job wants it."""
        how = self.header["results"]
        own = None if how in ("pickle", "json") else self.serialiser(how)
        return saving.save_value(value, how, own)

    def _read(self, read: Callable[[CallReader], Any]) -> Any:
        if self._file.closed or self._owner != os.getpid():
            # a child shares its parent's place in an open file
            self._file = open(self._file.name, "rb")  # noqa: SIM115
            self._owner, self._reader = os.getpid(), CallReader(self._file)
        return read(self._reader)

    def _function(self, number: int) -> Callable[..., Any]:
        parts = self._read(lambda reader: reader.function(number))
        if self.header["format"] == "pickle":
            found: Callable[..., Any] = loading.Unpickler(parts, self._resolve).load()
            loading.show_script(found)
            return found
        from . import portable

        about = portable.decode(parts, self._resolve)
        sent = self._sources() if self.header.get("sources") is not None else {}
        known = getattr(sys.modules.get(about["module"]), "__spec__", None)
        # dataclasses, and pickle, look for the module of a class; one that is really there stays what it is
        is_there = about["module"] in sent or known is not None
        module = type(sys)("__jobferry__" if is_there else about["module"])
        sys.modules[module.__name__] = module
        namespace = module.__dict__
        namespace.update(about["values"])
        loading.show_lines(about["origin"], 1, about["text"])
        exec(compile(about["text"], about["origin"], "exec", dont_inherit=True), namespace)
        function = namespace[about["name"].partition(".")[0]]
        for name in about["name"].split(".")[1:]:
            function = getattr(function, name)
        found = function
        return found

    def _sources(self) -> Mapping[str, Sequence[Any]]:
        import json

        parts = self._read(lambda reader: reader.function(self.header["sources"]))
        sources: Mapping[str, Sequence[Any]] = json.loads(zlib.decompress(bytes(parts[0])).decode())
        return sources

    def _resolve(self, reference: Sequence[Any]) -> Any:
        job_id, index = reference
        other = Work(os.path.join(os.path.dirname(self.folder), job_id))
        found = results.find(other.folder, other.header, index)
        if found is None:
            raise Refused("the result of task %d of job %s, an argument, is not there" % (index, job_id))
        header, parts = found
        if not header["ok"]:
            words = "%s: %s" % (header.get("type"), header.get("message"))
            raise Refused(
                "task %d of job %s, whose result is an argument, failed: %s" % (index, job_id, words)
            )
        return other.value(header["kind"], parts)


def run_in_place(work: Work, index: int) -> Frame:
    """Run one call where it works, from where it was last stopped, and say what came of it."""
    resuming = again.Resuming(os.path.join(work.folder, "out", "again.%d" % index))
    before = os.getcwd()
    if work.header["folders"]:
        _enter(str(index), work.header["shared"])
    try:
        header, parts = _run(work, index, resuming.execute)
    finally:
        os.chdir(before)
    if header["kind"] != "again":
        resuming.forget()
    return header, parts


def _enter(folder: str, shared: Sequence[str]) -> None:
    """Go to a call's own folder; what all calls share lies there, too."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    for name in shared:
        if not os.path.lexists(name):
            os.symlink(os.path.join("..", name), name)


def _run(work: Work, index: int, execute: Callable[[Call], Any]) -> Frame:
    began = time.time()
    about: Dict[str, Any] = {"task": index, "run": this_run(), "began": began}
    with _Warnings() as kept:
        try:
            value = execute(work.call(index))
            saved, parts = work.save(value)
            about.update(saved, ok=True)
        except Refused as refusal:
            about.update(ok=False, kind="refused", message=str(refusal))
            parts = []
        except saving.NotSaved as error:
            about.update(ok=False, kind="unsaved", message=str(error))
            parts = []
        except within.Again:
            about.update(ok=False, kind="again")
            parts = []
        except SystemExit as leaving:
            said = None if leaving.code is None or isinstance(leaving.code, int) else str(leaving.code)
            about.update(ok=False, kind="exit", message=repr(leaving), code=exit_code(leaving), said=said)
            parts = []
        except BaseException as error:
            work.show_lines()
            saved, parts = saving.save_error(error, "json" if work.header["results"] == "json" else "pickle")
            about.update(saved, ok=False)
    about["ended"] = time.time()
    if kept.seen:
        about["warnings"] = kept.seen
    return about, parts


def this_run() -> int:
    """Return the number of this run of the job: 1, or more when it was tried again."""
    return int(os.environ.get("JOBFERRY_RUN") or 1)


def exit_code(leaving: SystemExit) -> int:
    """Return the code a process that leaves so ends with."""
    if leaving.code is None:
        return 0
    return leaving.code & 0xFF if isinstance(leaving.code, int) else 1


class _Warnings:
    """Keeps warnings, and shows them as ever."""

    def __init__(self) -> None:
        self.seen: List[List[Any]] = []

    def __enter__(self) -> _Warnings:
        self._shown = warnings.showwarning
        warnings.showwarning = self._keep  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        warnings.showwarning = self._shown

    def _keep(self, message: Any, category: Any, filename: str, lineno: int, *rest: Any) -> None:
        if len(self.seen) < _MOST_WARNINGS:
            self.seen.append([category.__name__, str(message), filename, lineno])
        self._shown(message, category, filename, lineno, *rest)
