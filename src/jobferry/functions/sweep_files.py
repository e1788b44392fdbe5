"""Outputs of a sweep's tasks, brought home so that none stands in another's way."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from jobferry.errors import SpecError, TransferError
from jobferry.functions.parameters import fill, has_field
from jobferry.functions.sweep_task import SweepTask
from jobferry.job_handle import Job

if TYPE_CHECKING:
    from jobferry.functions.sweep import Sweep


OnLoss = Callable[[Job, TransferError], None]


def fetch(sweep: Sweep, to: Path, templates: Sequence[str], on_loss: OnLoss | None = None) -> list[Path]:
    """Bring the outputs of all tasks into a folder, and return their paths there.

    Args:
        templates: the sweep's outputs; what fits one with parameters in it needs no folder of its task.
        on_loss: told of a job whose outputs did not arrive whole; else that is raised.

    Raises:
        SpecError: the sweep names no outputs.
        TransferError: they did not arrive whole.
    """
    jobs = [job for job in sweep.jobs if job.record.spec.outputs]
    if not (templates or jobs):
        raise SpecError(f"the sweep {sweep.name} names no outputs", hint="say outputs=['...'] when making it")
    found: list[Path] = []
    taken: dict[Path, SweepTask] = {}
    for job in jobs:
        aside = to / f".jobferry-sweep-{job.id}"
        try:
            job.fetch(aside)
        except TransferError as error:
            if on_loss is None:
                raise
            on_loss(job, error)
        tasks = {task.call: task for task in sweep.tasks if task.job is job}
        found += _settle(aside, to, tasks, templates, taken)
        shutil.rmtree(aside, ignore_errors=True)
    return found


def _settle(
    aside: Path,
    to: Path,
    tasks: dict[int, SweepTask],
    templates: Sequence[str],
    taken: dict[Path, SweepTask],
) -> Iterator[Path]:
    """Move what has come to its place; where that is another task's, the task's number tells them apart."""
    for folder in sorted(aside.glob("[0-9]*"), key=lambda path: int(path.name)):
        task = tasks.get(int(folder.name))
        if task is None:
            # its task was removed from the sweep
            continue
        for source in sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()):
            inside = source.relative_to(folder)
            wanted = [to / task.label / inside, to / f"{task.label}-{task.index}" / inside]
            if _is_named(str(inside), task, templates):
                wanted.insert(0, to / inside)
            target = next(path for path in wanted if taken.setdefault(path, task) is task)
            target.parent.mkdir(parents=True, exist_ok=True)
            yield source.replace(target)


def _is_named(name: str, task: SweepTask, templates: Sequence[str]) -> bool:
    """Whether a file's name tells its task: it fits a template with parameters in it."""
    named = (template for template in templates if has_field(template))
    plain = {name: glob.escape(v) if isinstance(v, str) else v for name, v in task.params.items()}
    return any(fnmatchcase(name, fill(template, plain)) for template in named)
