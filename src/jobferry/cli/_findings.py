"""Findings of `check` and `doctor`, told: a table, then what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jobferry.cli import _output


class Finding(Protocol):
    """One thing looked at."""

    @property
    def subject(self) -> str: ...
    @property
    def grade(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def advice(self) -> str | None: ...


def tell(findings: Sequence[Finding], form: str, *, codes: Mapping[str, int], other: int) -> int:
    """Print findings and return the exit code: 0, or that of the first bad one's subject."""
    content = [
        {"subject": entry.subject, "grade": str(entry.grade), "value": entry.value, "advice": entry.advice}
        for entry in findings
    ]
    rows = [(entry.subject, str(entry.grade), entry.value) for entry in findings]
    _output.listing("findings", content, _output.Table(("subject", "grade", "finding"), rows), form)
    advice = [f"  {entry.subject}: {entry.advice}" for entry in findings if entry.advice]
    if form == "table" and advice:
        _output.data("\nwhat to do")
        for line in advice:
            _output.data(line)
    bad = (codes.get(entry.subject, other) for entry in findings if entry.grade == "bad")
    return next(bad, 0)
