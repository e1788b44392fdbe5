"""``jobferry show``."""

from __future__ import annotations

from collections.abc import Mapping

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option
from jobferry.cli._select import job_argument

_LATER = ("paths", "spec", "tasks")


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
        _output.warning(f"{error.machine}: {error}; as last seen")
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
    if isinstance(details["paths"], Mapping):
        _output.sheet("over there", _entries(details["paths"]))
    tasks = details["tasks"]
    if isinstance(tasks, Mapping) and tasks:
        rows = [
            (task, *(_output.cell(status.get(name)) for name in ("state", "exit_code", "signal", "reason")))
            for task, status in tasks.items()
        ]
        _output.table(_output.Table(("task", "state", "exit code", "signal", "reason"), rows))


def _entries(values: Mapping[str, object]) -> list[tuple[str, str]]:
    shown = ((name.replace("_", " "), _output.cell(value)) for name, value in values.items())
    return [(name, value) for name, value in shown if value and (name, value) != ("restarts", "0")]
