"""Sweeps begun, or found again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.functions import sweep_rows
from jobferry.functions.parameters import key_of
from jobferry.functions.sweep import Parameters, Sweep
from jobferry.functions.swept import Work, read_work
from jobferry.machine_handle import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStyle:
    """How a sweep is run; see ``Machine.sweep``."""

    name: str | None = None
    limit: int | None = None
    chunk: int = 1
    force: bool = False


def sweep(
    client: Client,
    machine: Machine,
    work: Work | None,
    params: Parameters | None,
    options: Mapping[str, Any],
    how: SweepStyle,
) -> Sweep:
    """Begin a sweep or find it again, and submit what is new of its parameters; see ``Machine.sweep``."""
    if not (isinstance(how.name, str | None) and isinstance(params, Iterable | None)):
        raise SpecError("a sweep's name is a text, and its parameters are a list of dicts")
    if work is None and how.name is None:
        raise SpecError("a sweep needs what it runs, or the name of one that is there")
    if work is None and (params is not None or options):
        raise SpecError("parameters and options need what they are for", hint="name what it runs, too")
    read = None if work is None else read_work(work, options, chunk=how.chunk, limit=how.limit)
    checked = None
    if read is not None and params is not None:
        # looked over before anything is written: a sweep that cannot be is not begun
        checked = [params] if isinstance(params, Mapping) else list(params)
        checker = read.checker()
        for each in checked:
            checker.check(each)
    row = sweep_rows.open_row(client, machine, how.name, read, force=how.force)
    found = Sweep(client, machine, row, read)
    return found if checked is None else found.add(checked).submit()


def preview(
    machine: Machine,
    words: Sequence[str],
    params: Iterable[Mapping[str, Any]],
    *,
    name: str | None = None,
    concurrency: int | None = None,
    tasks_per_job: int = 1,
    force: bool = False,
    **options: Any,
) -> list[list[str]]:
    """Write the command of each task that a sweep of commands would submit; nothing is connected or stored.

    Raises:
        SpecError: it cannot be run there, or the sweep of that name runs something else.
    """
    client = machine.opened_client
    work = read_work(words, options, chunk=tasks_per_job, limit=concurrency)
    checker = work.checker()
    sets = {key_of(given): given for given in map(checker.check, params)}
    for key in sweep_rows.known_keys(client, machine, name, work, force=force):
        sets.pop(key, None)
    if sets:
        work.check(client, machine, list(sets.values()))
    return [work.filled(given) for given in sets.values()]
