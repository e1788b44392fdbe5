"""What is asked over there about jobs' records: by task and by run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobferry.model.record import JobRecord
from jobferry.model.spec import format_indices
from jobferry.model.status import JobStatus
from jobferry.parts import unfinished
from jobferry.render.program import Program
from jobferry.render.shell import join

# seconds between two looks over there, and what each job or task adds so that looking stays cheap
_PAUSE, _PAUSE_EACH = 0.25, 0.0005


def record_calls(record: JobRecord) -> list[tuple[str, ...]]:
    """Write the calls that print the records of all that has not ended, as ``jf_records`` reads them."""
    return [
        ("jf_records", record.id, str(run), _listed(record, [task for task, _ in tasks]))
        for run, tasks in _by_run(record).items()
    ]


def all_record_calls(record: JobRecord) -> list[tuple[str, ...]]:
    """Write the calls that print the records of all that counts, ended or not."""
    runs = _all_by_run(record)
    return [("jf_records", record.id, str(run), _listed(record, tasks)) for run, tasks in runs.items()]


def manifest_call(record: JobRecord) -> tuple[str, ...]:
    """Write the call that prints what the runs that count list of their outputs, for ``jf_manifests``."""
    runs = _all_by_run(record)
    words = [word for run, tasks in runs.items() for word in (str(run), _listed(record, tasks))]
    return ("jf_manifests", record.id, *words)


def news_calls(records: Iterable[JobRecord]) -> list[tuple[str, ...]]:
    """Write the calls that tell whether there is a record that was not there before, for ``jf_news``."""
    calls: list[tuple[str, ...]] = []
    for record in records:
        for run, tasks in _by_run(record).items():
            # a job that waits to be started again has the records of its last run lying about
            anew = [(task, status) for task, status in tasks if status.started_at or not status.restarts]
            ends = [task for task, status in anew if not status.finishing_since]
            begins = [task for task, status in anew if not status.started_at]
            calls.append(("jf_news", record.id, str(run), _listed(record, ends), _listed(record, begins)))
    return calls


def await_news(program: Program, calls: Sequence[Sequence[str]], seconds: int, *, otherwise: str) -> None:
    """Add a wait for what any of the calls tells; the more to look at, the longer between two looks."""
    looks = sum(_count(call[3]) for call in calls if call[0] == "jf_news")
    news = " || ".join(join(call) for call in calls) or "false"
    program.text(f"jf_any_news() {{ {news}; }}")
    program.text(f"jf_until {seconds} {_PAUSE + _PAUSE_EACH * looks:.2f} jf_any_news || {otherwise}")


def _all_by_run(record: JobRecord) -> dict[int, list[int | None]]:
    runs: dict[int, list[int | None]] = {}
    for task, entry in record.covering().items():
        runs.setdefault(entry.run, []).append(task)
    return runs


def _by_run(record: JobRecord) -> dict[int, list[tuple[int | None, JobStatus]]]:
    """Group what has not ended, and that the batch system has, by the run it is in."""
    covering = record.covering()
    runs: dict[int, list[tuple[int | None, JobStatus]]] = {}
    for task, status in unfinished(record):
        if covering[task].native_id is not None:
            runs.setdefault(covering[task].run, []).append((task, status))
    return runs


def _listed(record: JobRecord, tasks: Sequence[int | None]) -> str:
    if record.spec.array is None:
        return "job" if tasks else ""
    # beside the tasks, the whole may have a record: where its launch script runs them
    return ",".join(filter(None, ("job", format_indices(task for task in tasks if task is not None))))


def _count(listed: str) -> int:
    spans = (span.partition("-") for span in listed.split(",") if span != "job")
    return sum(int(last or first) - int(first) + 1 for first, _, last in spans if first)
