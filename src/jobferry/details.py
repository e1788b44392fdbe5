"""All that is known of one job, ready for JSON: what was asked, how it went, where its things are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from jobferry.model.function import FunctionCall
from jobferry.model.record import JobRecord
from jobferry.model.retry import format_rule
from jobferry.model.serialize import job_summary
from jobferry.model.spec import Resources, format_array, format_indices
from jobferry.model.submission import Attempt
from jobferry.model.tables import ATTEMPT, SPEC, STATUS, SUBMISSION
from jobferry.model.units import format_memory, format_time
from jobferry.opened import in_folder, run_folder
from jobferry.render.shell import join


def job_details(record: JobRecord) -> dict[str, object]:
    """Tell everything of a job; the summary's fields come first."""
    status = record.status
    return {
        **job_summary(record),
        "native_state": status.native_state,
        "nodes": list(status.nodes),
        "native_ids": list(record.native_ids),
        "attempts": list(_attempts(record)),
        "submissions": list(_submissions(record)),
        "host": record.machine.host,
        "submitted_from": str(record.base),
        "fetched": record.fetched_at is not None,
        "cancel_asked": record.cancelled_at is not None,
        "paths": _paths(record),
        "spec": SPEC.write(record.spec),
        "tasks": {str(task): STATUS.write(task_status) for task, task_status in record.tasks.items()},
    }


def asked_for(record: JobRecord) -> dict[str, str]:
    """Tell in words what was asked for; values of variables are left out."""
    spec = record.spec
    asked = _asked(spec.resources)
    return {
        "command": join(spec.command),
        "function": _calls(spec.function),
        "script": f"{len(spec.script.splitlines())} lines" if spec.script is not None else "",
        "arguments": join(spec.arguments),
        **asked,
        "array": format_array(spec.array) if spec.array is not None else "",
        "environment": ", ".join(spec.environment),
        "setup": "; ".join(spec.setup),
        "teardown": "; ".join(spec.teardown),
        "launcher": spec.launcher or "",
        "inputs": ", ".join(f"{entry.source} as {entry.destination}" for entry in spec.inputs),
        "outputs": ", ".join(spec.outputs),
        "directory": str(spec.directory or ""),
        "after": ", ".join(f"{entry.job_id} ({entry.kind.value})" for entry in spec.dependencies),
        "signal": f"{spec.signal.name}, {format_time(spec.signal.before)} before" if spec.signal else "",
        "retry": ", ".join(f"{cause} {format_rule(rule)}" for cause, rule in spec.retry.items()),
        "native": " ".join(spec.native),
    }


def numbered_attempts(record: JobRecord) -> Iterator[tuple[int, Attempt]]:
    """Count the runs that were followed by another, those of each task from 1."""
    counts: dict[int | None, int] = {}
    for attempt in record.attempts:
        counts[attempt.task] = counts.get(attempt.task, 0) + 1
        yield counts[attempt.task], attempt


def _attempts(record: JobRecord) -> Iterator[dict[str, object]]:
    """Tell of each run that was followed by another, what it asked for, and where its logs are."""
    by_run = {entry.run: entry for entry in record.submissions}
    for number, attempt in numbered_attempts(record):
        entry = by_run.get(attempt.run)
        more = {} if entry is None else {"asked": _asked(entry.resources or record.spec.resources)}
        yield {"number": number, **ATTEMPT.write(attempt), **more, "logs": _logs(record, attempt.run)}


def _submissions(record: JobRecord) -> Iterator[dict[str, object]]:
    covered: dict[int, list[int]] = {}
    for task, entry in record.covering().items():
        covered.setdefault(entry.number, []).extend(() if task is None else (task,))
    for entry in record.submissions:
        asked = _asked(entry.resources or record.spec.resources)
        yield {
            **SUBMISSION.write(entry),
            "current": entry.number in covered,
            # of what it was made for, the tasks that no later one stands over
            "covers": format_indices(sorted(covered.get(entry.number, ()))),
            "asked": asked,
            "logs": _logs(record, entry.run),
        }


def _calls(function: FunctionCall | None) -> str:
    if function is None:
        return ""
    many = f", {function.count} calls" if function.count > 1 else ""
    shared = f", {function.chunk} a task" if function.chunk > 1 else ""
    return f"{function.name}{many}{shared}, by {function.interpreter}"


def _asked(resources: Resources) -> dict[str, str]:
    return {name: _words(name, value) for name, value in resources.given().items()}


def _words(name: str, value: object) -> str:
    if isinstance(value, timedelta):
        return format_time(value)
    if name in ("mem", "mem_per_cpu") and isinstance(value, int):
        return format_memory(value)
    return "yes" if value is True else str(value)


def _paths(record: JobRecord) -> dict[str, str]:
    if not record.root:
        return {}
    folder = in_folder(record.root, record.id)
    work = str(record.spec.directory) if record.spec.directory is not None else f"{folder}/work"
    logs = _logs(record, record.submissions[-1].run if record.spec.array is None else 1)
    files = {} if record.spec.array else {name: f"{logs}/{name}" for name in ("stdout", "stderr")}
    return {"folder": folder, "work": work, "logs": logs, **files}


def _logs(record: JobRecord, run: int) -> str:
    if not record.root:
        return ""
    return f"{run_folder(record, run)}/out"
