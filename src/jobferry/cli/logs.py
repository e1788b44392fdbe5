"""``jobferry logs``."""

from __future__ import annotations

import click

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._select import job_argument


@declare(
    "logs",
    examples=(
        "jobferry logs @last",
        "jobferry logs -f -n 20 01hx",
        "jobferry logs --stderr --task 3 01hx",
    ),
)
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--stderr", is_flag=True, help="What it printed on standard error instead.")
@click.option("--task", metavar="I", type=int, help="Only this task of an array.")
@click.option("-n", "lines", metavar="LINES", type=click.IntRange(min=0), help="Only so many at the end.")
def command(job: str, follow: bool, stderr: bool, task: int | None, lines: int | None) -> None:
    """Print what a job has printed."""
    found = jobferry.job(job)
    stream = "stderr" if stderr else "stdout"
    if follow:
        api.follow(
            found,
            lambda _, piece: _output.data_bytes(piece),
            streams=(stream,),
            task=task,
            lines=lines,
            notice=_output.warning,
        )
        return
    for piece in found.logs(stream=stream, task=task, lines=lines):
        _output.data_bytes(piece)
