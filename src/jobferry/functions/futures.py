"""Futures of calls that run over there, and who resolves them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from jobferry.errors import JobferryError, ResultError, SpecError, TransportError
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.references import Reference
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState, JobStatus

logger = logging.getLogger(__name__)
T = TypeVar("T")


class RemoteFuture(Future[T]):
    """A future of a call that runs in a job.

    Attributes:
        job: the job that runs it, once it is submitted; of a burst all calls have the same one.
        call: which of the job's calls it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.job: FunctionJob | None = None
        self.call = 0
        self.calls: CallsOfJob | None = None

    def cancel(self) -> bool:
        """Cancel the call unless it is known to have begun; over there it ends when its turn comes."""
        if not super().cancel():
            return False
        # those who wait for it are told now, and not when it has ended over there
        with suppress(InvalidStateError):
            self.set_running_or_notify_cancel()
        if self.calls is not None:
            self.calls.cancel([self])
        return True

    def __jobferry_reference__(self) -> Reference:
        raise SpecError(
            "a future of an executor cannot be an argument",
            hint="hand on its result(), or chain handles of machine.call",
        )

    def begin(self) -> None:
        """Take in that it runs."""
        if not self.running() and not self.done():
            with suppress(InvalidStateError):
                self.set_running_or_notify_cancel()

    def resolve(self, value: Any) -> None:
        """Give it its result; one that was cancelled meanwhile stays so."""
        with suppress(InvalidStateError):
            self.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Give it its exception; one that was cancelled meanwhile stays so."""
        with suppress(InvalidStateError):
            self.set_exception(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A call that waits to be sent."""

    future: RemoteFuture[Any]
    function: Callable[..., object]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


class CallsOfJob:
    """Resolves the futures of one job's calls as these end."""

    def __init__(self, job: FunctionJob, futures: Sequence[RemoteFuture[Any]]) -> None:
        self.job = job
        self._left = dict(enumerate(futures))
        for call, future in self._left.items():
            future.job, future.call, future.calls = job, call, self
        if cancelled := [future for future in futures if future.cancelled()]:
            # while they were on their way
            self.cancel(cancelled)

    @property
    def record(self) -> JobRecord:
        """The job, as last seen."""
        return self.job.record

    @property
    def futures(self) -> list[RemoteFuture[Any]]:
        """Those that are not resolved."""
        return list(self._left.values())

    def see(self, record: JobRecord) -> bool:
        """Resolve what has ended; return whether all is resolved."""
        self.job.see(record)
        states = {call: self._status(call).state for call in self._left}
        for call, state in states.items():
            if state is JobState.RUNNING:
                self._left[call].begin()
        ended = [call for call, state in states.items() if state.final]
        with suppress(ResultError):
            # each of them says so for itself
            self.job.bring(ended)
        for call in ended:
            self._resolve(call, self._left[call])
            del self._left[call]
        return not self._left

    def give_up(self, error: Exception) -> None:
        """Fail all that is left."""
        for future in self.futures:
            future.fail(error)
        self._left.clear()

    def cancel(self, futures: Sequence[RemoteFuture[Any]]) -> None:
        """Cancel calls over there: the job if nobody waits for any of it, else those that have not begun."""
        try:
            if all(future.cancelled() for future in self.futures):
                self.job.cancel()
            elif self.job.outcomes.function.chunk == 1:
                self.job.cancel_tasks([future.call for future in futures])
        except JobferryError as error:
            # here they are cancelled; over there they run for nobody
            logger.warning("%s could not be cancelled: %s", self.job.id, error)

    def _status(self, call: int) -> JobStatus:
        task = self.job.outcomes.task_of(call)
        if task is None or self.record.state.final:
            return self.record.status if task is None else self.record.tasks.get(task, self.record.status)
        return self.record.tasks.get(task, JobStatus())

    def _resolve(self, call: int, future: RemoteFuture[Any]) -> None:
        if future.cancelled():
            return
        try:
            future.resolve(self.job.result_of(call))
        except TransportError:
            # it is there, and is asked for again
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asks the future
            future.fail(error)
