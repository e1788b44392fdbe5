"""From a call to a job: looked over, packed, submitted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError, TransferError
from jobferry.functions import interpreters
from jobferry.functions.arguments import STYLE, has_parameter, name_of, split_options
from jobferry.functions.capture import plain
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.packing import Call, Packed, pack
from jobferry.functions.style import Style
from jobferry.model.machine import Machine, PythonFacts
from jobferry.model.record import JobRecord
from jobferry.model.retry import parse_retry
from jobferry.model.spec import Dependency, DependencyKind, JobSpec
from jobferry.model.warning import WarningSignal
from jobferry.options import make_spec
from jobferry.staging.progress import Progress

# a callable that can save its work is warned so long before the end, and started again so often
_WARN_AT_MOST = timedelta(seconds=120)
_WARN_PART = 4
_AGAIN = "TIMEOUT:3:same"


def call(
    client: Client,
    machine: Machine,
    function: Callable[..., object],
    args: Sequence[Any],
    given: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> FunctionJob:
    """Submit one call.

    Args:
        given: the function's arguments by name, options of the job, and ``progress``, told of bytes on their
            way, unless that is an argument of the function.
        options: options of the job that were given before; none of them is the function's.

    Raises:
        SpecError: it cannot be made there; nothing was sent.
    """
    if not callable(function):
        raise SpecError(f"{function!r} is no function")
    progress, rest = None, dict(given)
    if "progress" in rest and not has_parameter(function, "progress"):
        progress = rest.pop("progress")
    kwargs, named = split_options(function, args, rest)
    return submit_calls(
        client, machine, [(function, args, kwargs)], {**(options or {}), **named}, progress=progress
    )


def submit_calls(
    client: Client,
    machine: Machine,
    calls: Sequence[Call],
    options: Mapping[str, Any],
    *,
    progress: Progress | None = None,
) -> FunctionJob:
    """Submit calls as one job: one call, or an array of many."""
    draft = draft_calls(client, machine, calls, options)
    return FunctionJob(send(client, machine, draft, progress=progress), client)


def send(
    client: Client, machine: Machine, draft: JobRecord, *, progress: Progress | None = None
) -> JobRecord:
    """Submit a draft of calls; where it finds no place, the Python over there is asked anew next time."""
    assert draft.spec.function is not None
    try:
        return client.submit(machine, [draft], progress=progress)[0]
    except TransferError:
        interpreters.forget(client.open(machine))
        raise


def draft_calls(
    client: Client,
    machine: Machine,
    calls: Sequence[Call],
    options: Mapping[str, Any],
    *,
    chunk: int = 1,
    shared: tuple[str, ...] | None = None,
) -> JobRecord:
    """Pack calls and make their job's record; nothing is sent or stored but the file with the calls.

    Args:
        chunk: how many of them a task of an array runs.
        shared: where each call works in a folder of its own, what all are to find there; else None.

    Raises:
        SpecError: they cannot be made there.
    """
    spec = outline(client, machine, calls[0][0], options)
    style = Style(
        serialiser=str(options.get("serialiser") or "auto"),
        trusted=machine.trusted,
        chunk=chunk,
        is_array="array" in options,
        folders=shared is not None,
        shared=shared or (),
        processors=machine.resources(spec.resources).cpus_per_task,
    )
    facts = python_of(client, machine, spec)
    packed = pack(calls, facts, style, client.store.calls)
    try:
        return client.draft(machine, _filled(spec, packed, machine), {})
    except BaseException:
        client.store.calls.remove(packed.function)
        raise


def outline(
    client: Client, machine: Machine, function: Callable[..., object], options: Mapping[str, Any]
) -> JobSpec:
    """Describe the job of a function as far as its options go; what runs in it is to be filled in.

    Raises:
        SpecError: an option that cannot be read, or cannot be honoured there.
    """
    named = {"name": _plain_name(function), **{k: v for k, v in options.items() if k not in STYLE}}
    spec = make_spec(["true"], named)
    if can_checkpoint(function):
        spec = _with_warning(spec, machine)
    client.draft(machine, spec, {})
    return spec


def can_checkpoint(function: Callable[..., object]) -> bool:
    """Whether a callable can save its work when its time is nearly over."""
    return callable(getattr(plain(function), "checkpoint", None))


def python_of(client: Client, machine: Machine, spec: JobSpec) -> PythonFacts:
    """Tell what Python a job will find over there."""
    return interpreters.ask(client.open(machine), spec.setup, spec.environment)


def _filled(spec: JobSpec, packed: Packed, machine: Machine) -> JobSpec:
    function = replace(packed.function, interpreter=interpreters.interpreter_of(machine))
    waited = (*spec.dependencies, *_awaited(packed.awaited, [d.job_id for d in spec.dependencies]))
    return replace(spec, command=(), function=function, dependencies=waited)


def _awaited(jobs: Mapping[str, bool], named: Iterable[str]) -> list[Dependency]:
    """Make the results among the arguments what the job waits for.

    Of an array one task may be wanted and another have failed: so its end is waited for, not its success.
    """
    kinds = {True: DependencyKind.AFTERANY, False: DependencyKind.AFTEROK}
    known = set(named)
    return [Dependency(job_id=id, kind=kinds[task]) for id, task in jobs.items() if id not in known]


def _with_warning(spec: JobSpec, machine: Machine) -> JobSpec:
    limit = machine.resources(spec.resources).time
    if spec.signal is None and limit is not None:
        # in whole seconds, as batch systems take it
        before = max(1, min(_WARN_AT_MOST, limit / _WARN_PART).seconds)
        spec = replace(spec, signal=WarningSignal(name="USR2", before=timedelta(seconds=before)))
    return replace(spec, retry={**dict([parse_retry(_AGAIN)]), **spec.retry})


def _plain_name(function: Callable[..., object]) -> str:
    last = name_of(function).rpartition(".")[2]
    return re.sub(r"[^A-Za-z0-9_-]+", "", last, flags=re.ASCII)[:40] or "call"
