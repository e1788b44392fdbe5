"""Sweeps begun, or found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.functions import sweep_rows
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
