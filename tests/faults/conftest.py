"""The bench's fixtures, and its figures in the closing lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jobferry.testing import FakeCluster
from tests.faults.bench import Bench, Figures

_FIGURES = "fault figures"


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Figures that are told at the end of the run."""
    found = Figures()
    yield found
    room = request.path.stem
    if request.node.get_closest_marker("xfail") is not None:
        room = "not mended yet"
    # also from another process: what a report carries reaches whoever writes the closing lines
    request.node.user_properties.append((_FIGURES, {"room": room, "counts": found.counts}))


@pytest.fixture
def bench(tmp_path: Path, figures: Figures) -> Iterator[Bench]:
    """A cluster that starts jobs at once, and a store."""
    with ExitStack() as stack:
        cluster = stack.enter_context(FakeCluster(tmp_path / "cluster"))
        made = Bench(tmp_path, cluster, figures)
        stack.callback(made.hang_up)
        yield made


@pytest.fixture
def idle_bench(tmp_path: Path, figures: Figures) -> Iterator[Bench]:
    """A cluster that starts jobs when it is told to, and a store."""
    with ExitStack() as stack:
        cluster = stack.enter_context(FakeCluster(tmp_path / "cluster", autostart=False))
        made = Bench(tmp_path, cluster, figures)
        stack.callback(made.hang_up)
        yield made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rooms: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, said in report.user_properties:
                if name == _FIGURES:
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
