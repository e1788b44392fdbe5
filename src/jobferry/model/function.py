"""Calls of Python functions, as a job knows them; the calls themselves lie in a file of their own."""

from __future__ import annotations

from dataclasses import dataclass

PYTHON_AT_LEAST = (3, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """One call of a Python function, or many.

    Attributes:
        name: what messages call the function.
        payload: name of the file here that holds the calls, until the job is removed.
        count: how many calls there are.
        chunk: how many of them each task of the job's array runs.
        interpreter: the Python over there, as one would type it.
        runtime: which of the folders over there that run calls is its own; named by what is in it.
        trusted: whether results may be anything; else they are plain data, and nothing of them is run here.
        commands: whether the calls are command lines, whose result is what they print.
    """

    name: str
    payload: str
    count: int = 1
    chunk: int = 1
    interpreter: str = "python3"
    runtime: str = ""
    trusted: bool = True
    commands: bool = False

    def element_of(self, index: int, *, is_array: bool) -> int | None:
        """Tell which task of the job runs a call; None for a job without tasks."""
        return index // self.chunk if is_array else None

    def calls_of(self, element: int | None) -> range:
        """List the calls that a task of the job runs."""
        if element is None:
            return range(self.count)
        return range(element * self.chunk, min((element + 1) * self.chunk, self.count))
