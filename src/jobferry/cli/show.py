"""``jobferry show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option
from jobferry.cli._select import job_argument

_LATER = ("paths", "spec", "tasks", "attempts", "submissions")


@declare(
    "show",
    examples=("jobferry show @last", "jobferry show 01hx --format json"),
)
@job_argument
@format_option
def command(job: str, form: str) -> None:
    """Show one job: what was asked, times, attempts, places."""
    jobs, errors = api.refresh([jobferry.job(job)])
    for error in errors:
        _output.warning(f"{error.machine}: {error}; as last seen", hint=error.hint)
    details = api.details(jobs[0])
    if form == "json":
        _output.document("job", details)
    elif form == "ids":
        _output.data(jobs[0].id)
    else:
        _show(details, api.asked_for(jobs[0]))


def _show(details: Mapping[str, object], asked: Mapping[str, str]) -> None:
    _output.sheet("", _entries({name: details[name] for name in details if name not in _LATER}))
    _output.sheet("asked for", _entries(asked))
    if isinstance(details["paths"], Mapping) and details["paths"]:
        _output.sheet("over there", _entries(details["paths"]))
    _show_runs(details)
    tasks = details["tasks"]
    if isinstance(tasks, Mapping) and tasks:
        rows = [
            (task, *(_output.cell(status.get(name)) for name in ("state", "exit_code", "signal", "reason")))
            for task, status in tasks.items()
        ]
        _output.table(_output.Table(("task", "state", "exit code", "signal", "reason"), rows))


def _show_runs(details: Mapping[str, Any]) -> None:
    """Show the runs that were followed by another, then what is, or is to be, in the batch system."""
    past = [
        {
            "attempt": run["number"],
            "task": run.get("task"),
            "native id": run.get("native_id"),
            "asked for": run.get("asked"),
            "end": _end(run["status"]),
            "logs": _inside(details, run["logs"]),
        }
        for run in details["attempts"]
    ]
    _table(past)
    current = [entry for entry in details["submissions"] if entry["current"]]
    if not past and len(current) == 1 and "waits" not in current[0]:
        return
    parts = [
        {
            "now": entry["covers"] or ("last attempt" if past else "the job"),
            "native id": entry.get("native_id"),
            "asked for": entry["asked"],
            "logs": _inside(details, entry["logs"]),
            "note": entry.get("waits"),
        }
        for entry in current
    ]
    _table(parts)


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    """Show rows under their names; a column that says nothing is left out."""
    names = [name for name in (rows[0] if rows else ()) if any(_output.cell(row[name]) for row in rows)]
    _output.table(_output.Table(names, [[_output.cell(row[name]) for name in names] for row in rows]))


def _inside(details: Mapping[str, Any], path: str) -> str:
    return path.removeprefix(f"{details['paths'].get('folder', '')}/")


def _end(status: Mapping[str, Any]) -> str:
    if status.get("failure") == "EXIT_CODE":
        return f"exit code {status.get('exit_code')}"
    return str(status.get("failure") or status["state"]).lower().replace("_", " ")


def _entries(values: Mapping[str, object]) -> list[tuple[str, str]]:
    shown = ((name.replace("_", " "), _output.cell(value)) for name, value in values.items())
    return [(name, value) for name, value in shown if value and (name, value) != ("restarts", "0")]
