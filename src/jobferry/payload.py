"""What travels to a machine with a job: its scripts, its record, its input files."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jobferry.data import read
from jobferry.errors import SpecError
from jobferry.model.record import JobRecord
from jobferry.model.serialize import job_document, submission_to_json
from jobferry.model.spec import JobSpec, format_indices
from jobferry.model.submission import Submission
from jobferry.render.program import Program
from jobferry.render.script import LAUNCHER, USER_SCRIPT, launch_script, script_name
from jobferry.render.shell import compact, octal
from jobferry.schedulers.base import Scheduler

# files up to this size together travel inside the request itself, in the same round trip
INLINE_BYTES = 64 * 1024

Awaited = Mapping[str, Sequence[str]]
"""Native ids of the jobs that a job waits for, by kind of dependency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Submissions of one job, ready to be sent; all that could be wrong with it here has been looked at.

    Attributes:
        scripts: number of each submission to be sent -> its launch script.
        never: why it must not be begun any more; None when it may. What was begun is found out all the same.
        calls: the file here with calls of functions, if the job is of those.
    """

    record: JobRecord
    scripts: Mapping[int, str]
    scheduler: Scheduler
    awaited: Awaited
    never: str | None = None
    calls: Path | None = None

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """What is to be handed over, as the record has it."""
        return tuple(entry for entry in self.record.submissions if entry.number in self.scripts)

    @property
    def launch(self) -> str:
        """The first of the launch scripts."""
        return next(iter(self.scripts.values()))

    @property
    def has_folder(self) -> bool:
        """Whether the job's folder is over there for certain."""
        return self.record.placed or bool(self.record.native_ids)

    @property
    def is_inline(self) -> bool:
        """Whether the inputs are few and small enough to travel in the request."""
        spec = self.record.spec
        if spec.directory is not None:
            return not spec.inputs
        try:
            found = [entry.source.lstat() for entry in spec.inputs]
        except OSError:
            return False
        are_files = all(stat.S_ISREG(entry.st_mode) for entry in found)
        return are_files and sum(entry.st_size for entry in found) <= INLINE_BYTES

    @property
    def apart(self) -> Path | None:
        """The file with calls, where it is too large to travel in the request."""
        is_large = self.calls is not None and self.calls.stat().st_size > INLINE_BYTES
        return self.calls if is_large and not self.has_folder else None

    def write(self, program: Program) -> None:
        """Add the making of the job's folder to a program."""
        spec = self.record.spec
        program.do("jf_open", self.record.id)
        for entry in self.submissions:
            if entry.number == 1:
                program.do("jf_text", script_name(self.scheduler, entry), self.scripts[1])
                if entry.tasks:
                    program.do("jf_text", *_about(entry))
        program.text(f'jf_text {LAUNCHER} "$JF_LAUNCHER"')
        document = job_document(spec, self.record.id, self.record.created_at)
        program.do("jf_text", "job.json", document)
        if self.calls is not None and self.apart is None:
            program.do("jf_call", octal(_read(self.calls)))
        if spec.script is not None:
            program.do("jf_script", USER_SCRIPT, spec.script)
        for file in spec.inputs if self.is_inline else ():
            mode = f"{stat.S_IMODE(file.source.stat().st_mode) & 0o777:o}"
            program.do("jf_bytes", str(file.destination), mode, octal(_read(file.source)))

    def add(self, program: Program) -> None:
        """Add what further submissions need in a folder that is there."""
        for entry in self.submissions:
            if entry.number > 1:
                words = (script_name(self.scheduler, entry), self.scripts[entry.number])
                program.do("jf_add", self.record.id, str(entry.run), *words, *_about(entry))
                if earlier := sorted({e.run for e in self.record.submissions if e.run < entry.run}):
                    tasks = format_indices(self.record.tasks_of(entry)) or "job"
                    program.do("jf_close", self.record.id, tasks, *map(str, earlier))


def _about(entry: Submission) -> tuple[str, str]:
    """Name and write what cannot be told from the job itself, for whoever finds the folder and no store."""
    return f"submission-{entry.number}.json", submission_to_json(entry.unsent())


def make_payload(
    record: JobRecord,
    submissions: Sequence[Submission],
    scheduler: Scheduler,
    awaited: Awaited,
    calls: Path | None = None,
) -> Payload:
    """Render submissions of a job.

    Args:
        calls: the file with its calls of functions.

    Raises:
        SpecError: the batch system cannot honour it.
    """
    scripts = {entry.number: _script(record, entry, scheduler) for entry in submissions}
    return Payload(record=record, scripts=scripts, scheduler=scheduler, awaited=awaited, calls=calls)


def _script(record: JobRecord, submission: Submission, scheduler: Scheduler) -> str:
    spec = record.spec_of(submission)
    excluded = scheduler.exclude_flags(submission.exclude, spec.native)
    spec = replace(spec, native=(*spec.native, *excluded))
    return launch_script(spec, record.id, record.machine, scheduler, submission)


def check_inputs(spec: JobSpec) -> None:
    """Look whether a job's inputs are there.

    Raises:
        SpecError: one is missing.
    """
    for entry in spec.inputs:
        if not entry.source.exists() and not entry.source.is_symlink():
            raise SpecError(
                f"no such input: {entry.source}", hint="inputs are files and folders on this machine"
            )


def write_payloads(program: Program, payloads: Sequence[Payload]) -> None:
    """Add the folders of many jobs; what all launch scripts share is sent once."""
    if fresh := [payload for payload in payloads if not payload.has_folder]:
        supervised = any(payload.scheduler.capabilities.supervised for payload in fresh)
        program.set("JF_LAUNCHER", launcher(supervised=supervised))
        program.do("jf_begin", *(payload.record.id for payload in fresh))
        functions = [payload.record.spec.function for payload in fresh]
        for runtime in sorted({function.runtime for function in functions if function is not None}):
            program.do("jf_needs", runtime)
        for payload in fresh:
            payload.write(program)
        program.do("jf_place")
    for payload in payloads:
        payload.add(program)


@cache
def launcher(*, supervised: bool) -> str:
    """Return the shell library that launch scripts read."""
    names = ("launch.sh", "manifest.sh", *(("launch_direct.sh", "direct.sh") if supervised else ()))
    return compact("\n".join([*map(read, names), 'jobferry_begin "$@"']))


def bulk(payloads: Sequence[Payload]) -> Iterator[Payload]:
    """Yield the jobs whose inputs need a stream of their own."""
    for payload in payloads:
        if payload.record.spec.inputs and not payload.has_folder and not payload.is_inline:
            yield payload


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"an input cannot be read: {path}: {error.strerror}") from error
