"""Trying again what failed for a cause that the job was given an answer to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

from jobferry.errors import SpecError
from jobferry.model.record import JobRecord
from jobferry.model.retry import RetryRule, format_amount, requeues
from jobferry.model.spec import JobSpec, Resources
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Attempt, Submission
from jobferry.parts import restate

_MIB = 1024 * 1024
# what nothing else sends; the others also mean the end
_WARNINGS = ("USR1", "USR2")
# a list of nodes, of which only some have failed
_SEVERAL = frozenset("[,")


def check_retry(spec: JobSpec) -> None:
    """Look whether a job asks for what is to grow when it is tried again.

    Raises:
        SpecError: it does not.
    """
    if requeues(spec.retry, spec.signal) and spec.signal is not None and spec.signal.name not in _WARNINGS:
        raise SpecError(
            f"a job that is warned by {spec.signal.name} cannot be told from one that is cancelled",
            hint=f"use --signal USR2 or USR1 beside --retry {Failure.TIMEOUT}",
        )
    for cause, rule in spec.retry.items():
        if rule.field is not None and _asked(spec.resources, rule) is None:
            option = rule.field.replace("_", "-")
            raise SpecError(
                f"to try again after {cause} with more {option}, the job must ask for some",
                hint=f"add --{option}, or write --retry {cause}:{rule.times}:same",
            )


def try_again(record: JobRecord, failed: Iterable[int | None], now: datetime) -> JobRecord:
    """Put back what has just failed, for as long as its rules allow it; the runs that failed are kept.

    Args:
        failed: the tasks that failed, None for a job without tasks.
    """
    if not record.spec.retry or record.cancelled_at is not None:
        return record
    plans: dict[Submission, list[int | None]] = {}
    covering, past = record.covering(), record.past()
    for task in failed:
        plan = _plan(record, task, covering[task], past.get(task, ()))
        if plan is not None:
            plans.setdefault(plan, []).append(task)
    for plan, tasks in plans.items():
        record = _put_back(record, plan, tasks)
    return restate(record, now) if plans else record


def retry_now(record: JobRecord, tasks: Sequence[int | None], asked: Resources, now: datetime) -> JobRecord:
    """Put back what has ended without success because a person says so, asking for what he says.

    Args:
        asked: resources in place of those it had; None in a field leaves it.
    """
    plans: dict[Submission, list[int | None]] = {}
    covering, past = record.covering(), record.past()
    for task in tasks:
        before = covering[task]
        resources = asked.over(before.resources or record.spec.resources)
        number = len(past.get(task, ())) + 2
        plan = _next(before, resources, before.exclude, f"attempt {number}, asked for")
        plans.setdefault(plan, []).append(task)
    record = replace(record, cancelled_at=None, fetched_at=None)
    for plan, some in plans.items():
        record = _put_back(record, plan, some)
    return restate(record, now)


def refusal(record: JobRecord) -> str | None:
    """Return why the run that was to be the next will never begin; None when it may."""
    last = record.submissions[-1]
    if last.native_id is not None or (last in record.unsent and not record.state.final):
        return None
    statuses = [record.tasks[task] for task in last.tasks if task in record.tasks]
    return next((status.reason for status in (*statuses, record.status) if status.reason), "no reason told")


def wait_again(record: JobRecord, ended: Iterable[int | None], words: str) -> JobRecord:
    """Put back what has not begun, because what it depends on is tried again.

    Args:
        ended: the tasks that gave up for it, None for a job without tasks.
    """
    covering, over = record.covering(), set(ended)
    plans: dict[int, list[int | None]] = {}
    for task in over:
        plans.setdefault(covering[task].number, []).append(task)
    by_number = {entry.number: entry for entry in record.submissions}
    for number, tasks in plans.items():
        indices = tuple(sorted(task for task in tasks if task is not None))
        fresh = replace(by_number[number], number=record.next_number, run=record.next_number, tasks=indices)
        record = record.with_submissions(fresh.unsent(words))
    kept = {task: status for task, status in record.tasks.items() if task not in over}
    status = record.status if record.spec.array else JobStatus(state=JobState.CREATED, reason=words)
    return replace(record, status=status, tasks=kept)


def _plan(
    record: JobRecord, task: int | None, before: Submission, past: Sequence[Attempt]
) -> Submission | None:
    """Describe the next run of a task, without its number; None when there is to be none."""
    status = record.tasks[task] if task is not None else record.status
    rule = record.spec.retry.get(status.failure) if status.failure is not None else None
    if rule is None or status.failure is None or status.state is not JobState.FAILED:
        return None
    # a run of which the cause is not known counts for every cause
    used = sum(attempt.status.failure in (status.failure, None) for attempt in past)
    if used >= rule.times:
        return None
    resources = _grown(before.resources or record.spec.resources, rule)
    if resources is None:
        return None
    exclude = before.exclude
    if status.failure is Failure.NODE_FAIL:
        exclude = (*exclude, *(node for node in status.nodes if node and not _SEVERAL & set(node)))
    grown = f" with {_words(resources, rule)}" if rule.field else ""
    words = f"attempt {len(past) + 2}{grown}, after {status.failure}"
    return _next(before, resources, tuple(dict.fromkeys(exclude)), words)


def _next(before: Submission, resources: Resources, exclude: tuple[str, ...], words: str) -> Submission:
    return replace(before, tasks=(), resources=resources, exclude=exclude).unsent(words)


def _put_back(record: JobRecord, plan: Submission, tasks: Sequence[int | None]) -> JobRecord:
    covering = record.covering()
    past = [
        Attempt(
            run=covering[task].run,
            task=task,
            native_id=covering[task].native_id,
            status=record.tasks[task] if task is not None else record.status,
        )
        for task in tasks
    ]
    number = record.next_number
    indices = tuple(task for task in tasks if task is not None)
    fresh = replace(plan, number=number, run=number, tasks=indices)
    gone = set(tasks)
    kept = {task: status for task, status in record.tasks.items() if task not in gone}
    record = replace(record.with_submissions(fresh), attempts=(*record.attempts, *past), tasks=kept)
    if record.spec.array is not None:
        return record
    return replace(record, status=JobStatus(state=JobState.CREATED, reason=plan.waits))


def _asked(resources: Resources, rule: RetryRule) -> int | timedelta | None:
    name = _field(resources, rule)
    value: int | timedelta | None = getattr(resources, name) if name else None
    return value


def _field(resources: Resources, rule: RetryRule) -> str | None:
    # memory may be asked for per node or per CPU: what was asked for is what grows
    other = {"mem": "mem_per_cpu", "mem_per_cpu": "mem"}.get(rule.field or "")
    return other if other and getattr(resources, rule.field or "") is None else rule.field


def _grown(resources: Resources, rule: RetryRule) -> Resources | None:
    """Ask for more; None when what may be asked for has been asked for already."""
    name = _field(resources, rule)
    if name is None:
        return resources
    if name == "time":
        return _with_time(resources, rule)
    before: int | None = getattr(resources, name)
    if before is None:
        return None
    after = ceil(before * rule.factor / _MIB) * _MIB
    after = min(after, rule.cap) if isinstance(rule.cap, int) else after
    if after <= before:
        return None
    return replace(resources, mem=after) if name == "mem" else replace(resources, mem_per_cpu=after)


def _with_time(resources: Resources, rule: RetryRule) -> Resources | None:
    if resources.time is None:
        return None
    after = timedelta(minutes=ceil(resources.time * rule.factor / timedelta(minutes=1)))
    after = min(after, rule.cap) if isinstance(rule.cap, timedelta) else after
    return replace(resources, time=after) if after > resources.time else None


def _words(resources: Resources, rule: RetryRule) -> str:
    name = _field(resources, rule) or ""
    return f"{name.replace('_', '-')} {format_amount(getattr(resources, name))}"
