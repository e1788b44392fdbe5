"""The handle of a job that runs a Python function."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from jobferry.client import Client
from jobferry.control import Controller
from jobferry.dependencies import unmet
from jobferry.errors import JobError, ResultError, TransportError
from jobferry.functions import interpreters
from jobferry.functions.decoding import error_of, value_of, warn_again
from jobferry.functions.outcomes import Outcomes
from jobferry.functions.references import Reference
from jobferry.job_handle import Job, end_error
from jobferry.logs import log_files, read_last
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState

# so many lines of the log come with an exception
_LOG_LINES = 10


class FunctionJob(Job):
    """A job that runs a function; its result can be waited for, and handed on to further calls."""

    def __init__(self, record: JobRecord, client: Client) -> None:
        super().__init__(record, client)
        self.outcomes = Outcomes(client, record)
        """The results of its calls, as far as they are here."""

    def result(self, timeout: float | str | timedelta | None = None) -> Any:
        """Wait for the function's end and return what it returned.

        Args:
            timeout: seconds, or text such as ``10m``.

        Raises:
            Exception: what the function raised, with the traceback from over there as its cause.
            JobFailed: it ended in another way: killed, out of time, or by ``sys.exit``.
            ResultError: what it returned cannot be brought home.
            WaitTimeout: the time is over; the job goes on.
        """
        self.wait(timeout)
        return self.result_of(0)

    def exception(self, timeout: float | str | timedelta | None = None) -> Exception | None:
        """Wait for the function's end and return what it raised; None when it returned.

        Raises:
            WaitTimeout: the time is over; the job goes on.
            TransportError: the machine was not reached.
        """
        self.wait(timeout)
        return self._noted(0, self.exception_of(0))

    def done(self) -> bool:
        """Whether it has ended; asks the machine as often as it may be asked."""
        return self.state.final

    def results(self, timeout: float | str | timedelta | None = None) -> list[Any]:
        """Wait for the end of all calls and return what they returned, in order.

        Raises:
            Exception: as `result`, for the first call that failed.
        """
        self.wait(timeout)
        self.bring()
        return [self.result_of(call) for call in range(self.outcomes.function.count)]

    def bring(self, calls: Any = None) -> None:
        """Bring home the results of calls, or of all that have ended."""
        self.outcomes.see(self.record)
        self.outcomes.bring(calls)

    def result_of(self, call: int) -> Any:
        """Return what one of the calls returned, or raise what it raised; its task must have ended."""
        if (error := self._noted(call, self.exception_of(call))) is not None:
            raise error
        header = self.outcomes.header(call)
        assert header is not None
        value = value_of(header, self.outcomes.parts(call), self.record)
        warn_again(header)
        return value

    def exception_of(self, call: int) -> Exception | None:
        """Return what one of the calls raised, or what else became of it; None when it returned.

        The end of its log, which takes a request of its own, is with what is raised only.
        """
        self.outcomes.see(self.record)
        if not self.outcomes.is_here(call):
            self.outcomes.bring([call])
        header = self.outcomes.header(call)
        if header is None or not self.outcomes.is_here(call):
            return self._without_result(call)
        if header["kind"] == "python":
            # what was known of the Python over there is not so any more
            interpreters.forget(self._client.machine_of(self.record))
        if not header["ok"]:
            return error_of(header, self.outcomes.parts(call), self.record)
        if self.outcomes.function.chunk == 1 and not self._ended_well(call):
            # the function returned, and the job failed all the same: its last lines, or on the way out
            return self._without_result(call)
        return None

    def _ended_well(self, call: int) -> bool:
        task = self.outcomes.task_of(call)
        status = self.record.status if task is None else self.record.tasks.get(task)
        return status is not None and status.state is JobState.COMPLETED

    def cancel_tasks(self, tasks: Sequence[int]) -> None:
        """Let tasks of an array end at once when their turn comes; those that have begun go on."""
        client = self._client
        Controller(client.machine_of(self.record), client.store, client.clock).cancel_tasks(
            self.record, tasks
        )

    def header_of(self, call: int) -> Any:
        """Return what is known of a call's end in the run that counts, such as times; None before that."""
        self.outcomes.see(self.record)
        return self.outcomes.header(call) if self.outcomes.is_here(call) else None

    def is_without_result(self, call: int) -> bool:
        """Whether it is known that a call has ended and did not return."""
        self.outcomes.see(self.record)
        return self.outcomes.is_in_vain(call)

    def _without_result(self, call: int) -> JobError:
        task = self.outcomes.task_of(call)
        status = self.record.status if task is None else self.record.tasks.get(task, self.record.status)
        where = {"machine": self.record.machine.name, "job_id": self.id}
        if not status.state.final:
            return ResultError(f"call {call} of {self.id} has not ended", hint="wait() for it", **where)
        if status.state is JobState.COMPLETED:
            return ResultError(
                f"{self.id} ended well and left no result",
                hint="a function that ends its own process, as by os._exit, returns nothing",
                **where,
            )
        error = end_error(self.record, task)
        if status.failure is Failure.DEPENDENCY:
            error.message = "; ".join((error.message, *unmet(self.record, self._client)))
        return error

    def _noted(self, call: int, error: Exception | None) -> Exception | None:
        """Tell with an exception the end of what its call printed."""
        if error is not None and (log := self._end_of_log(call, self.outcomes.header(call) or {})):
            error.add_note(f"the end of its log:\n{log}")
        return error

    def _end_of_log(self, call: int, header: Any) -> str:
        """Return the last lines that a call printed, without the traceback that is told anyway."""
        if "stdout" in header:
            text = f"{header['stdout']}{header['stderr']}"
        else:
            text = self._read_log(self.outcomes.task_of(call))
        trace = str(header.get("traceback") or "")
        return "\n".join(text.replace(trace, "").rstrip().splitlines()[-_LOG_LINES:]) if text else ""

    def _read_log(self, task: int | None) -> str:
        files = [file for stream in ("stdout", "stderr") for file in log_files(self.record, stream, task)]
        if not self.record.root:
            return ""
        try:
            # a traceback may be longer than what is asked for beside it
            pieces = read_last(self._client.machine_of(self.record), files, 10 * _LOG_LINES)
        except TransportError:
            # the exception itself is here, and is what matters
            return ""
        return b"".join(pieces).decode("utf-8", "replace")

    def __jobferry_reference__(self) -> Reference:
        return Reference(self.id, 0, is_task=False)
