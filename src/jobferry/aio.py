"""The same verbs for asyncio: each awaits what its namesake does, in a thread, and never blocks the loop.

>>> async def main():
...     machine = jobferry.aio.machine("narval")
...     job = await machine.call(multiply, 10, b=7)
...     return await job.result()
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from jobferry import api
from jobferry.client import Client
from jobferry.functions.background import Background
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.references import Reference, reference
from jobferry.functions.sweep import Parameters, Sweep
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine, Output
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from jobferry.options import Work

P = ParamSpec("P")
T = TypeVar("T")

_backgrounds: WeakKeyDictionary[Client, Background] = WeakKeyDictionary()


def machine(name: str | None = None, **overrides: Any) -> AsyncMachine:
    """Return a configured machine; see ``jobferry.machine``."""
    return AsyncMachine(api.machine(name, **overrides))


async def job(job_id: str) -> AsyncJob:
    """Return a job by its id; see ``jobferry.job``."""
    return AsyncJob(await _in_thread(api.job, job_id))


class AsyncMachine:
    """A machine whose verbs are awaited; `machine` is the plain handle."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def call(self, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> AsyncJob:
        """Call a function there; see ``Machine.call``."""
        return AsyncJob(await _in_thread(self.machine.call, function, *args, **kwargs))

    async def submit(self, work: Work | Callable[..., object], *args: Any, **options: Any) -> AsyncJob:
        """Submit a job; see ``Machine.submit``."""
        return AsyncJob(await _in_thread(self.machine.submit, work, *args, **options))

    async def sweep(
        self,
        work: Callable[..., object] | Sequence[str] | None = None,
        params: Parameters | None = None,
        **options: Any,
    ) -> AsyncSweep:
        """Begin a sweep or find it again; see ``Machine.sweep``."""
        return AsyncSweep(await _in_thread(self.machine.sweep, work, params, **options))

    async def exec(self, command: str | Sequence[str], **options: Any) -> Output:
        """Run a command there; see ``Machine.exec``."""
        return await _in_thread(self.machine.exec, command, **options)

    async def put(self, source: str | Path, destination: str = "", **options: Any) -> None:
        """Copy files there; see ``Machine.put``."""
        await _in_thread(self.machine.put, source, destination, **options)

    async def get(self, source: str, destination: str | Path = "", **options: Any) -> None:
        """Copy files from there; see ``Machine.get``."""
        await _in_thread(self.machine.get, source, destination, **options)


class AsyncJob:
    """A job whose verbs are awaited; `job` is the plain handle."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @property
    def id(self) -> str:
        """Our id of it."""
        return self.job.id

    def __jobferry_reference__(self) -> Reference | None:
        return reference(self.job)

    async def wait(self) -> JobState:
        """Wait until it has ended, and say how; many are waited for by one thread."""
        await _ended([self.job])
        return self.job.record.state

    async def result(self) -> Any:
        """Wait for a function's result; see ``FunctionJob.result``."""
        await self.wait()
        if not isinstance(self.job, FunctionJob):
            raise TypeError(f"job {self.id} runs a command, so it has no result")
        return await _in_thread(self.job.result)

    async def stdout(self, task: int | None = None) -> str:
        """Return what it has printed so far."""
        return await _in_thread(self.job.stdout, task)

    async def stderr(self, task: int | None = None) -> str:
        """Return what it has printed on standard error so far."""
        return await _in_thread(self.job.stderr, task)

    async def fetch(self, to: str | Path = ".") -> list[Path]:
        """Bring its outputs home; see ``Job.fetch``."""
        return await _in_thread(self.job.fetch, to)

    async def cancel(self) -> JobState:
        """Cancel it; harmless when it has ended."""
        return await _in_thread(self.job.cancel)


class AsyncSweep:
    """A sweep whose verbs are awaited; `sweep` is the plain handle."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    async def wait(self) -> AsyncSweep:
        """Wait until all its tasks have ended."""
        await _ended(list(self.sweep.jobs))
        return self

    async def results(self, *, return_exceptions: bool = False) -> list[Any]:
        """Wait, and return the results of all tasks in order; see ``Sweep.results``."""
        await self.wait()
        return await _in_thread(self.sweep.results, return_exceptions=return_exceptions)


class _Ending:
    """Resolves a future when a job has ended."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.future: Future[None] = Future()

    @property
    def record(self) -> JobRecord:
        return self._job.record

    def see(self, record: JobRecord) -> bool:
        self._job.see(record)
        if record.state.final:
            # who waited may have been cancelled meanwhile
            with suppress(InvalidStateError):
                self.future.set_result(None)
        return record.state.final or self.future.cancelled()

    def give_up(self, error: Exception) -> None:
        with suppress(InvalidStateError):
            self.future.set_exception(error)


async def _ended(jobs: Sequence[Job]) -> None:
    """Wait until jobs have ended."""
    endings = []
    for each in jobs:
        if not each.record.state.final:
            ending = _Ending(each)
            client = each.client
            if client not in _backgrounds:
                _backgrounds[client] = Background(client)
            _backgrounds[client].add(ending)
            endings.append(asyncio.wrap_future(ending.future))
    await asyncio.gather(*endings)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a thread that nobody waits for when the program ends."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits
            with suppress(InvalidStateError):
                done.set_exception(error)
        else:
            with suppress(InvalidStateError):
                done.set_result(result)

    threading.Thread(target=run, name="jobferry-aio", daemon=True).start()
    return await asyncio.wrap_future(done)
