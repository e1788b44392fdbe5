"""A far side whose disk is full or whose clock is wrong, and a full disk at home."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jobferry.errors import JobferryError
from jobferry.model.status import JobState
from jobferry.testing import FakeCluster
from tests.faults.bench import Bench, Figures
from tests.faults.points import sample
from tests.faults.test_cut_cancel import Running
from tests.faults.test_cut_fetch import Outputs, carry_on
from tests.faults.test_cut_parts import leave_failed, leave_waiting, prime
from tests.rigs.sshd import is_root

pytestmark = pytest.mark.timeout(300)

SIZE = 512 * 1024
PAGE = 4096


class Disk:
    """A small file system, which can be filled."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    def fill(self, left: int = 0) -> None:
        """Leave so many bytes free."""
        size = shutil.disk_usage(self.place).free - left
        self._filler.write_bytes(b"x" * max(0, size // PAGE * PAGE))

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def mounted(place: Path) -> Iterator[Disk]:
    if not is_root():
        pytest.skip("only root can mount a small disk")
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def small(tmp_path: Path, figures: Figures, disk: Disk) -> Iterator[Bench]:
    """A bench whose machine has its root on the small disk."""
    with FakeCluster(tmp_path / "cluster") as cluster:
        made = Bench(tmp_path, cluster, figures, root=str(disk.place / "root"))
        yield made
        made.hang_up()


def judge_honest(bench: Bench) -> None:
    """Count lies: a job for which there was no room may fail, if it did not run and that is what is said."""
    for record in bench.find():
        bench.figures.jobs += 1
        runs, name = bench.runs(record.spec.name), record.spec.name
        words = f"{name} [{bench.tries[name].where}]: {record.state} ({record.status.reason}), {runs} runs"
        if runs > 1:
            bench.figures.duplicates.append(words)
        elif not record.state.final or (not runs and record.state is not JobState.FAILED):
            bench.figures.lost.append(words)
        elif runs and record.state is not JobState.COMPLETED:
            bench.figures.wrong.append(words)


def test_submission_to_a_disk_that_fills_up_at_any_stage_is_no_half_job(small: Bench, disk: Disk) -> None:
    for left in sample([pages * PAGE for pages in range(14)], 14):
        key = f"k{left:06}"
        _, machine = small.connect()
        disk.fill(left)
        small.attempt(key, f"{left} bytes left", lambda: machine.submit(small.counted(key), name=key))  # noqa: B023
        small.wait_until_idle()
        disk.free()
    small.carry_on()
    judge_honest(small)

    assert {} == small.figures.faults
    told = [tried.error is not None for tried in small.tries.values()]
    assert {True, False} == set(told)


def test_disk_that_fills_up_while_the_batch_system_answers_costs_nothing(small: Bench, disk: Disk) -> None:
    sbatch = small.cluster.bin / "sbatch"
    begin, _, rest = sbatch.read_text().partition("\n")
    fill = f"head -c {SIZE} /dev/zero >{disk.place}/filler 2>/dev/null"
    sbatch.write_text(f"{begin}\n[ -e {disk.place}/filler ] || {fill}\n{rest}")
    _, machine = small.connect()

    tried = small.attempt("k0000", "full", lambda: machine.submit(small.counted("k0000"), name="k0000"))
    small.wait_until_idle()
    sbatch.write_text(f"{begin}\n{rest}")
    disk.free()
    small.carry_on()
    judge_honest(small)

    assert tried.error is None
    assert {} == small.figures.faults


def test_disk_that_fills_up_under_a_job_does_not_change_what_became_of_it(small: Bench, disk: Disk) -> None:
    running = Running(small, 3)
    small.figures.points += 3
    disk.fill()
    running.gate.touch()
    small.wait_until_idle()
    disk.free()

    small.carry_on()
    small.judge()

    assert {} == small.figures.faults


def test_disk_that_fills_up_at_home_leaves_no_half_of_an_output(bench: Bench, disk: Disk) -> None:
    outputs = Outputs(bench, SIZE // 2)
    for number, left in enumerate([0, PAGE, 2 * PAGE, 10 * PAGE, 40 * PAGE]):
        to = disk.place / f"home{number}"
        disk.fill(left)
        client, _ = bench.connect()
        tried = bench.attempt(f"h{number}", f"{left} bytes left", lambda: outputs.fetch(client, to))  # noqa: B023
        found = outputs.spoilt(to, all_of_it=False)
        disk.free()
        found += carry_on(lambda: outputs.fetch(client, to)) + outputs.spoilt(to, all_of_it=True)  # noqa: B023
        bench.figures.spoilt += [f"{left} bytes left: {words}" for words in found]
        shutil.rmtree(to)
        bench.hang_up()
        assert isinstance(tried.error, JobferryError)

    assert {} == bench.figures.faults


# -- the clock over there


@pytest.fixture(params=["-30 hours", "+30 hours"])
def astray(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """A bench whose far side has a wrong clock."""
    date = shutil.which("date")
    wrapper = bench.cluster.bin / "date"
    wrapper.write_text(f'#!/bin/sh\nexec {date} -d "{request.param}" "$@"\n')
    wrapper.chmod(0o755)
    return bench


def test_wrong_clock_over_there_decides_nothing(astray: Bench) -> None:
    _, machine = astray.connect()
    for number in range(3):
        key = f"k{number:04}"
        astray.attempt(key, "wrong clock", lambda: machine.submit(astray.counted(key), name=key))  # noqa: B023
    astray.attempt(
        "array", "wrong clock", lambda: machine.submit(astray.counted("array"), name="array", array="0-2")
    )

    astray.carry_on()
    astray.judge()

    assert {} == astray.figures.faults


def test_wrong_clock_over_there_neither_ends_nor_keeps_a_job(astray: Bench) -> None:
    running = Running(astray, 2)
    astray.figures.points += 2
    astray.hang_up()
    client, _ = astray.connect()
    astray.clock.advance(3600)

    seen = {record.state for record in client.refresh(client.store.find(), force=True)}
    client.cancel([client.store.get(running.jobs[0].id)])
    running.gate.touch()
    astray.carry_on()

    assert {JobState.RUNNING} == seen
    states = {record.spec.name: record.state for record in astray.find()}
    assert JobState.CANCELLED is states["k0000"] or astray.runs("k0000", "end")
    assert JobState.COMPLETED is states["k0001"]


def test_disk_that_is_full_when_a_waiting_job_is_sent_leaves_it_waiting(small: Bench, disk: Disk) -> None:
    left = leave_waiting(small, "k0000")
    small.figures.points += 1
    disk.fill()
    client, _ = small.connect()
    with suppress(JobferryError):
        client.refresh([client.store.get(left)])

    disk.free()
    small.carry_on()
    small.judge()

    assert {} == small.figures.faults


def test_disk_that_is_full_when_a_job_is_tried_again_costs_no_attempt(small: Bench, disk: Disk) -> None:
    prime(small, leave_waiting)
    left = leave_failed(small, "k0000")
    small.figures.points += 1
    small.clock.advance(1)
    disk.fill()
    client, _ = small.connect()
    with suppress(JobferryError):
        client.refresh([client.store.get(left)])

    disk.free()
    small.carry_on()
    small.judge()

    assert {} == small.figures.faults
