"""Bringing a job's outputs home: whole, checked, and again only what is missing."""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobferry.clock import Clock
from jobferry.errors import SpecError, TransferError
from jobferry.model.command import Command
from jobferry.model.record import JobRecord
from jobferry.opened import OpenMachine, in_folder
from jobferry.questions import manifest_call
from jobferry.render.program import Program
from jobferry.render.shell import expand_path, quote, quote_pattern
from jobferry.staging.aside import remove_leftovers
from jobferry.staging.manifest import Kind, ManifestEntry, check, parse_manifest
from jobferry.staging.progress import Progress
from jobferry.staging.transfer import receive
from jobferry.staging.unpack import unpack

if TYPE_CHECKING:
    from jobferry.client import Client

logger = logging.getLogger(__name__)

# outputs up to this size come inside the answer, in the same round trip
INLINE_BYTES = 1024 * 1024
# network file systems show a file late: so often it is asked for again, a second apart
_TRIES = 6
# one argument of a program may be 128 KB on Linux
_LONGEST_SCRIPT = 60_000


def fetch(
    client: Client, record: JobRecord, to: Path, progress: Progress | None
) -> tuple[JobRecord, list[Path]]:
    """Bring a job's outputs into a folder, and say which paths came.

    What is on its way is kept aside, in the folder itself, and renamed when all of it is there.

    Raises:
        SpecError: the job names no outputs, or has not begun.
        TransferError: outputs did not arrive whole; what did arrive is kept for the next try.
    """
    if not record.spec.outputs:
        raise SpecError(f"{record.id} names no outputs", hint="say --output PATTERN when submitting")
    record = client.refresh([record])[0]
    if not record.root:
        raise SpecError(f"{record.id} has not been submitted")
    machine = client.machine_of(record)
    aside = to / f".jobferry-{record.id}"
    made = not to.exists()
    aside.mkdir(parents=True, exist_ok=True)
    remove_leftovers(aside)
    manifest, refused = _bring(machine, record, aside, progress)
    refused = _complete(client.clock, machine, record, manifest, aside, progress) or refused
    paths = list(_settle(aside, to))
    shutil.rmtree(aside)
    if refused is not None:
        raise refused
    if made and not paths:
        to.rmdir()
    return record, paths


def _complete(
    clock: Clock,
    machine: OpenMachine,
    record: JobRecord,
    manifest: Sequence[ManifestEntry],
    aside: Path,
    progress: Progress | None,
) -> TransferError | None:
    """Ask again for what network file systems show late, and return what was said of what cannot be brought.

    Raises:
        TransferError: something is still missing.
    """
    # what may not be brought home, such as a link that leads out, is not waited for
    files = [entry for entry in manifest if entry.kind is Kind.FILE]
    refused = None
    for _ in range(_TRIES):
        missing = check(files, aside)
        if not missing:
            return refused
        clock.sleep(1.0)
        refused = _stream(machine, record, missing, aside, progress) or refused
    if refused is not None:
        raise refused
    raise TransferError(
        f"not all outputs of {record.id} arrived: {', '.join(missing[:3])}",
        hint=f"`jobferry fetch {record.id}` again brings what is missing",
        machine=record.machine.name,
        job_id=record.id,
    )


def _bring(
    machine: OpenMachine, record: JobRecord, aside: Path, progress: Progress | None
) -> tuple[Sequence[ManifestEntry], TransferError | None]:
    """Ask for manifest and outputs in one request; what is too large for it comes in a stream of its own.

    Also returns what was said of things that cannot be brought home.
    """
    program = Program()
    machine.enter(program)
    program.section("folder", Command(argv=("test", "-d", in_folder(record.root, record.id))))
    program.section("manifest", Command(argv=manifest_call(record)))
    packed = _pack(record, [quote_pattern(pattern) for pattern in record.spec.output_patterns])
    wanted = f"{{ {packed}\n}} | head -c {INLINE_BYTES + 1}"
    program.section("outputs", Command(argv=("sh", "-c", wanted)))
    answers = machine.ask(program, timeout=300.0)
    if answers["folder"].exit_code != 0:
        raise TransferError(
            f"the folder of {record.id} is gone: {in_folder(record.root, record.id)}",
            machine=record.machine.name,
            job_id=record.id,
        )
    if (told := answers["manifest"]).exit_code != 0:
        # without it nobody knows whether all of them came
        raise TransferError(
            f"the lists of outputs of {record.id} could not be read: {told.words}",
            machine=record.machine.name,
            job_id=record.id,
        )
    manifest = parse_manifest(told.stdout)
    outputs = answers["outputs"].stdout
    had = any(aside.iterdir())
    refused = None
    if outputs and len(outputs) <= INLINE_BYTES:
        try:
            unpack(io.BytesIO(outputs), aside, progress=progress)
        except TransferError as error:
            refused = error
    elif outputs:
        names = check(manifest, aside) if had and manifest else ()
        refused = _stream(machine, record, names, aside, progress)
    else:
        logger.warning("%s has made none of its outputs: %s", record.id, ", ".join(record.spec.outputs))
    return manifest, refused


def _stream(
    machine: OpenMachine, record: JobRecord, names: Sequence[str], aside: Path, progress: Progress | None
) -> TransferError | None:
    """Bring the named outputs, or all of them, in a process of their own; return what it said went wrong."""
    script = _pack(record, [quote(f"./{name}") for name in names])
    if not names or len(script) > _LONGEST_SCRIPT:
        script = _pack(record, [quote_pattern(pattern) for pattern in record.spec.output_patterns])
    command = Command(argv=("sh", "-c", script), timeout=None)
    try:
        receive(machine.connection, command, aside, progress=progress)
    except TransferError as error:
        return error
    return None


def _pack(record: JobRecord, words: Sequence[str]) -> str:
    """Write the script that packs outputs, named by shell words; those that nothing matches are left out."""
    folder = record.spec.directory
    where = expand_path(str(folder)) if folder else quote(f"{in_folder(record.root, record.id)}/work")
    lines = [f"cd {where} || exit", "all="]
    for word in words:
        lines.append(f'set -- {word}; if [ -e "$1" ] || [ -L "$1" ]; then all="$all "{quote(word)}; fi')
    # GNU tar would read a backslash in a name as the beginning of an escape
    lines += ["plain=", "tar --no-unquote --version >/dev/null 2>&1 && plain=--no-unquote"]
    lines += ['eval "set -- $all"', '[ $# -eq 0 ] || tar $plain -cf - -- "$@"']
    return "\n".join(lines)


def _settle(aside: Path, to: Path) -> Iterator[Path]:
    """Move what has arrived to its place: each file by a rename, folders merged."""
    for folder, folders, files in os.walk(aside):
        here = to / Path(folder).relative_to(aside)
        here.mkdir(parents=True, exist_ok=True)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *links]):
            (Path(folder) / name).replace(here / name)
            yield here / name
