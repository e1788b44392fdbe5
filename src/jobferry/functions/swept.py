"""What a sweep runs, and how its tasks become one job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath, PurePosixPath
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.far.commands import run as run_words
from jobferry.functions.arguments import OPTIONS, check_counts, name_of, signature_of
from jobferry.functions.calling import draft_calls
from jobferry.functions.capture import FAR
from jobferry.functions.fingerprint import of_function
from jobferry.functions.parameters import Checker, Params, as_pattern, fill, has_field, read_template
from jobferry.functions.pickling import own_by_value
from jobferry.model.machine import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import Array, Input, parse_input
from jobferry.model.suggest import did_you_mean
from jobferry.options import base_folder
from jobferry.payload import check_inputs
from jobferry.render.tasks import script_of

# a name under which the other side finds it, where our package has another one
run_words.__module__ = f"{FAR}.commands"

Work = Callable[..., object] | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptWork:
    """What a sweep runs: a function, or a command with ``{name}`` for its parameters.

    Attributes:
        words: the command; where it is a line for the shell, that and what runs it.
        is_line: whether it is such a line, in which parameters are quoted.
        fixed: arguments that are the same for all tasks.
        options: options of its jobs.
        chunk: how many tasks share one element of an array.
        limit: how many elements run at a time; None is no limit.
    """

    function: Callable[..., object] | None = None
    words: tuple[str, ...] = ()
    is_line: bool = False
    fixed: Params = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    chunk: int = 1
    limit: int | None = None

    @property
    def title(self) -> str:
        """What it runs, in words."""
        return (
            name_of(self.function) if self.function is not None else " ".join(self.words[2 * self.is_line :])
        )

    @property
    def outputs(self) -> list[str]:
        """What comes home of each task, with ``{name}`` for its parameters."""
        return [str(pattern) for pattern in _texts(self.options.get("outputs"))]

    def digest(self) -> str:
        """Name what it runs: another text of the function, or of what that uses, has another name."""
        if self.function is not None:
            with own_by_value():
                return of_function(self.function)
        return hashlib.sha256(json.dumps([*self.words, *[None] * self.is_line]).encode()).hexdigest()[:32]

    def checker(self) -> Checker:
        """Make what looks parameters over."""
        return Checker(self.function, (*self.words, *self._templates()), self.fixed)

    def draft(self, client: Client, machine: Machine, params: Sequence[Params], name: str) -> JobRecord:
        """Make the job that runs tasks with these parameters; its calls are written here, nothing is sent.

        Raises:
            SpecError: it cannot be run there.
        """
        elements = -(-len(params) // self.chunk)
        options: dict[str, Any] = {
            **self.options,
            "name": name,
            "array": Array(indices=tuple(range(elements)), limit=self.limit),
        }
        shared = self._stage(options, params)
        if self.function is not None or self.chunk > 1:
            calls = [self._call(each) for each in params]
            draft = draft_calls(client, machine, calls, options, chunk=self.chunk, shared=shared)
            return draft if self.function is not None else _of_commands(draft)
        script = script_of(map(self.filled, params), folders=shared is not None, shared=shared or ())
        return client.draft(machine, script, options)

    def check(self, client: Client, machine: Machine, params: Sequence[Params]) -> None:
        """Look whether commands with these parameters can be run there; nothing is written.

        Raises:
            SpecError: they cannot.
        """
        options = dict(self.options)
        self._stage(options, params)
        indices = tuple(range(-(-len(params) // self.chunk)))
        options["array"] = Array(indices=indices, limit=self.limit)
        check_inputs(client.draft(machine, ["true"], options).spec)

    def _call(self, params: Params) -> tuple[Callable[..., object], Sequence[Any], Params]:
        if self.function is not None:
            return self.function, (), params
        return run_words, (self.filled(params),), {}

    def filled(self, params: Params) -> list[str]:
        """Write the command of a task, word by word."""
        return [fill(word, params, quoted=self.is_line) for word in self.words]

    def _templates(self) -> list[str]:
        return [str(text) for key in ("inputs", "outputs") for text in _texts(self.options.get(key))]

    def _stage(self, options: dict[str, Any], params: Sequence[Params]) -> tuple[str, ...] | None:
        """Give each task a folder of its own where it has files; return what all find there, or None."""
        if not (options.get("inputs") or options.get("outputs")):
            return None
        base = base_folder()
        inputs: list[Input] = []
        shared: list[str] = []
        own: list[Input] = []
        for entry in _texts(options.pop("inputs", None)):
            if isinstance(entry, Input) or not has_field(str(entry)):
                same = entry if isinstance(entry, Input) else parse_input(str(entry), base)
                inputs.append(same)
                shared.append(same.destination.parts[0])
            else:
                own += [read_template(str(entry), each, base) for each in params]
        _check_apart(own, shared)
        for place, each in enumerate(own):
            folder = PurePosixPath(str(place % len(params)))
            inputs.append(replace(each, destination=folder / each.destination))
        options["inputs"] = inputs
        options["outputs"] = [as_pattern(pattern) for pattern in self.outputs]
        options["task_folders"] = self.chunk
        return tuple(dict.fromkeys(shared))


def _of_commands(draft: JobRecord) -> JobRecord:
    assert draft.spec.function is not None
    function = replace(draft.spec.function, commands=True)
    return replace(draft, spec=replace(draft.spec, function=function))


def _texts(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str | PurePath | Input) else list(value)


def _check_apart(own: Sequence[Input], shared: Sequence[str]) -> None:
    """Look whether what each task has and what all of them share can lie in one folder.

    Raises:
        SpecError: one would hide the other.
    """
    for name in shared:
        if name.isdecimal():
            raise SpecError(
                f"an input called {name} would stand where the folder of a task does",
                hint=f"give it another name over there: {name}:NAME",
            )
    for each in own:
        if each.destination.parts[0] in shared:
            raise SpecError(
                f"{each.destination} of one task would lie in an input that all tasks share",
                hint="put it into another folder: PATH:FOLDER/NAME",
            )


def read_work(work: Work, options: Mapping[str, Any], *, chunk: int, limit: int | None) -> SweptWork:
    """Read what is to be swept, and tell its fixed arguments from the options of its jobs.

    Raises:
        SpecError: an option that nothing has, or numbers that make no sense.
    """
    check_counts(tasks_per_job=chunk, concurrency=limit)
    function = work if callable(work) else None
    signature = None if function is None else signature_of(function)
    known = set() if signature is None else set(signature.parameters)
    fixed = {name: value for name, value in options.items() if name in known}
    rest = {name: value for name, value in options.items() if name not in known}
    for name in rest:
        if name == "array":
            raise SpecError("a sweep has an array of its own")
        if name not in OPTIONS:
            raise SpecError(
                f"unknown option of a sweep: {name}{did_you_mean(name, [*OPTIONS, *known])}",
                hint="parameters are in the list of dicts; see jobferry.grid and jobferry.zipped",
            )
    how: dict[str, Any] = {"fixed": fixed, "options": rest, "chunk": chunk, "limit": limit}
    if callable(work):
        return SweptWork(function=work, **how)
    if not any(word.strip() for word in ([work] if isinstance(work, str) else map(str, work))):
        raise SpecError("there is no command", hint="put it after `--`")
    if isinstance(work, str):
        return SweptWork(words=("sh", "-c", work), is_line=True, **how)
    return SweptWork(words=tuple(map(str, work)), **how)
