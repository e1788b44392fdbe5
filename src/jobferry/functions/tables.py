"""A sweep as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from jobferry.errors import SpecError
from jobferry.functions.sweep_task import SweepTask


def to_records(tasks: Iterable[SweepTask]) -> list[dict[str, Any]]:
    """Return one dict a task: its parameters, how it stands, what it returned, in words what it raised.

    A parameter that has the name of one of these is called ``param_state`` and so on.
    """
    return [_record(task) for task in tasks]


def _record(task: SweepTask) -> dict[str, Any]:
    error = task.exception() if task.has_ended else None
    result = task.result() if task.has_ended and error is None else None
    words = None if error is None else f"{type(error).__name__}: {error}"
    outcome = {"state": task.state.value, "result": result, "error": words}
    params = {f"param_{name}" if name in outcome else name: value for name, value in task.params.items()}
    return {**params, **outcome}


class Tabular(ABC):
    """What can be shown as a table."""

    @abstractmethod
    def to_records(self) -> list[dict[str, Any]]:
        """Return one dict a row."""

    def to_pandas(self) -> Any:
        """Return `to_records` as a pandas DataFrame; pandas must be installed here."""
        return _module("pandas").DataFrame(self.to_records())

    def to_polars(self) -> Any:
        """Return `to_records` as a polars DataFrame; polars must be installed here."""
        # the type of a column is told by all of its values, and not by the first hundred
        return _module("polars").DataFrame(self.to_records(), infer_schema_length=None, strict=False)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpecError(
            f"{name} is not installed here", hint=f"pip install {name}, or use to_records()"
        ) from error
