"""``jobferry fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from jobferry import Job
from jobferry.cli import _output
from jobferry.cli._group import declare
from jobferry.cli._options import dry_run_option
from jobferry.cli._select import Selection, job_words, selection


@declare(
    "fetch",
    examples=(
        "jobferry fetch @last",
        "jobferry fetch 01hx --to results",
        "jobferry fetch --name 'train-*' --to results",
    ),
)
@selection
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder here; the current one if not given.",
)
@dry_run_option
def command(selected: Selection, to: Path, dry_run: bool) -> None:
    """Bring the outputs of jobs home.

    Prints the paths that came. Unless one job is named by its id, each gets a folder of its own, named by its
    id. Again after a break, only what is missing is sent.
    """
    jobs = selected.jobs()
    if not selected.ids:
        jobs = [job for job in jobs if job.record.spec.outputs]
    for job in jobs:
        folder = to if len(selected.ids) == 1 else to / job.id
        if dry_run:
            patterns = " ".join(job.record.spec.outputs)
            _output.talk(f"would fetch {patterns} of {job_words(job)} to {folder}")
        else:
            _fetch(job, folder)


def _fetch(job: Job, folder: Path) -> None:
    with _output.progress(f"fetching {job.name}") as progress:
        paths = job.fetch(folder, progress=progress)
    for path in paths:
        _output.data(str(path))
