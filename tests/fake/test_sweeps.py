"""Sweeps on a batch system that errs when it is told to."""

from __future__ import annotations

import pytest

import jobferry as jf
from jobferry.errors import SchedulerBusy, SubmitRefused
from jobferry.testing import Fault
from tests.fake.conftest import Site

WORDS = ["sh", "-c", "echo {a} >>$LOG"]


def test_sweep_that_was_refused_is_submitted_anew(site: Site) -> None:
    site.cluster.inject(
        Fault.REFUSED, "sbatch", times=1, words="Requested node configuration is not available"
    )
    sweep = site.machine.sweep(WORDS, name="r", env={"LOG": str(site.counter)}).add(jf.grid(a=[1, 2]))

    with pytest.raises(SubmitRefused):
        sweep.submit()
    sweep.submit().wait()

    assert 1 == len(sweep.jobs)
    assert ["1", "2"] == sorted(site.counter.read_text().split())


def test_sweep_without_an_answer_is_found_and_not_submitted_twice(site: Site) -> None:
    points = jf.grid(a=[1, 2])
    site.cluster.inject(Fault.ACCEPTED_THEN_FAILED, "sbatch", times=1)

    with pytest.raises(SchedulerBusy):
        site.machine.sweep(WORDS, points, name="r", env={"LOG": str(site.counter)})
    again = site.machine.sweep(WORDS, points, name="r", env={"LOG": str(site.counter)})
    again.wait()

    assert 1 == len(again.jobs)
    assert ["1", "2"] == sorted(site.counter.read_text().split())


def test_sweep_above_the_largest_array_goes_in_parts(idle: Site) -> None:
    sweep = idle.machine.sweep(["true"], jf.grid(a=range(1500)), name="parts")

    numbers = [len(entry.tasks) for entry in sweep.jobs[0].record.submissions]

    assert [1001, 499] == numbers
