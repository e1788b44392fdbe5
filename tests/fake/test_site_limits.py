"""Sites that ration: calls, jobs, nodes; and jobs that start themselves again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from jobferry.errors import SchedulerBusy
from jobferry.model.status import JobState
from jobferry.testing import FakeCluster
from tests.fake.conftest import Site


class MakeLimited(Protocol):
    def __call__(self, **limits: Any) -> Site: ...


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[MakeLimited]:
    with ExitStack() as stack:

        def make(**limits: Any) -> Site:
            site = Site(tmp_path, stack.enter_context(FakeCluster(tmp_path / "cluster", **limits)))
            stack.callback(site.close)
            return site

        yield make


def test_submissions_that_came_too_often_all_run_once(limited: MakeLimited) -> None:
    site = limited(rate=(5, 0))
    for _ in range(7):
        with suppress(SchedulerBusy):
            site.submit()
    assert site.cluster.refused > 0

    site.cluster.grant(1000)
    for _ in range(6):
        site.clock.advance(60)
        site.client.refresh(site.client.store.find(), force=True)

    assert [JobState.COMPLETED] * 7 == [record.state for record in site.client.store.find()]
    assert (7, 7) == (site.runs, len(site.cluster.jobs))


@pytest.mark.parametrize("accounting", ["on", "off"])
def test_tasks_that_requeue_themselves_are_done_after_their_last_run(
    limited: MakeLimited, accounting: str
) -> None:
    site = limited(accounting=accounting, nodes=("fake1", "fake2"))
    task = "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    script = f'[ "$JOBFERRY_RESTARTS" -eq 2 ] || {{ scontrol requeue {task}; sleep 60; }}'
    site.submit(script, array="0-2")
    site.cluster.wait_for(lambda it: all(job.restarts == 2 for job in it.jobs))
    site.cluster.wait_for_jobs("COMPLETED")

    site.look(after=60)
    record = site.look(after=60)

    assert JobState.COMPLETED is record.state
    assert {0: 2, 1: 2, 2: 2} == {number: task.restarts for number, task in record.tasks.items()}
    assert 9 == site.runs
