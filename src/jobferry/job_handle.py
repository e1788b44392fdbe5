"""A job's handle."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobferry.errors import JobError, JobFailed, JobLost, SubmitRefused
from jobferry.logs import LogFile, follow, log_files, read_last, read_whole
from jobferry.model.readers import read_resources
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.units import parse_time
from jobferry.results import fetch
from jobferry.retrying import refusal

if TYPE_CHECKING:
    from jobferry.client import Client
    from jobferry.staging.progress import Progress


class Job:
    """One job, on whatever machine: an id and the client that knows it. Any process can make one."""

    def __init__(self, record: JobRecord, client: Client) -> None:
        self._record = record
        self._client = client

    @property
    def id(self) -> str:
        """Our id, which never changes and is never used again."""
        return self._record.id

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._record.spec.name

    @property
    def native_id(self) -> str | None:
        """The batch system's id, once it has one; not an identity, these are used again."""
        return self._record.native_id

    @property
    def record(self) -> JobRecord:
        """All that is known of it, as last seen."""
        return self._record

    @property
    def client(self) -> Client:
        """The client that knows it."""
        return self._client

    def see(self, record: JobRecord) -> None:
        """Take in what is known of it by now."""
        self._record = record

    @property
    def state(self) -> JobState:
        """How it stands; asks the machine unless it has ended."""
        return self.status.state

    @property
    def status(self) -> JobStatus:
        """How it stands, with cause and times; asks the machine unless it has ended."""
        if not self._record.state.final:
            self._record = self._client.refresh([self._record])[0]
        return self._record.status

    @property
    def exit_code(self) -> int | None:
        """The command's own exit code; None while it runs, and when it did not end by itself."""
        return self.status.exit_code

    @property
    def tasks(self) -> dict[int, JobStatus]:
        """Of an array, how each task stands, as last seen."""
        return dict(self._record.tasks)

    def wait(self, timeout: float | str | timedelta | None = None) -> JobState:
        """Wait until it has ended, and say how.

        Args:
            timeout: seconds, or text such as ``10m``.

        Raises:
            WaitTimeout: the time is over; the job goes on.
        """
        self._record = self._client.wait([self._record], as_duration(timeout))[0]
        return self._record.state

    def check(self) -> None:
        """Raise if it has ended without success.

        Raises:
            JobFailed: with the cause, and the end of what it printed on standard error.
            JobLost: nothing is known of its end.
        """
        status = self.status
        if status.state.final and status.state is not JobState.COMPLETED:
            raise end_error(self._record)

    def stdout(self, task: int | None = None) -> str:
        """Return what it has printed so far; of an array, all tasks' output in order, or one task's."""
        return self._read("stdout", task)

    def stderr(self, task: int | None = None) -> str:
        """Return what it has printed on standard error so far."""
        return self._read("stderr", task)

    def logs(
        self, *, stream: str = "stdout", task: int | None = None, lines: int | None = None
    ) -> Iterator[bytes]:
        """Yield what it has printed, in pieces; with `lines`, only so many at the end."""
        files = log_files(self._record, stream, task)
        if not self._record.root:
            return
        machine = self._client.machine_of(self._record)
        if lines is not None:
            yield from read_last(machine, files, lines)
            return
        for file in files:
            for pieces in read_whole(machine, [file]):
                yield from pieces

    def follow(
        self,
        write: Callable[[LogFile, bytes], None],
        *,
        streams: tuple[str, ...] = ("stdout",),
        task: int | None = None,
        lines: int | None = None,
    ) -> JobState:
        """Hand on what it prints until it has ended; begins `lines` before the present end."""
        self._wait_for_submission()
        machine = self._client.machine_of(self._record)
        files = [file for stream in streams for file in log_files(self._record, stream, task)]
        if lines is not None:
            for file, piece in zip(files, read_last(machine, files, lines), strict=True):
                write(file, piece)

        def look(record: JobRecord) -> JobRecord:
            return self._client.refresh([record])[0]

        self._record = follow(machine, self._record, files, look, write)
        return self._record.state

    def fetch(self, to: str | Path = ".", *, progress: Progress | None = None) -> list[Path]:
        """Bring its outputs home and return their paths; again after a break, only what is missing.

        Raises:
            TransferError: they did not arrive whole.
        """
        self._record, paths = fetch(self._client, self._record, Path(to), progress)
        return paths

    def cancel(self) -> JobState:
        """Cancel it; harmless when it has ended."""
        self._record = self._client.cancel([self._record])[0]
        return self._record.state

    def retry(self, **resources: Any) -> JobState:
        """Start it anew if it has ended without success, of an array only such tasks; each attempt is kept.

        Args:
            resources: what to ask for instead of what it had, as text or typed: ``mem="8G"``.

        Raises:
            SubmitRefused: the batch system did not take it; the job stays as it had ended.
        """
        known = len(self._record.attempts)
        self._record = self._client.retry([self._record], read_resources(resources))[0]
        words = refusal(self._record) if len(self._record.attempts) > known else None
        if words is not None:
            raise SubmitRefused(words, machine=self._record.machine.name, job_id=self.id)
        return self._record.state

    def hold(self) -> None:
        """Keep it from starting."""
        self._record = self._client.hold([self._record])[0]

    def release(self) -> None:
        """Let it start."""
        self._record = self._client.release([self._record])[0]

    def remove(self, *, remote: bool = False) -> None:
        """Forget it, and with `remote` delete its folder over there; it must have ended."""
        if not self._record.state.final:
            # it may have ended since it was last looked at
            self._record = self._client.refresh([self._record])[0]
        self._client.remove([self._record], remote=remote)

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.name!r} on {self._record.machine.name}: {self._record.state.value}>"

    def _read(self, stream: str, task: int | None) -> str:
        return b"".join(self.logs(stream=stream, task=task)).decode("utf-8", "replace")

    def _wait_for_submission(self) -> None:
        while not self._record.state.submitted:
            self._record = self._client.refresh([self._record])[0]
            if not self._record.state.submitted:
                self._client.clock.sleep(1.0)


def open_job(record: JobRecord, client: Client) -> Job:
    """Return the handle that fits a job: one that runs a function has results."""
    if record.spec.function is None:
        return Job(record, client)
    from jobferry.functions.function_job import FunctionJob

    return FunctionJob(record, client)


def as_duration(timeout: float | str | timedelta | None) -> timedelta | None:
    """Read a time to wait: a number is seconds, text is as for a time limit."""
    if timeout is None or isinstance(timeout, timedelta):
        return timeout
    return parse_time(timeout) if isinstance(timeout, str) else timedelta(seconds=timeout)


def end_error(record: JobRecord, task: int | None = None) -> JobError:
    """Make the error that says how a job, or one task of it, ended without success."""
    status = record.status if task is None else record.tasks.get(task, record.status)
    what = record.id if task is None else f"task {task} of {record.id}"
    where = {"machine": record.machine.name, "job_id": record.id}
    if status.state is JobState.LOST:
        return JobLost(f"{what} is lost: {status.reason}", **where)
    return JobFailed(
        f"{what} {describe_end(status)}",
        code=own_code(status),
        hint=f"`jobferry why {record.id}`, `jobferry logs --stderr {record.id}`",
        **where,
    )


def own_code(status: JobStatus) -> int:
    """Return the exit code that stands for an end: its own, 128 + n for signal n, 143 cancelled, or 1."""
    if status.state is JobState.COMPLETED:
        return 0
    if status.signal:
        return 128 + status.signal
    if status.state is JobState.CANCELLED:
        # the same whether it was cancelled before it began or after
        return 128 + signal.SIGTERM
    return status.exit_code or 1


def describe_end(status: JobStatus) -> str:
    """Say how a job or a task ended, as what follows its name."""
    if status.state is JobState.CANCELLED:
        words = "was cancelled"
    elif status.failure is Failure.EXIT_CODE:
        words = f"ended with exit code {status.exit_code}"
    elif status.failure is Failure.SIGNAL:
        words = f"was ended by signal {status.signal}"
    elif status.failure is Failure.REJECTED:
        words = "was not taken"
    else:
        words = f"failed: {(status.failure or status.state).value.lower().replace('_', ' ')}"
    return words + (f" ({status.reason})" if status.reason else "")
