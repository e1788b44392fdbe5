"""One function or command over many parameter sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.functions import sweep_files, sweep_rows
from jobferry.functions.parameters import Checker
from jobferry.functions.sweep_jobs import SweepJobs
from jobferry.functions.sweep_task import SweepTask, TaskList
from jobferry.functions.swept import SweptWork
from jobferry.functions.tables import Tabular, to_records
from jobferry.job_handle import Job, as_duration
from jobferry.machine_handle import Machine
from jobferry.model.readers import read_resources
from jobferry.model.status import JobState
from jobferry.store import SweepRow

Parameters = Mapping[str, Any] | Iterable[Mapping[str, Any]]


class Sweep(Tabular):
    """A sweep: tasks that differ in their parameters, as array jobs of one machine.

    A sweep with a name is the same in every process and on every day: a task with the same parameters is not
    run twice, and new ones only add. Its tasks are in the order in which they were given.

    Attributes:
        machine: the machine it runs on.
        row: what the store keeps of it beside its tasks.
        work: what it runs, where this process has said so.
    """

    def __init__(self, client: Client, machine: Machine, row: SweepRow, work: SweptWork | None) -> None:
        self._client = client
        self.machine = machine
        self.row = row
        self.work = work
        tasks, jobs = sweep_rows.load(client, row)
        self._jobs = SweepJobs(jobs)
        self._tasks = TaskList(tasks)

    @property
    def name(self) -> str:
        """Its name on its machine."""
        return self.row.name

    @property
    def tasks(self) -> Sequence[SweepTask]:
        """Its tasks, those that are not submitted yet among them."""
        return tuple(self._tasks)

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs that run its tasks: one for each time that something was submitted."""
        return tuple(self._jobs)

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[SweepTask]:
        return iter(self._tasks)

    # -- filling it

    def add(self, params: Parameters | None = None, /, **named: Any) -> Sweep:
        """Add one set of parameters, or many; those that are there already are passed over.

        Nothing is sent before `submit`.

        Raises:
            SpecError: a set does not fit what is swept; none of them is added.
        """
        one = named if params is None else params if isinstance(params, Mapping) else None
        given = list(params or ()) if one is None else [one]
        self._tasks.add([self._checker.check(each) for each in given], first=one is None)
        return self

    def submit(self) -> Sweep:
        """Submit what was added and is not submitted, by whatever process, as one array.

        Raises:
            SpecError: it cannot be run there; nothing was sent.
            SubmitRefused: the batch system said no.
        """
        if new := self._tasks.new:
            sweep_rows.submit(self._client, self.machine, self.row, self._checked_work, new, self._jobs)
        return self

    # -- what came of it

    def wait(self, timeout: float | str | timedelta | None = None) -> Sweep:
        """Submit what is not submitted, and wait until all its tasks have ended.

        Raises:
            WaitTimeout: the time is over; the tasks go on.
        """
        self.submit()
        self._jobs.see(self._client.wait(self._jobs.records, as_duration(timeout)))
        return self

    def refresh(self) -> Sweep:
        """Look how its tasks stand."""
        self._jobs.see(self._client.refresh(self._jobs.records))
        return self

    def results(
        self, timeout: float | str | timedelta | None = None, *, return_exceptions: bool = False
    ) -> list[Any]:
        """Wait, and return the results of all tasks in order; of commands what they printed.

        Args:
            return_exceptions: put what a task raised in the place of its result; else the first is raised.
        """
        self.wait(timeout)
        self._jobs.bring(self._tasks)
        return [task.outcome() if return_exceptions else task.result() for task in self._tasks]

    def as_completed(self, timeout: float | str | timedelta | None = None) -> Iterator[SweepTask]:
        """Yield tasks as they end.

        Raises:
            WaitTimeout: the time is over; the tasks go on.
        """
        self.submit()
        left = list(self._tasks)
        for seen in self._client.follow(self._jobs.records, as_duration(timeout)):
            self._jobs.see(seen)
            self._jobs.bring(left)
            ended = [task for task in left if task.has_ended]
            left = [task for task in left if not task.has_ended]
            yield from ended

    @property
    def counts(self) -> dict[JobState, int]:
        """How many tasks are in each state, as last seen."""
        return dict(Counter(task.state for task in self._tasks))

    @property
    def failed(self) -> list[SweepTask]:
        """The tasks that have ended without success; looks, and brings what says so."""
        self.refresh()
        self._jobs.bring(self._tasks)
        return [task for task in self._tasks if task.has_ended and task.state is not JobState.COMPLETED]

    def fetch(self, to: str | Path = ".") -> list[Path]:
        """Bring home what its tasks have made of their outputs, and return the paths.

        An output whose name has parameters in it comes under that name, any other into a folder of its task.
        """
        return sweep_files.fetch(self, Path(to), self._checked_work.outputs)

    def to_records(self) -> list[dict[str, Any]]:
        """Return one dict a task: its parameters, `state`, `result` and `error`."""
        self.refresh()
        self._jobs.bring(self._tasks)
        return to_records(self._tasks)

    # -- acting on it

    def retry(self, *, failed: bool = True, **resources: Any) -> Sweep:
        """Run again the tasks that have ended without success, or with `failed` False all of them.

        Args:
            resources: what to ask for instead of what they had: ``mem="8G"``.

        Raises:
            SpecError: all are to be run, and this process does not know what, or with which parameters.
        """
        if not failed:
            sweep_rows.check_known(self._checked_work, self._tasks)
            return self.reset().submit()
        self._jobs.see(self._client.retry(self._jobs.records, read_resources(resources)))
        return self

    def cancel(self) -> Sweep:
        """Cancel what has not ended."""
        self._jobs.see(self._client.cancel(self._jobs.records))
        return self

    def remove(self, tasks: SweepTask | Iterable[SweepTask]) -> Sweep:
        """Forget tasks that have ended or are not submitted: given again, they are run again.

        Raises:
            SpecError: one of them has not ended.
        """
        chosen = [tasks] if isinstance(tasks, SweepTask) else list(tasks)
        if any(task.job is not None and not task.has_ended for task in chosen):
            self.refresh()
        sweep_rows.remove(self._client, self.row, chosen)
        self._tasks.remove(chosen)
        return self

    def reset(self) -> Sweep:
        """Forget all that came of it, here and over there; its tasks are as if just added.

        Raises:
            SpecError: a task has not ended, of those that another process submitted, too.
        """
        keys = sweep_rows.take_in(self._client, self.row, self._jobs)
        sweep_rows.reset(self._client, self.refresh().row, list(self._tasks), self._jobs, keys)
        return self

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state.value.lower()}" for state, count in self.counts.items())
        return f"<Sweep {self.name!r} on {self.machine.name}: {states or 'empty'}>"

    @cached_property
    def _checker(self) -> Checker:
        return self._checked_work.checker()

    @property
    def _checked_work(self) -> SweptWork:
        if self.work is None:
            raise SpecError(
                f"what the sweep {self.name} runs is not known here", hint="name it: sweep(f, name=...)"
            )
        return self.work
