"""The jobs that run the tasks of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from jobferry.functions.function_job import FunctionJob
from jobferry.functions.sweep_task import SweepTask
from jobferry.job_handle import Job
from jobferry.model.record import JobRecord


class SweepJobs:
    """Handles by the ids of their jobs; tasks hold the very same handles."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = {job.id: job for job in jobs}

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __getitem__(self, job_id: str) -> Job:
        return self._jobs[job_id]

    @property
    def records(self) -> list[JobRecord]:
        """What is known of them."""
        return [job.record for job in self]

    def add(self, job: Job) -> None:
        """Take in one more."""
        self._jobs[job.id] = job

    def clear(self) -> None:
        """Forget all."""
        self._jobs.clear()

    def see(self, records: Iterable[JobRecord]) -> None:
        """Take in what is known of them by now."""
        for record in records:
            with suppress(KeyError):
                self._jobs[record.id].see(record)

    def bring(self, tasks: Iterable[SweepTask]) -> None:
        """Bring home the results of tasks, as far as they have ended: one request a job."""
        calls: dict[str, list[int]] = {}
        for task in tasks:
            if isinstance(task.job, FunctionJob):
                calls.setdefault(task.job.id, []).append(task.call)
        for job_id, numbers in calls.items():
            job = self._jobs[job_id]
            if isinstance(job, FunctionJob):
                job.bring(numbers)
