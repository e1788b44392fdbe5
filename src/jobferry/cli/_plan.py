"""What `run` and `submit` share: submitting, and telling what would be submitted."""

from __future__ import annotations

from typing import Any

import jobferry
from jobferry import Job, api
from jobferry.cli import _output
from jobferry.cli._options import read_work


def submit(machine: str | None, words: tuple[str, ...], options: dict[str, Any]) -> Job:
    """Submit what was asked for, with a progress bar for what is sent along."""
    work = read_work(words, options)
    place = jobferry.machine(machine)
    try:
        with _output.progress("sending") as progress:
            return place.submit(work, progress=progress, **options)
    except KeyboardInterrupt:
        _output.talk("interrupted; `jobferry list` tells whether the job was taken")
        raise


def render(machine: str | None, words: tuple[str, ...], options: dict[str, Any]) -> None:
    """Print the launch script to standard output and what is to be known of it to standard error."""
    work = read_work(words, options)
    place = jobferry.machine(machine)
    plan = api.preview(work, place, **options)
    job = plan.job
    where = f"{place.name} ({place.host or 'this computer'}, {plan.scheduler})"
    _output.talk(f"would submit {job.name} to {where}")
    told = {**api.asked_for(job), "labels": _output.cell(job.record.spec.labels)}
    for name, value in {**told, "without effect": ", ".join(plan.ignored)}.items():
        if value:
            _output.talk(f"  {name.replace('_', ' ')}: {value}")
    _output.data(plan.script.rstrip("\n"))
