"""One task of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobferry.errors import SpecError
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.parameters import key_of, label_of
from jobferry.functions.references import Reference
from jobferry.job_handle import Job, end_error
from jobferry.model.status import JobState, JobStatus


class SweepTask:
    """One task: its parameters, how it stands, what came of it; as an argument of a call it is its result.

    Attributes:
        given: whether this process was given its parameters; else they are as the list of tasks has them: as
            JSON, or a word for what JSON cannot hold.
    """

    given = False

    def __init__(self, index: int, key: str, params: Mapping[str, Any], job: Job | None, call: int) -> None:
        self.index = index
        self.key = key
        self.params = params
        self.job = job
        self.call = call

    @property
    def label(self) -> str:
        """Its parameters in short, as a name for people and folders."""
        return label_of(self.params)

    @property
    def element(self) -> int:
        """The number of the job's array element that runs it."""
        function = None if self.job is None else self.job.record.spec.function
        return self.call if function is None else self.call // function.chunk

    @property
    def status(self) -> JobStatus:
        """How the element of the array that runs it stands, as last seen."""
        if self.job is None:
            return JobStatus()
        record = self.job.record
        known = record.tasks.get(self.element)
        if known is not None:
            return known
        # what has not been seen yet stands as the whole does
        return JobStatus(state=record.state, reason=record.status.reason, failure=record.status.failure)

    @property
    def state(self) -> JobState:
        """How it stands, as last seen; by its own result where that is there, and tells more."""
        state = self.status.state
        if not isinstance(self.job, FunctionJob):
            return state
        if self._is_one_of_many() and (header := self.job.header_of(self.call)) is not None:
            return JobState.COMPLETED if header["ok"] else JobState.FAILED
        if state is JobState.COMPLETED and self.job.is_without_result(self.call):
            # it ended its process before it returned
            return JobState.FAILED
        return state

    @property
    def has_ended(self) -> bool:
        """Whether anything may come of it yet."""
        return self.state.final or self.status.state.final

    def result(self) -> Any:
        """Return what it returned, of a command what it printed; it must have ended.

        Raises:
            Exception: what it raised, or how else it ended.
        """
        job = self._submitted()
        if isinstance(job, FunctionJob) and not self._is_command():
            return job.result_of(self.call)
        if (error := self.exception()) is not None:
            raise error
        return self.stdout()

    def exception(self) -> Exception | None:
        """Return what it raised, or how else it ended without success; None when it succeeded."""
        job = self._submitted()
        if isinstance(job, FunctionJob):
            return job.exception_of(self.call)
        status = self.status
        if not status.state.final:
            raise SpecError(f"task {self.index} has not ended", hint="wait() for the sweep first")
        return None if status.state is JobState.COMPLETED else end_error(job.record, self.element)

    def outcome(self) -> Any:
        """Return what it raised, or else what it returned."""
        error = self.exception()
        return self.result() if error is None else error

    def stdout(self) -> str:
        """Return what it has printed so far."""
        return self._read("stdout")

    def stderr(self) -> str:
        """Return what it has printed on standard error so far."""
        return self._read("stderr")

    def _read(self, stream: str) -> str:
        job = self._submitted()
        if self._is_one_of_many() and isinstance(job, FunctionJob):
            job.bring([self.call])
            header = job.header_of(self.call)
            if header is None:
                return ""
            # what went wrong stands at the end, as Python itself would have written it
            return str(header.get(stream, "")) + (
                str(header.get("traceback", "")) if stream == "stderr" else ""
            )
        return job.stdout(self.element) if stream == "stdout" else job.stderr(self.element)

    def _is_one_of_many(self) -> bool:
        function = None if self.job is None else self.job.record.spec.function
        return function is not None and function.chunk > 1

    def _is_command(self) -> bool:
        function = None if self.job is None else self.job.record.spec.function
        return function is not None and function.commands

    def _submitted(self) -> Job:
        if self.job is None:
            raise SpecError(f"task {self.index} has not been submitted", hint="submit() the sweep first")
        return self.job

    def __jobferry_reference__(self) -> Reference:
        job = self._submitted()
        if not isinstance(job, FunctionJob):
            raise SpecError(f"task {self.index} runs a command, so it has no result to hand on")
        return Reference(job.id, self.call, is_task=True)

    def __repr__(self) -> str:
        return f"<SweepTask {self.index} {self.label}: {self.state.value}>"


class TaskList:
    """The tasks of a sweep, each set of parameters once."""

    def __init__(self, tasks: Iterable[SweepTask]) -> None:
        self._tasks = list(tasks)
        self._by_key = {task.key: task for task in self._tasks}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[SweepTask]:
        return iter(self._tasks)

    @property
    def new(self) -> list[SweepTask]:
        """Those that are not submitted."""
        return [task for task in self._tasks if task.job is None]

    def add(self, sets: Sequence[Mapping[str, Any]], *, first: bool) -> None:
        """Add sets of parameters; with `first` they stand first from then on, and older ones follow."""
        order: dict[str, SweepTask] = {}
        for params in sets:
            key = key_of(params)
            task = self._by_key.get(key)
            if task is None:
                task = self._by_key[key] = SweepTask(len(self._tasks), key, params, None, 0)
                self._tasks.append(task)
            task.params, task.given = params, True
            order[key] = task
        if first:
            self._arrange([*order.values(), *(task for task in self._tasks if task.key not in order)])

    def remove(self, tasks: Iterable[SweepTask]) -> None:
        """Take tasks out."""
        gone = {task.key for task in tasks}
        for key in gone:
            self._by_key.pop(key, None)
        self._arrange([task for task in self._tasks if task.key not in gone])

    def _arrange(self, tasks: list[SweepTask]) -> None:
        self._tasks = tasks
        for index, task in enumerate(tasks):
            task.index = index
