"""The model of the truth: what the fake world really did, and what of it a client may say at which moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.testing.fakesched.state import ENDED, Job
from tests.fake.conftest import owned_by
from tests.faults.quick import QuickCluster, Run

Key = tuple[str, int | None]
"""A job's id and the number of a task, None for a job without tasks."""

KILLS = {
    "NODE_FAIL": Failure.NODE_FAIL,
    "OUT_OF_MEMORY": Failure.OUT_OF_MEMORY,
    "TIMEOUT": Failure.TIMEOUT,
    "PREEMPTED": Failure.PREEMPTED,
}
OUTSIDE = frozenset({*KILLS, "CANCELLED"})


@dataclass(slots=True)
class Truth:
    """What really happened.

    Attributes:
        ends: how each run of a task's command ended, in order: a shell's word, or the batch system's.
        cancelled: jobs whose end a client was asked for.
        seen: each task's status at the last look, and how often its command had run when that became final.
        excused: tasks that were judged when no witness of what really happened was to be heard.
    """

    cluster: QuickCluster
    ends: dict[Key, list[str]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    seen: dict[Key, tuple[JobStatus, int]] = field(default_factory=dict)
    excused: set[Key] = field(default_factory=set)

    def note_end(self, job: Job, word: str) -> None:
        """Note that a run of a command has ended."""
        self.ends.setdefault(key_of(job), []).append(word)

    def is_final(self, key: Key) -> bool:
        """Whether a task's end has been told."""
        return key in self.seen and self.seen[key][0].state.final

    def check(self, records: list[JobRecord]) -> None:
        """Compare the store with the truth at this moment."""
        jobs, runs = self.cluster.truth, self.cluster.runs
        check_runs(runs)
        for record in records:
            for task, status in statuses(record):
                key = (record.id, task)
                ran = sum((run.job_id, run.task) == key for run in runs)
                self._check_task(key, status, [job for job in jobs if key_of(job) == key], ran)

    def _check_task(self, key: Key, status: JobStatus, jobs: list[Job], ran: int) -> None:
        before, ran_before = self.seen.get(key, (JobStatus(), 0))
        if before.state.final:
            assert before == status, f"{key} was final: {before} -> {status}"
            assert before.state is JobState.LOST or ran == ran_before, (
                f"{key} ran after it was {before.state}"
            )
            return
        assert status.restarts >= before.restarts, f"{key}: restarts {before.restarts} -> {status.restarts}"
        self.seen[key] = (status, ran)
        if not status.state.final:
            return
        if status.state is JobState.LOST:
            self._check_lost(key, jobs)
            return
        assert not self._alive(jobs), f"{key} is {status.state} while its command runs"
        if self.ends.get(key, [""])[-1] in OUTSIDE and not self._is_cause_told(jobs):
            # all that is left is a record of the signal
            self.excused.add(key)
            return
        if status.state is JobState.COMPLETED:
            assert self.ends.get(key, [""])[-1] == "exit 0", f"{key} COMPLETED after {self.ends.get(key)}"
        if status.state is JobState.FAILED:
            self._check_failed(key, status, jobs, ran)
        if status.state is JobState.CANCELLED:
            self._check_cancelled(key, jobs)

    def _alive(self, jobs: list[Job]) -> bool:
        mine = {(job["submission"], job["task"]) for job in jobs}
        return any(
            self.cluster.is_running(number)
            for number, job in enumerate(self.cluster.truth)
            if (job["submission"], job["task"]) in mine
        )

    def _check_lost(self, key: Key, jobs: list[Job]) -> None:
        assert not self.is_told(key, jobs), f"{key} LOST, but there is a witness: {jobs}"
        self.excused.add(key)

    def is_told(self, key: Key, jobs: list[Job]) -> bool:
        """Whether queue, accounting or a record tells, to whoever asks now, what became of a task."""
        ended = [job for job in jobs if job["phase"] == ENDED or job["in_queue"]]
        return self._is_cause_told(ended) or self.record(key).endswith(" .\n")

    def _is_cause_told(self, jobs: list[Job]) -> bool:
        """Whether the batch system tells, to whoever asks now, what it ended a job for."""
        queue = any(job["in_queue"] for job in jobs) and not self.cluster.fails("squeue")
        return queue or (any(job["in_books"] for job in jobs) and self.cluster.tells_history)

    def record(self, key: Key) -> str:
        """Read a task's finished record, as it can be read over there at this moment."""
        name = "job" if key[1] is None else str(key[1])
        file = self.cluster.folder / "root" / "jobs" / key[0] / "state" / f"{name}.finished"
        return file.read_text() if file.exists() else ""

    def _check_failed(self, key: Key, status: JobStatus, jobs: list[Job], ran: int) -> None:
        if status.failure is Failure.REJECTED:
            assert not ran, f"{key} REJECTED, but it ran"
            assert all(job["phase"] == ENDED for job in jobs), f"{key} REJECTED, but taken: {jobs}"
            return
        if status.failure is Failure.DEPENDENCY:
            assert any(job["reason"].startswith("Dependency") for job in jobs), f"{key} waits for nobody"
            return
        ends = self.ends.get(key, [])
        assert ends, f"{key} FAILED without an end: {status}"
        assert ends[-1] != "exit 0", f"{key} FAILED after exit 0: {status}"
        if status.failure is Failure.EXIT_CODE:
            assert ends[-1] == f"exit {status.exit_code}", f"{key}: {ends} -> {status}"
        if status.failure in KILLS.values():
            assert KILLS.get(ends[-1]) is status.failure, f"{key}: {ends} -> {status}"

    def _check_cancelled(self, key: Key, jobs: list[Job]) -> None:
        outside = "CANCELLED" in self.ends.get(key, []) or any(job["cause"] == "CANCELLED" for job in jobs)
        assert outside or key[0] in self.cancelled, f"{key} CANCELLED by nobody"
        if self.ends.get(key, [""])[-1] == "exit 0":
            assert not self.is_told(key, jobs), f"{key} CANCELLED after exit 0"
            self.excused.add(key)

    def check_end(self, records: list[JobRecord]) -> None:
        """Compare the store with the truth when all is healed and nothing moves any more."""
        jobs = self.cluster.truth
        for record in records:
            for task, status in statuses(record):
                key = (record.id, task)
                assert status.state.final, f"{key} is not final: {status}"
                if key in self.excused:
                    continue
                mine = [job for job in jobs if key_of(job) == key]
                assert status.state in self._ends_allowed(key, mine), f"{key}: {status}; {self.ends.get(key)}"

    def _ends_allowed(self, key: Key, jobs: list[Job]) -> set[JobState]:
        ends = self.ends.get(key, [])
        outside = any(job["cause"] == "CANCELLED" for job in jobs)
        cancelled = {JobState.CANCELLED} if outside or key[0] in self.cancelled else set()
        if not ends:
            return {JobState.FAILED} | cancelled
        if ends[-1] == "exit 0":
            return {JobState.COMPLETED}
        return cancelled if ends[-1] == "CANCELLED" else {JobState.FAILED} | cancelled


def check_runs(runs: list[Run]) -> None:
    """See that one native job at most ran each task, and once for each of its starts."""
    again = [run for run, count in Counter(runs).items() if count > 1]
    assert not again, f"ran twice: {again}"
    owners = {((run.job_id, run.task), run.submission) for run in runs}
    several = [key for key, count in Counter(key for key, _ in owners).items() if count > 1]
    assert not several, f"run by several native jobs: {several}, {runs}"


def key_of(job: Job) -> Key:
    return job["name"].rpartition("-")[2], job["task"]


def statuses(record: JobRecord) -> Iterator[tuple[int | None, JobStatus]]:
    """List what a record says of each task; what was said of the whole before it was taken is said of all."""
    if record.spec.array is None:
        yield None, record.status
        return
    whole = record.status if record.native_id is None else JobStatus(state=JobState.QUEUED)
    for task in record.spec.array.indices:
        yield task, record.tasks.get(task, whole)


class Files:
    """Hides the records of jobs, or shows them half written, as network file systems do."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: dict[Path, bytes] = {}

    def hide(self, job_id: str) -> None:
        for file in self._records(job_id):
            self._kept.setdefault(file, file.read_bytes())
            file.unlink()

    def cut(self, job_id: str, size: int) -> None:
        for file in self._records(job_id):
            self._kept.setdefault(file, file.read_bytes())
            file.write_bytes(file.read_bytes()[:size])

    def show(self, job_id: str = "") -> None:
        """Show the records of a job, or of all, as they are."""
        for file in [file for file in self._kept if job_id in file.parts or not job_id]:
            data = self._kept.pop(file)
            file.write_bytes(data)

    def _records(self, job_id: str) -> list[Path]:
        folder = self._root / "jobs" / job_id / "state"
        return [*folder.glob("*.finished"), *folder.glob("*.started")]


def with_owner(record: JobRecord, owner: str) -> JobRecord:
    return record if record.state.submitted else owned_by(record, owner)
