"""Fifty jobs in one request, over a link that breaks at a chosen byte."""

from __future__ import annotations

import pytest

from tests.faults.bench import Bench
from tests.faults.breaks import Break, Kind, Side
from tests.faults.points import between, frames, sample
from tests.faults.test_cut_submit import THEN, break_at_each, many, traffic_of

pytestmark = pytest.mark.timeout(600)

COUNT = 50


def test_fifty_jobs_run_once_each_wherever_the_answer_is_cut(bench: Bench) -> None:
    traffic = traffic_of(bench, many(bench, COUNT))
    points = sample(frames(traffic, Side.OUT), 1) + between(traffic, Side.OUT, 1)

    plans = [Break(kind=Kind.CUT, side=Side.OUT, at=at, **THEN["again"]) for at in points]
    break_at_each(bench, many(bench, COUNT), plans)

    assert {} == bench.figures.faults


def test_fifty_jobs_run_once_each_wherever_the_request_is_cut(bench: Bench) -> None:
    traffic = traffic_of(bench, many(bench, COUNT))
    total = len(traffic.sides[Side.IN])
    # all of it has arrived, and nobody knows; or the last bytes have not
    plans = [Break(kind=Kind.CUT, side=Side.IN, at=at, **THEN["again"]) for at in (total - 1, total)]
    points = frames(traffic, Side.IN)[:-4] + between(traffic, Side.IN, 6)
    plans += [Break(kind=Kind.CUT, side=Side.IN, at=at, **THEN["refused"]) for at in sample(points, 10)]
    broken = break_at_each(bench, many(bench, COUNT), plans)

    assert {} == bench.figures.faults
    assert len(plans) == broken
