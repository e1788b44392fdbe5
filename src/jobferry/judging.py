"""What follows for a job from what the witnesses said of it: task by task, run by run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from jobferry.evidence import Evidence, Said, Witnesses
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Submission
from jobferry.parts import all_tasks, restate, unfinished
from jobferry.render.records import Records
from jobferry.retrying import try_again, wait_again
from jobferry.schedulers.base import Observation
from jobferry.verdict import judge_records

Judge = Callable[[JobStatus, Evidence, datetime], JobStatus]


def apply(record: JobRecord, witnesses: Witnesses, decide: Judge, now: datetime) -> JobRecord:
    """Judge a job, and each task of an array, by what was seen; the very record when nothing is new."""
    if witnesses.numbers != tuple(entry.number for entry in record.current):
        # meanwhile it was tried again by another process: what was seen was seen of what no longer counts
        return record
    written = _with_writers(record, witnesses)
    if written is not record:
        # what the queue said was said of another native job, which left this one to its owner
        record, decide = written, judge_records
    covering = record.covering()
    looked_at = {
        task: (status, decide(status, witnesses.about(task), now))
        for task, status in unfinished(record)
        if covering[task].native_id is not None
    }
    changed = {task: after for task, (before, after) in looked_at.items() if not _is_same(before, after)}
    if not changed:
        return record
    if witnesses.hopeful and all(status.failure is Failure.DEPENDENCY for status in changed.values()):
        return restate(wait_again(record, changed, "a job it depends on is tried again"), now)
    failed = [task for task, status in changed.items() if status.state is JobState.FAILED]
    if record.spec.array is None:
        return try_again(replace(record, status=changed[None]), failed, now)
    tasks = {**all_tasks(record), **{task: status for task, status in changed.items() if task is not None}}
    # what is not sent yet has no status of its own
    known = {
        task: status
        for task, status in tasks.items()
        if covering[task].native_id is not None or status.state.final
    }
    return try_again(restate(replace(record, tasks=known), now), failed, now)


def _is_same(before: JobStatus, after: JobStatus) -> bool:
    # when it was looked at is not worth writing down each time
    return after is before or replace(after, observed_at=before.observed_at) == before


def _with_writers(record: JobRecord, witnesses: Witnesses) -> JobRecord:
    """Put in the ids of the native jobs that really run: those that write the records."""
    if witnesses.records is None:
        return record
    changed = []
    for entry in record.current:
        tasks = record.tasks_of(entry) or (None,)
        writers = {_writer(witnesses.records, entry, task) for task in tasks} - {None, ""}
        unknown = sorted(writer for writer in writers if writer and writer not in _ids(entry))
        if entry.native_id is None or not unknown:
            continue
        if entry.native_id not in writers and len(unknown) == 1:
            # the one we know of left all to the other
            twins = (*entry.twins, entry.native_id)
            changed.append(replace(entry, native_id=unknown[0], twins=twins))
        else:
            changed.append(replace(entry, twins=(*entry.twins, *unknown)))
    return record.with_submissions(*changed) if changed else record


def _ids(entry: Submission) -> tuple[str, ...]:
    return (entry.native_id, *entry.twins) if entry.native_id is not None else ()


def _writer(records: Records | None, entry: Submission, task: int | None) -> str | None:
    """Tell which native job runs a task, or ran it: the one that wrote its record."""
    if records is None:
        return None
    seen = records.finished.get(task) or records.started.get(task)
    return seen.native_id or None if seen is not None and seen.run == entry.run else None


def said_of(record: JobRecord, said: Mapping[str, Said], records: Records | None = None) -> Said:
    """Pick what was said of a job, task by task, and not of another one that bears its native id now."""
    found: dict[int | None, Observation] = {}
    for entry in record.current:
        rows = [_rows_of(record, entry, said.get(native_id, {})) for native_id in _ids(entry)]
        if len(rows) == 1:
            found.update(rows[0])
            continue
        for task in record.tasks_of(entry) or (None,):
            words = {
                native_id: row[key]
                for native_id, row in zip(_ids(entry), rows, strict=True)
                for key in (task, None)
                if key in row
            }
            if (chosen := _of_twins(words, _writer(records, entry, task))) is not None:
                found[task] = chosen
    return found


def _of_twins(words: Mapping[str, Observation], writer: str | None) -> Observation | None:
    """Take the word on the native job that runs a task; of several that may yet run it, one that lives."""
    if writer is not None:
        return words.get(writer)
    lives = (seen for seen in words.values() if seen.state is None or not seen.state.final)
    return next(lives, None) or next(iter(words.values()), None)


def _rows_of(record: JobRecord, entry: Submission, said: Said) -> dict[int | None, Observation]:
    name = record.native_name(entry)
    found: dict[int | None, Observation] = {}
    for index, seen in said.items():
        if seen.native_name is None or _is_name(seen.native_name, name, record.id):
            found.update(_by_task(record, entry, index, seen))
    return found


def _is_name(shown: str, name: str, job_id: str) -> bool:
    # a batch system may have changed characters of the name, but none of the id and of what follows it
    return shown.endswith(name[name.rindex(job_id) :])


def _by_task(
    record: JobRecord, entry: Submission, index: int | None, seen: Observation
) -> Mapping[int | None, Observation]:
    if index is not None:
        return {index + entry.offset: seen}
    if record.spec.array is None or len(record.submissions) == 1:
        return {None: seen}
    return dict.fromkeys(record.tasks_of(entry), seen)
