"""From what people write to a job's specification: one table of options, for Python and for the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from jobferry.errors import SpecError
from jobferry.model.readers import read_resources
from jobferry.model.retry import Retry, parse_retry
from jobferry.model.spec import (
    RESOURCE_NAMES,
    Dependency,
    DependencyKind,
    Input,
    JobSpec,
    parse_array,
    parse_input,
)
from jobferry.model.suggest import did_you_mean
from jobferry.model.warning import parse_warning_signal

Work = str | Path | Iterable[str] | JobSpec
"""What is to be run: shell text, a script file, a program with its arguments, or a whole specification."""


def make_spec(work: Work, options: Mapping[str, Any]) -> JobSpec:
    """Build a specification.

    Args:
        work: a list is a program with its arguments; text is a shell script; a path is a script file.
        options: resources and fields of `JobSpec`, as text or typed; None and empty stand for not given.

    Raises:
        SpecError: an unknown option, or a value that cannot be read.
    """
    given = {name: value for name, value in options.items() if value not in (None, (), [], {}, "")}
    resources = {name: given.pop(name) for name in RESOURCE_NAMES if name in given}
    fields = {}
    for name, value in given.items():
        reader = FIELDS.get(name)
        if reader is None:
            raise SpecError(f"unknown option: {name}{did_you_mean(name, [*FIELDS, *RESOURCE_NAMES])}")
        fields[_FIELD_OF.get(name, name)] = reader(value)
    asked = read_resources(resources)
    if isinstance(work, JobSpec):
        return replace(work, resources=asked.over(work.resources), **fields)
    return JobSpec(**{**_work(work), "resources": asked, **fields})


def _work(work: str | Path | Iterable[str]) -> dict[str, Any]:
    if isinstance(work, str):
        return {"script": work}
    if isinstance(work, Path):
        return {"script": read_script(work), "name": work.name.split(".")[0] or "job"}
    words = tuple(str(word) for word in work)
    if not words:
        raise SpecError("there is no command", hint="put it after `--`")
    return {"command": words, "name": _name_of(words[0])}


def _name_of(program: str) -> str:
    # a name goes into file names and directives, so it is kept plain
    plain = "".join(char if char.isalnum() or char in "._-" else "-" for char in PurePosixPath(program).name)
    return plain.strip("-")[:40] or "job"


def read_script(path: Path) -> str:
    """Read a script's text.

    Raises:
        SpecError: it cannot be read, or is a template, which must be rendered first.
    """
    if path.suffix == ".j2":
        raise SpecError(f"a template, not a script: {path}", hint="render it to a script first")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"the script cannot be read: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"not a script: {path} is not text") from error


def _lines(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _pairs(value: Mapping[str, Any] | Iterable[str]) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(name): str(text) for name, text in value.items()}
    pairs = {}
    for entry in _lines(value):
        name, equals, text = entry.partition("=")
        if not equals or not name:
            raise SpecError(f"not of the form NAME=VALUE: {entry!r}")
        pairs[name] = text
    return pairs


def base_folder() -> Path:
    """Return where relative paths of inputs begin."""
    return Path.cwd()


def _inputs(value: str | Path | Iterable[str | Path | Input]) -> tuple[Input, ...]:
    entries = [value] if isinstance(value, str | Path) else list(value)
    base = base_folder()
    return tuple(entry if isinstance(entry, Input) else parse_input(str(entry), base) for entry in entries)


def _dependencies(value: object) -> tuple[Dependency, ...]:
    entries = value if isinstance(value, list | tuple) else [value]
    return tuple(entry if isinstance(entry, Dependency) else _dependency(entry) for entry in entries)


def _dependency(entry: object) -> Dependency:
    # a job's handle is named by its id
    text = str(getattr(entry, "id", entry))
    job_id, colon, kind = text.partition(":")
    if colon and kind not in DependencyKind.__members__.values():
        raise SpecError(f"not a kind of dependency: {kind!r}", hint="use afterok, afterany or afternotok")
    return Dependency(job_id=job_id, kind=DependencyKind(kind) if kind else DependencyKind.AFTEROK)


def _retry(value: str | Iterable[str] | Mapping[str, str]) -> Retry:
    """Read ``CAUSE[:N[:GROWTH]]``, one or several, or a mapping of causes to the rest of it."""
    if isinstance(value, Mapping):
        entries = [f"{cause}:{rule}" for cause, rule in value.items()]
    else:
        entries = list(_lines(value))
    return dict(map(parse_retry, entries))


FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "name": str,
    "arguments": _lines,
    "environment": _pairs,
    "env": _pairs,
    "setup": _lines,
    "teardown": _lines,
    "launcher": str,
    "inputs": _inputs,
    "outputs": _lines,
    "task_folders": int,
    "directory": PurePosixPath,
    "array": lambda value: parse_array(value) if isinstance(value, str) else value,
    "after": _dependencies,
    "signal": lambda value: parse_warning_signal(value) if isinstance(value, str) else value,
    "retry": _retry,
    "labels": _pairs,
    "native": _lines,
}
_FIELD_OF = {"env": "environment", "after": "dependencies"}
