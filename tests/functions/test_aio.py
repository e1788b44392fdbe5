"""The verbs awaited, in a running loop."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

import jobferry as jf
from jobferry import aio
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState

T = TypeVar("T")


def double(x: int) -> int:
    if x == 13:
        raise ValueError(x)
    return 2 * x


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


def test_calls_are_awaited_side_by_side(here: Machine) -> None:
    async def main() -> list[int]:
        machine = aio.AsyncMachine(here)
        jobs = await asyncio.gather(*(machine.call(double, number) for number in range(4)))
        return list(await asyncio.gather(*(job.result() for job in jobs)))

    assert [0, 2, 4, 6] == run(main())


def test_loop_goes_on_meanwhile(here: Machine) -> None:
    async def main() -> int:
        job = await aio.AsyncMachine(here).submit(["sleep", "1"])
        waiting = asyncio.ensure_future(job.wait())
        ticks = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert JobState.COMPLETED is waiting.result()
        return ticks

    assert run(main()) > 20


def test_exceptions_and_sweeps_are_awaited(here: Machine) -> None:
    async def main() -> list[Any]:
        machine = aio.AsyncMachine(here)
        with pytest.raises(ValueError, match="13"):
            await (await machine.call(double, 13)).result()
        with pytest.raises(TypeError, match="runs a command"):
            await (await machine.submit(["true"])).result()
        sweep = await machine.sweep(double, jf.grid(x=[1, 13]))
        return await sweep.results(return_exceptions=True)

    found = run(main())

    assert 2 == found[0]
    assert isinstance(found[1], ValueError)


def test_cancelled_await_leaves_the_job(here: Machine) -> None:
    async def main() -> JobState:
        job = await aio.AsyncMachine(here).submit(["sleep", "600"])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job.wait(), 0.2)
        assert not job.job.state.final
        return await job.cancel()

    run(main())
    assert JobState.CANCELLED is here.jobs()[0].wait(60)


def test_other_verbs_are_awaited(here: Machine, tmp_path: Any) -> None:
    async def main() -> str:
        machine = aio.AsyncMachine(dataclasses.replace(here))
        job = await machine.submit(["sh", "-c", "echo said; echo 1 > out.txt"], outputs=["out.txt"])
        await job.wait()
        await job.fetch(tmp_path / "home")
        assert "said\n" == await job.stdout()
        return (await machine.exec("echo there")).stdout

    assert "there\n" == run(main())
    assert "1\n" == (tmp_path / "home" / "out.txt").read_text()


def test_handles_are_arguments_of_other_calls(here: Machine) -> None:
    async def main() -> int:
        machine = aio.AsyncMachine(here)
        first = await machine.call(double, 4)
        result: int = await (await machine.call(double, first)).result()
        return result

    assert 16 == run(main())
