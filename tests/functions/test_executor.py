"""The executor does what `concurrent.futures` says, with jobs for workers."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobferry as jf
from jobferry.errors import JobFailed, JobferryError, SpecError
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState


def multiply(a: int, b: int) -> int:
    if a == 13:
        raise ValueError(a)
    return a * b


@pytest.fixture
def executor(here: Machine) -> Iterator[jf.Executor]:
    with jf.Executor(here, time="5m") as made:
        yield made


def test_map_is_one_array_and_in_order(here: Machine, executor: jf.Executor) -> None:
    assert [4, 10, 18] == list(executor.map(multiply, [1, 2, 3], [4, 5, 6], timeout=60))
    assert [3] == [len(job.tasks) for job in here.jobs()]


def test_single_call_is_a_plain_job(here: Machine, executor: jf.Executor) -> None:
    assert 42 == executor.submit(multiply, 6, b=7).result(60)
    assert [{}] == [job.tasks for job in here.jobs()]


def test_different_functions_share_an_array(here: Machine, executor: jf.Executor) -> None:
    first, second = executor.submit(multiply, 2, 3), executor.submit(len, "abc")
    third = executor.submit(lambda: [1])

    assert (6, 3, [1]) == (first.result(60), second.result(60), third.result(60))
    assert 1 == len(here.jobs())


def test_exceptions_come_through_the_future(executor: jf.Executor) -> None:
    good, bad = executor.submit(multiply, 1, 1), executor.submit(multiply, 13, 1)

    assert isinstance(bad.exception(60), ValueError)
    with pytest.raises(ValueError, match="13"):
        bad.result()
    assert 1 == good.result(60)
    with pytest.raises(JobFailed, match="SystemExit"):
        executor.submit(sys.exit, 2).result(60)


def test_as_completed_and_wait_know_these_futures(executor: jf.Executor) -> None:
    futures = {executor.submit(multiply, number, 2): number for number in range(4)}

    assert {0, 2, 4, 6} == {future.result() for future in cf.as_completed(futures, timeout=60)}
    assert not cf.wait(futures, timeout=60).not_done


def test_cancelled_before_it_is_sent_it_is_never_sent(here: Machine) -> None:
    executor = jf.Executor(here)
    future = executor.submit(multiply, 1, 1)

    assert future.cancel()
    executor.shutdown()

    assert future.cancelled()
    assert [] == here.jobs()
    assert future in cf.wait([future], timeout=1).done


def test_cancel_ends_the_job_over_there(here: Machine) -> None:
    blocker = here.submit(["sleep", "600"])
    with jf.Executor(here, after=blocker) as executor:
        future = executor.submit(multiply, 1, 1)
        wait_for_jobs(here, 2)
        assert future.cancel()

    assert JobState.CANCELLED is here.jobs()[-1].state
    blocker.cancel()


def test_cancelled_task_of_an_array_does_not_begin(here: Machine, tmp_path: Path) -> None:
    def touch(name: str, seconds: float) -> str:
        (tmp_path / name).touch()
        time.sleep(seconds)
        return name

    with jf.Executor(here, concurrency=1) as executor:
        first = executor.submit(touch, "first", 3)
        second = executor.submit(touch, "second", 0)
        third = executor.submit(touch, "third", 0)
        while not first.running():
            assert not first.done()
            time.sleep(0.05)
        assert second.cancel()
        assert not first.cancel()
        assert ("first", "third") == (first.result(60), third.result(60))

    assert not (tmp_path / "second").exists()
    assert JobState.CANCELLED is here.jobs()[0].tasks[1].state


def test_shutdown_takes_no_more_and_waits(here: Machine) -> None:
    executor = jf.Executor(here)
    future = executor.submit(multiply, 2, 2)
    executor.shutdown(wait=True)

    assert future.done()
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(multiply, 1, 1)


def test_shutdown_can_cancel_what_is_left(here: Machine) -> None:
    blocker = here.submit(["sleep", "600"])
    executor = jf.Executor(here, after=blocker)
    futures = [executor.submit(multiply, number, 1) for number in range(2)]
    wait_for_jobs(here, 2)
    executor.shutdown(wait=True, cancel_futures=True)

    assert all(future.cancelled() for future in futures)
    assert JobState.CANCELLED is here.jobs()[-1].state
    blocker.cancel()


def test_wrong_arguments_and_options_are_refused_at_once(here: Machine, executor: jf.Executor) -> None:
    with pytest.raises(SpecError, match="missing a required argument"):
        executor.submit(multiply, 1)  # type: ignore[call-arg]
    with pytest.raises(SpecError, match="did you mean 'time'"):
        jf.Executor(here, tme="5m")
    for options in ({"mem": "4 apples"}, {"concurrency": 0}, {"tasks_per_job": 1.5}, {"array": "0-3"}):
        with pytest.raises(SpecError):
            jf.Executor(here, **options)
    with pytest.raises(SpecError, match="by its name or handle"):
        jf.Executor(3)  # type: ignore[arg-type]


def test_many_calls_in_few_elements(here: Machine) -> None:
    with jf.Executor(here, tasks_per_job=50) as executor:
        futures = [executor.submit(multiply, number, 2) for number in range(100) if number != 13]
        assert [2 * number for number in range(100) if number != 13] == [f.result(60) for f in futures]

    assert sum(len(job.tasks) for job in here.jobs()) <= 10


def test_program_that_ends_at_once_has_sent_its_calls(tmp_path: Path) -> None:
    script = f"""
        import jobferry as jf
        def f(x):
            return x
        m = jf.Machine(name="here", scheduler="direct", root={str(tmp_path / "root")!r})
        jf.Executor(m).submit(f, 7)
        """
    (tmp_path / "s.py").write_text(textwrap.dedent(script))
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "JOBFERRY_STORE": str(tmp_path / "jobs.db"),
    }
    program = [sys.executable, str(tmp_path / "s.py")]
    subprocess.run(program, env=environment, check=True, timeout=60)

    code = "import jobferry as jf; print(jf.job('@last').result(60))"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "7\n" == said.stdout


def test_futures_are_awaited_in_a_running_loop(executor: jf.Executor) -> None:
    async def main() -> list[int]:
        futures = [asyncio.wrap_future(executor.submit(multiply, number, 2)) for number in range(3)]
        return await asyncio.gather(*futures)

    assert [0, 2, 4] == asyncio.run(main())


def wait_for_jobs(machine: Machine, count: int) -> None:
    end = time.monotonic() + 30
    while sum(bool(job.record.native_id) for job in machine.jobs()) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_call_that_cannot_travel_is_no_trouble_of_the_others(here: Machine, executor: jf.Executor) -> None:
    good, bad = executor.submit(multiply, 2, 2), executor.submit(multiply, threading.Lock(), 2)  # type: ignore[arg-type]
    more = executor.submit(multiply, 3, 3)

    assert (4, 9) == (good.result(60), more.result(60))
    assert isinstance(bad.exception(60), SpecError)


def test_argument_that_holds_itself_keeps_nobody_waiting(executor: jf.Executor) -> None:
    loop: list[object] = [1]
    loop.append(loop)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    first, second, third = (executor.submit(len, value) for value in (loop, deep, [1, 2, 3]))

    assert 3 == third.result(60)
    assert all(future.exception(60) is not None or future.result() for future in (first, second))


def test_call_waits_only_for_what_it_uses(here: Machine) -> None:
    slow = here.submit(time.sleep, 30)
    with jf.Executor(here) as executor:
        waits, free = executor.submit(len, [slow]), executor.submit(multiply, 2, 3)

        assert 6 == free.result(20)
        slow.cancel()
        assert isinstance(waits.exception(60), JobferryError)


def test_future_is_no_argument(executor: jf.Executor) -> None:
    first = executor.submit(multiply, 2, 2)

    second = executor.submit(len, [first])

    with pytest.raises(SpecError, match="a future of an executor cannot be an argument"):
        second.result(60)
    assert 4 == first.result(60)


class Saves:
    """Can save its work, and be warned."""

    def __call__(self) -> bool:
        return True

    def checkpoint(self) -> None:
        pass


def test_what_can_be_warned_has_a_job_of_its_own(here: Machine) -> None:
    with jf.Executor(here, time="5m") as executor:
        first, second = executor.submit(multiply, 1, 1), executor.submit(Saves())
        assert (1, True) == (first.result(60), second.result(60))

    assert {None, "USR2"} == {job.record.spec.signal and job.record.spec.signal.name for job in here.jobs()}
