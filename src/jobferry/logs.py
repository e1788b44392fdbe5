"""What a job prints, while it prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jobferry.errors import SpecError
from jobferry.model.command import Command
from jobferry.model.record import JobRecord
from jobferry.model.spec import format_indices
from jobferry.opened import OpenMachine, run_folder
from jobferry.polling import WATCH_SECONDS
from jobferry.questions import await_news, news_calls
from jobferry.render.program import Program

# what one answer may bring, so that a huge log comes in pieces
_CHUNK = 4 * 1024 * 1024


@dataclass(slots=True)
class LogFile:
    """One log of a job, and how much of it has been read.

    Attributes:
        path: where it is over there.
    """

    path: str
    stream: str
    task: int | None
    offset: int = 0


def log_files(job: JobRecord, stream: str, task: int | None = None) -> list[LogFile]:
    """Return the logs of a job: one, or one a task.

    Raises:
        SpecError: it has no such task.
    """
    if task is not None and (job.spec.array is None or task not in job.spec.array.indices):
        has = f"tasks {format_indices(job.spec.array.indices)}" if job.spec.array else "no tasks"
        raise SpecError(f"{job.id} has no task {task}", hint=f"it has {has}", job_id=job.id)
    covering = job.covering()
    wanted = job.spec.array.indices if job.spec.array is not None and task is None else (task,)
    return [LogFile(_path(job, covering[index].run, stream, index), stream, index) for index in wanted]


def move_to(files: Sequence[LogFile], job: JobRecord) -> bool:
    """Go on with the logs of the runs that count now; say whether those are others."""
    covering, moved = job.covering(), False
    for file in files:
        path = _path(job, covering[file.task].run, file.stream, file.task)
        if path != file.path:
            file.path, file.offset, moved = path, 0, True
    return moved


def _path(job: JobRecord, run: int, stream: str, task: int | None) -> str:
    return f"{run_folder(job, run)}/out/{stream}{'' if task is None else f'.{task}'}"


def read_logs(machine: OpenMachine, files: Sequence[LogFile]) -> list[bytes]:
    """Read what is new in each log, all in one request for as long as they are small."""
    program = Program()
    for number, file in enumerate(files):
        command = Command(argv=("jf_log", file.path, str(file.offset), str(_CHUNK)))
        program.section(f"log {number}", command)
    answers = machine.ask(program)
    return [_advance(file, answers[f"log {number}"].stdout) for number, file in enumerate(files)]


def read_whole(machine: OpenMachine, files: Sequence[LogFile]) -> Iterator[list[bytes]]:
    """Read logs to their present ends, in pieces."""
    while any(pieces := read_logs(machine, files)):
        yield pieces
        if all(len(piece) < _CHUNK for piece in pieces):
            return


def read_last(machine: OpenMachine, files: Sequence[LogFile], lines: int) -> list[bytes]:
    """Read the last lines of each log; reading on begins where they end."""
    program = Program()
    for number, file in enumerate(files):
        program.section(f"log {number}", Command(argv=("jf_last", file.path, str(lines))))
    answers = machine.ask(program)
    found = []
    for number, file in enumerate(files):
        size, _, text = answers[f"log {number}"].stdout.partition(b"\n")
        file.offset = int(size or 0)
        found.append(text)
    return found


def follow(
    machine: OpenMachine,
    job: JobRecord,
    files: Sequence[LogFile],
    look: Callable[[JobRecord], JobRecord],
    write: Callable[[LogFile, bytes], None],
) -> JobRecord:
    """Hand on what is printed until the job has ended and all of it has been read.

    One wait over there is told of new output and of new records alike; the batch system is not asked.

    Args:
        look: finds out how the job stands, and does not ask more often than it may.
        write: takes what is new in a log.
    """
    while True:
        job = look(job)
        # the job's state is taken before the logs are read: what it printed last is then certainly there
        for pieces in read_whole(machine, files):
            for file, piece in zip(files, pieces, strict=True):
                if piece:
                    write(file, piece)
        if move_to(files, job):
            # also when it has ended: a whole attempt may have come and gone since the last look
            continue
        if job.state.final:
            return job
        _await_news(machine, job, files)


def _await_news(machine: OpenMachine, job: JobRecord, files: Sequence[LogFile]) -> None:
    program = Program()
    machine.enter(program)
    grown = [("jf_grown", file.path, str(file.offset)) for file in files]
    seconds = 1 if job.status.finishing_since else WATCH_SECONDS
    await_news(program, [*news_calls([job]), *grown], seconds, otherwise=":")
    machine.ask(program, timeout=seconds + 60.0, watch=True)


def _advance(file: LogFile, piece: bytes) -> bytes:
    file.offset += len(piece)
    return piece
