"""What travels to a machine with a job: its scripts, its record, its input files."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobferry.data import read
from jobferry.errors import SpecError
from jobferry.model.record import JobRecord
from jobferry.model.serialize import job_document
from jobferry.model.spec import Input, JobSpec
from jobferry.render.program import Program
from jobferry.render.script import LAUNCHER, USER_SCRIPT, launch_script, script_name
from jobferry.render.shell import compact, octal
from jobferry.schedulers.base import Scheduler

# files up to this size together travel inside the request itself, in the same round trip
INLINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One job, ready to be sent; everything that could be wrong with it here has been looked at.

    Attributes:
        awaited: native ids of the jobs it waits for, by kind of dependency.
    """

    record: JobRecord
    launch: str
    document: str
    scheduler: Scheduler
    awaited: Mapping[str, Sequence[str]]

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

    def write(self, program: Program, *, with_inputs: bool) -> None:
        """Add the making of the job's folder to a program."""
        spec = self.record.spec
        program.do("jf_open", self.record.id)
        program.do("jf_text", script_name(self.scheduler), self.launch)
        program.text(f'jf_text {LAUNCHER} "$JF_LAUNCHER"')
        program.do("jf_text", "job.json", self.document)
        if spec.script is not None:
            program.do("jf_script", USER_SCRIPT, spec.script)
        for entry in spec.inputs if with_inputs else ():
            mode = f"{stat.S_IMODE(entry.source.stat().st_mode) & 0o777:o}"
            program.do("jf_bytes", str(entry.destination), mode, octal(_read(entry)))


def make_payload(record: JobRecord, scheduler: Scheduler, awaited: Mapping[str, Sequence[str]]) -> Payload:
    """Render a job.

    Raises:
        SpecError: the batch system cannot honour it.
    """
    return Payload(
        record=record,
        launch=launch_script(record.spec, record.id, record.machine, scheduler),
        document=job_document(record.spec, record.id, record.created_at),
        scheduler=scheduler,
        awaited=awaited,
    )


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
    supervised = any(payload.scheduler.capabilities.supervised for payload in payloads)
    program.set("JF_LAUNCHER", launcher(supervised=supervised))
    program.do("jf_begin", *(payload.record.id for payload in payloads))
    for payload in payloads:
        payload.write(program, with_inputs=payload.is_inline)
    program.do("jf_place")


@cache
def launcher(*, supervised: bool) -> str:
    """Return the shell library that launch scripts read."""
    names = ("launch.sh", "manifest.sh", "direct.sh") if supervised else ("launch.sh", "manifest.sh")
    return compact("\n".join(read(name) for name in names))


def bulk(payloads: Sequence[Payload]) -> Iterator[Payload]:
    """Yield the jobs whose inputs need a stream of their own."""
    for payload in payloads:
        if payload.record.spec.inputs and not payload.is_inline:
            yield payload


def _read(entry: Input) -> bytes:
    try:
        return Path(entry.source).read_bytes()
    except OSError as error:
        raise SpecError(f"an input cannot be read: {entry.source}: {error.strerror}") from error
