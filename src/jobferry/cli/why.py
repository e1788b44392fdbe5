"""``jobferry why``."""

from __future__ import annotations

import jobferry
from jobferry import api
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import format_option
from jobferry.cli._select import job_argument, job_words


@declare("why", examples=("jobferry why @last", "jobferry why 01hx --format json"))
@job_argument
@format_option
def command(job: str, form: str) -> None:
    """Say in words why a job waits or why it died."""
    jobs, _ = api.refresh([jobferry.job(job)])
    told = api.why(jobs[0])
    if form == "json":
        content = {
            **api.summary(jobs[0]),
            "words": [*told.words],
            "evidence": [{"witness": who, "says": what} for who, what in told.evidence],
            "stderr": told.tail,
        }
        _output.document("why", content)
        return
    if form == "ids":
        _output.data(jobs[0].id)
        return
    _output.data(f"{job_words(jobs[0])}: {jobs[0].record.state.value.lower()}")
    for sentence in told.words:
        _output.data(f"  {sentence}")
    if told.evidence:
        _output.sheet("who says what", told.evidence)
    if told.tail:
        _output.data("the end of its standard error")
        for line in told.tail.splitlines():
            _output.data(f"  {line}")
