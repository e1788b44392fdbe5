"""The bench's figures in the closing lines of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

FIGURES = "fault figures"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rooms: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, said in report.user_properties:
                if name == FIGURES:
                    rooms.setdefault(said["room"], Counter()).update(said["counts"])
    if not rooms:
        return
    terminalreporter.write_sep("-", "fault bench")
    for room, counts in sorted(rooms.items()):
        terminalreporter.write_line(f"{room}: {_words(counts)}")
    terminalreporter.write_line(f"all: {_words(sum(rooms.values(), Counter()))}")


def _words(counts: Counter[str]) -> str:
    return ", ".join(
        f"{counts[name]} {name}" for name in ("points", "jobs", "duplicates", "lost", "wrong", "spoilt")
    )
