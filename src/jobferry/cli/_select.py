"""Which jobs are meant: ids, prefixes and ``@last``, or all with a label or a name, or all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

import jobferry
from jobferry.cli import _completion
from jobferry.errors import JobNotFound

if TYPE_CHECKING:
    from jobferry import Job, JobState

F = TypeVar("F", bound=Callable[..., Any])

job_argument = click.argument("job", metavar="JOB", shell_complete=_completion.jobs)
label_option = click.option(
    "--label", "labels", metavar="K=V", multiple=True, help="Only jobs with this label. Repeatable."
)
name_option = click.option(
    "--name", metavar="GLOB", shell_complete=_completion.names, help="Only jobs of such a name: 'train-*'."
)


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs named on a command line."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    name: str | None
    every: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said of which jobs are meant."""
        return not (self.ids or self.labels or self.name or self.every)

    def all(self) -> Selection:
        """Mean all jobs."""
        return replace(self, every=True)

    def jobs(self, *, unfinished: bool | None = None, states: Iterable[JobState] | None = None) -> list[Job]:
        """Find them, the newest last; `unfinished` and `states` say which of all ``--all`` means.

        Raises:
            JobNotFound: an id, label or name that no job answers to.
        """
        filtered = bool(self.labels or self.name)
        if self.ids and (filtered or self.every):
            raise click.UsageError("give ids, or --label, --name and --all, but not both")
        if not (self.ids or filtered or self.every):
            raise click.UsageError("which job? give an id, @last, --label, --name or --all")
        if self.ids:
            found = {job.id: job for job in map(jobferry.job, self.ids)}
            return [*found.values()]
        if not self.every:
            unfinished = states = None
        labels = read_pairs(self.labels)
        jobs = jobferry.jobs(name=self.name, labels=labels, unfinished=unfinished, states=states)
        if not jobs and filtered:
            raise JobNotFound("no job has that label or name", hint="`jobferry list --all`")
        return jobs


def selection(function: F) -> F:
    """Add what names jobs; the command gets a `Selection` as ``selected``."""
    options = (
        click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=_completion.jobs),
        label_option,
        name_option,
        click.option("--all", "every", is_flag=True, help="All jobs that it can be done to."),
    )

    def select(**given: Any) -> Any:
        chosen = Selection(given.pop("jobs"), given.pop("labels"), given.pop("name"), given.pop("every"))
        return function(selected=chosen, **given)

    select.__doc__ = function.__doc__
    select.__click_params__ = [*getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    for option in reversed(options):
        option(select)
    return select  # type: ignore[return-value]


def read_pairs(entries: Sequence[str]) -> dict[str, str]:
    """Read ``K=V`` words."""
    pairs = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name or not equals:
            raise click.UsageError(f"not of the form K=V: {entry!r}")
        pairs[name] = value
    return pairs


def job_words(job: Job) -> str:
    """Name a job for people."""
    return f"{job.id} {job.name} on {job.record.machine.name}"
