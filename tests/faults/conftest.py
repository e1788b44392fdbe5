"""The bench's fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobferry.testing import FakeCluster
from tests.faults.bench import Bench, Figures
from tests.faults.summary import FIGURES


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Figures that are told at the end of the run."""
    found = Figures()
    yield found
    room = request.path.stem
    # also from another process: what a report carries reaches whoever writes the closing lines
    request.node.user_properties.append((FIGURES, {"room": room, "counts": found.counts}))


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
