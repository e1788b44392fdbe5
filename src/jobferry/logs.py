"""What a job prints, while it prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jobferry.errors import SpecError
from jobferry.model.command import Command
from jobferry.model.record import JobRecord
from jobferry.model.spec import format_indices
from jobferry.opened import OpenMachine, in_run
from jobferry.polling import WATCH_SECONDS
from jobferry.questions import await_news, news_calls
from jobferry.render.program import Program

# what one answer may bring, so that a huge log comes in pieces
_CHUNK = 4 * 1024 * 1024


@dataclass(slots=True)
class LogFile:
    """One log of a job, and how much of it has been read."""

    job: JobRecord
    stream: str = "stdout"
    task: int | None = None
    offset: int = 0

    @property
    def path(self) -> str:
        """Where it is over there."""
        suffix = "" if self.task is None else f".{self.task}"
        return f"{in_run(self.job, self.task)}/out/{self.stream}{suffix}"

    def move_to(self, job: JobRecord) -> bool:
        """Go on with the log of the run that counts now; say whether that is another one."""
        before, self.job = self.path, job
        if self.path == before:
            return False
        self.offset = 0
        return True


def log_files(job: JobRecord, stream: str, task: int | None = None) -> list[LogFile]:
    """Return the logs of a job: one, or one a task.

    Raises:
        SpecError: it has no such task.
    """
    if task is not None and (job.spec.array is None or task not in job.spec.array.indices):
        has = f"tasks {format_indices(job.spec.array.indices)}" if job.spec.array else "no tasks"
        raise SpecError(f"{job.id} has no task {task}", hint=f"it has {has}", job_id=job.id)
    if job.spec.array is None or task is not None:
        return [LogFile(job, stream, task)]
    return [LogFile(job, stream, index) for index in job.spec.array.indices]


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
    job = files[0].job
    while True:
        job = look(job)
        # the job's state is taken before the logs are read: what it printed last is then certainly there
        for pieces in read_whole(machine, files):
            for file, piece in zip(files, pieces, strict=True):
                if piece:
                    write(file, piece)
        if job.state.final:
            return job
        moved = [file.move_to(job) for file in files]
        if any(moved):
            continue
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
