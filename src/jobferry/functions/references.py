"""Handles that stand for results among the arguments of other calls."""

from __future__ import annotations

from typing import NamedTuple

from jobferry.errors import SpecError
from jobferry.job_handle import Job


class Reference(NamedTuple):
    """The result of one call of a job; `is_task` when it is one of many of an array."""

    job_id: str
    call: int
    is_task: bool


def reference(value: object) -> Reference | None:
    """Tell which result a handle stands for; None of anything else.

    Raises:
        SpecError: it is a job without a result.
    """
    found = getattr(type(value), "__jobferry_reference__", None)
    if found is not None:
        result: Reference = found(value)
        return result
    if isinstance(value, Job):
        raise SpecError(
            f"job {value.id} runs a command, so it has no result to hand on",
            hint="name it with after=, and bring what it writes by files",
        )
    return None
