"""What a user asks for: a job, its resources, its files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath

from jobferry.errors import SpecError
from jobferry.model.function import FunctionCall
from jobferry.model.retry import Retry
from jobferry.model.warning import WarningSignal
from jobferry.model.words import check_word

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ARRAY_PART = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?", re.ASCII)
_ARRAY_CEILING = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job needs, by the names of sbatch's long options; None leaves it to the machine.

    Attributes:
        mem: bytes per node.
        mem_per_cpu: bytes per CPU.
        time: limit on the wall clock.
        gpu_type: kind of GPU that ``gpus_per_node`` or ``gpus_per_task`` counts.
        exclusive: whether nodes are shared with nobody.
    """

    nodes: int | None = None
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    gpus_per_task: int | None = None
    gpu_type: str | None = None
    mem: int | None = None
    mem_per_cpu: int | None = None
    time: timedelta | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    exclusive: bool | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise SpecError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.mem is not None and self.mem_per_cpu is not None:
            raise SpecError("mem and mem_per_cpu exclude each other", hint="give one of them")
        if self.gpu_type is not None and self.gpus_per_node is None and self.gpus_per_task is None:
            raise SpecError("gpu_type without a number of GPUs", hint="add gpus_per_node or gpus_per_task")
        for name in WORDS:
            check_line(name, getattr(self, name))

    def given(self) -> dict[str, object]:
        """Return the fields that were asked for, in order."""
        return {name: value for name in RESOURCE_NAMES if (value := getattr(self, name)) is not None}

    def over(self, defaults: Resources) -> Resources:
        """Fill what is not asked for from `defaults`."""
        mine = self.given()
        below = defaults.given()
        if "mem" in mine or "mem_per_cpu" in mine:
            below.pop("mem", None)
            below.pop("mem_per_cpu", None)
        if mine.get("exclusive") is False:
            below.pop("exclusive", None)
        return Resources(**{**below, **mine})  # type: ignore[arg-type]


COUNTS = ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task", "gpus_per_node", "gpus_per_task")
WORDS = ("gpu_type", "partition", "account", "qos", "constraint", "reservation")
RESOURCE_NAMES = tuple(entry.name for entry in fields(Resources))


def check_line(name: str, value: object) -> None:
    """Refuse text that could end a directive line or hide in one.

    Raises:
        SpecError: empty, not text, or holds a control character such as a newline.
    """
    if value is None:
        return
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{name} must be a word, not {value!r}")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise SpecError(f"{name} must not hold control characters or newlines: {value!r}")
    check_word(name, value)


class DependencyKind(StrEnum):
    """When a dependent job may start, in Slurm's words."""

    AFTEROK = "afterok"
    AFTERANY = "afterany"
    AFTERNOTOK = "afternotok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Wait for another job; `job_id` is ours, not the batch system's."""

    job_id: str
    kind: DependencyKind = DependencyKind.AFTEROK


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Many tasks of one job.

    Attributes:
        indices: task numbers, ascending, each once.
        limit: how many run at the same time; None is no limit.

    Raises:
        SpecError: numbers of another kind: what is written of it could not be read again.
    """

    indices: tuple[int, ...]
    limit: int | None = None

    def __post_init__(self) -> None:
        """Look the numbers over."""
        if self.limit is not None and not (type(self.limit) is int and 0 < self.limit < 10**9):
            raise SpecError(f"the limit of an array must be a whole number of at least 1, not {self.limit!r}")
        pairs = zip(self.indices, self.indices[1:], strict=False)
        ascend = all(type(index) is int for index in self.indices) and all(a < b for a, b in pairs)
        if not ascend or not self.indices or not 0 <= self.indices[0] <= self.indices[-1] <= _ARRAY_CEILING:
            raise SpecError(
                "an array's indices must be ascending whole numbers, at least one", hint="such as range(10)"
            )


def parse_array(text: str) -> Array:
    """Read task numbers as sbatch writes them: ``0-9%2``, ``0,6,16-32``, ``0-15:4``.

    Raises:
        SpecError: not of that form, empty, or too many.
    """
    body, _, limit = text.strip().partition("%")
    indices: set[int] = set()
    for part in body.split(","):
        match = _ARRAY_PART.fullmatch(part.strip())
        if not match or len(part) > 40:
            raise _bad_array(text)
        first = int(match[1])
        last = int(match[2] or first)
        step = int(match[3] or 1)
        if last < first or step < 1 or last > _ARRAY_CEILING:
            raise _bad_array(text)
        indices.update(range(first, last + 1, step))
    if "%" in text and not re.fullmatch(r"[1-9]\d{0,8}", limit, re.ASCII):
        raise _bad_array(text)
    return Array(indices=tuple(sorted(indices)), limit=int(limit) if limit else None)


def _bad_array(text: str) -> SpecError:
    return SpecError(f"not an array: {text!r}", hint="write it as 0-9, 0-9%2, 0,6,16-32 or 0-15:4")


def format_array(array: Array) -> str:
    """Write task numbers as sbatch reads them, runs joined: ``0-9,12%2``."""
    text = format_indices(array.indices)
    return text if array.limit is None else f"{text}%{array.limit}"


def format_indices(indices: Iterable[int]) -> str:
    """Write ascending numbers with runs joined: ``0-9,12``."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A local file or folder that travels with the job; `destination` is relative to the job's folder."""

    source: Path
    destination: PurePosixPath


def parse_input(text: str, base: Path) -> Input:
    """Read ``PATH[:DEST]``; a relative PATH starts at `base`, DEST at the job's folder.

    Raises:
        SpecError: DEST is absolute or leaves the job's folder.
    """
    path, colon, destination = text.rpartition(":")
    if not colon or _is_drive(path):
        path, destination = text, ""
    source = base / Path(path).expanduser()
    return Input(source=source, destination=inside(destination or source.name or "."))


def _is_drive(path: str) -> bool:
    return os.name == "nt" and len(path) == 1 and path.isalpha()


def inside(text: str) -> PurePosixPath:
    """Read a path that must stay inside the job's folder.

    Raises:
        SpecError: absolute, climbing out with ``..``, or holding a NUL.
    """
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise SpecError(f"not inside the job's folder: {text!r}", hint="give a relative path without ..")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything a job is, apart from the machine it goes to; exactly one of `command`, `script`, `function`.

    Attributes:
        command: program and arguments, run without a shell.
        script: text of a script, run by its own ``#!`` line; its directives are honoured.
        function: calls of Python functions.
        arguments: arguments of `script`.
        environment: variables for the job; values never appear in messages.
        setup: shell lines run before the command; the job fails when one fails.
        teardown: shell lines run after the command, whatever came of it.
        launcher: what starts the command on all tasks, such as ``srun`` or ``mpirun``; a command line.
        inputs: files that travel with the job.
        outputs: shell patterns, relative to the job's folder, of what comes home.
        task_folders: so many calls of each task work in folders of their own, to which `outputs` are
            relative; 0 without such folders.
        directory: folder over there to run in, instead of the job's own.
        retry: the causes after which it is tried again.
        native: flags for the batch system, passed on as they are, last.
    """

    command: tuple[str, ...] = ()
    script: str | None = None
    function: FunctionCall | None = None
    arguments: tuple[str, ...] = ()
    name: str = "job"
    resources: Resources = field(default_factory=Resources)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()
    launcher: str | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    task_folders: int = 0
    directory: PurePosixPath | None = None
    array: Array | None = None
    dependencies: tuple[Dependency, ...] = ()
    signal: WarningSignal | None = None
    retry: Retry = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    native: tuple[str, ...] = ()

    @property
    def output_patterns(self) -> tuple[str, ...]:
        """The patterns of all that comes home, relative to the job's folder."""
        if not self.task_folders:
            return self.outputs
        return tuple(f"[0-9]*/{pattern}" for pattern in self.outputs)

    def __post_init__(self) -> None:
        if bool(self.command) + (self.script is not None) + (self.function is not None) != 1:
            raise SpecError("a job needs a command or a script or a function, and no two of them")
        if self.arguments and self.script is None:
            raise SpecError("arguments belong to a script; put them into the command")
        check_line("name", self.name)
        check_line("launcher", self.launcher)
        for flag in self.native:
            check_line("native", flag)
        for part in (*self.command, *self.arguments, self.script or "", *self.setup, *self.teardown):
            check_word("a command or script", part)
        for pattern in self.outputs:
            inside(pattern)
            check_word("the name of an output", pattern)
        for entry in self.inputs:
            check_word("the name of an input", str(entry.destination))
        _check_environment(self.environment)


def _check_environment(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not _ENVIRONMENT_NAME.fullmatch(name):
            raise SpecError(f"not the name of an environment variable: {name!r}")
        if name.upper().startswith("JOBFERRY_"):
            raise SpecError(f"names that start with JOBFERRY_ are set by the job itself: {name}")
        check_word(f"the value of {name}", value)
