"""Many calls in one job: processes side by side, each running one call at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from multiprocessing.connection import Connection, wait

from . import again, results, tasks
from .runner import code_of, tell
from .tasks import this_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Sequence

    from .tasks import Frame

# what a call prints is kept with its result up to so many bytes, the last ones; the job's log has all of it
_KEPT = 1 << 20


class Worker:
    """A process that runs calls for us; it shares what was loaded before it began.

    Args:
        others: our ends of the other processes' connections, which this one is not to hold open.
    """

    def __init__(self, work: tasks.Work, others: Sequence[Connection]) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, its = context.Pipe()
        self.task: Optional[int] = None
        # what is waiting to be written would otherwise be written by both
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = context.Process(target=_serve, args=(work, its, [self.connection, *others]))
        self._process.start()
        its.close()

    def give(self, task: int) -> None:
        """Give it a call to run."""
        self.task = task
        try:
            self.connection.send(task)
        except OSError:
            # it died while it had nothing to do: the answer will say so
            pass

    def take(self) -> Frame:
        """Take what came of its call; its own death comes of it, too."""
        task, self.task = self.task, None
        try:
            header, sizes = self.connection.recv()
            return header, [self.connection.recv_bytes() for _ in range(sizes)]
        except (EOFError, OSError):
            self._process.join()
            words = _end_of(self._process.exitcode)
            about = {"task": task, "run": this_run(), "ok": False, "kind": "died", "message": words}
            return about, []

    def is_alive(self) -> bool:
        """Whether it can be given another call."""
        return self._process.exitcode is None

    def warn(self) -> None:
        """Tell it that the time is nearly over."""
        if self._process.pid is not None and self.is_alive():
            os.kill(self._process.pid, again.warning())

    def end(self) -> None:
        """Let it go."""
        self.connection.close()
        self._process.join()


class Pool:
    """Runs calls, as many at a time as there are processors for this job."""

    def __init__(self, work: tasks.Work, left: Sequence[int]) -> None:
        self._work = work
        self._waiting = iter(left)
        self._workers: List[Worker] = []
        self.stopped = False
        for _ in range(min(len(left), processors(work.header.get("processors")))):
            self._begin()

    def warn(self, *_: object) -> None:
        """Tell all that the time is nearly over."""
        for worker in self._workers:
            worker.warn()

    def frames(self) -> Iterator[Frame]:
        """Keep the processes at work, and yield what comes of the calls as they end."""
        for worker in self._workers:
            self._give_next(worker)
        while True:
            busy = {worker.connection: worker for worker in self._workers if worker.task is not None}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                header, parts = worker.take()
                if header["kind"] == "again":
                    # one has saved its work for the next start: so nothing new is begun in this one
                    self.stopped = True
                else:
                    yield header, parts
                if not worker.is_alive():
                    self._workers.remove(worker)
                    worker.end()
                    worker = self._begin()
                self._give_next(worker)

    def end(self) -> None:
        """Let all processes go."""
        for worker in self._workers:
            worker.end()

    def _begin(self) -> Worker:
        worker = Worker(self._work, [other.connection for other in self._workers])
        self._workers.append(worker)
        return worker

    def _give_next(self, worker: Worker) -> None:
        task = None if self.stopped else next(self._waiting, None)
        if task is not None:
            worker.give(task)


def run(work: tasks.Work, left: Sequence[int], path: str) -> int:
    """Run calls and write down what comes of them; return the exit code for all."""
    pool = Pool(work, left)
    signal.signal(again.warning(), pool.warn)
    code = 0
    try:
        with results.Writer(path) as writer:
            for header, parts in pool.frames():
                _pass_on(header)
                writer.add(header, parts)
                tell(header)
                code = code or code_of(header)
    finally:
        pool.end()
    return again.CODE if pool.stopped else code


def processors(asked: Optional[int]) -> int:
    """Count the processors that are this job's own: as the batch system says, or as was asked of none."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    if asked is not None:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(work: tasks.Work, connection: Connection, others: Sequence[Connection]) -> None:
    """Run calls until there are no more."""
    for other in others:
        other.close()
    signal.signal(again.warning(), signal.SIG_IGN)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        while True:
            try:
                task = connection.recv()
            except EOFError:
                return
            header, parts = tasks.run_in_place(work, task)
            sys.stdout.flush()
            sys.stderr.flush()
            header["stdout"], header["stderr"] = _read_back(out), _read_back(err)
            connection.send((header, len(parts)))
            for part in parts:
                connection.send_bytes(part)


def _read_back(file: BinaryIO) -> str:
    size = file.seek(0, 2)
    file.seek(max(0, size - _KEPT))
    text = file.read().decode("utf-8", "replace")
    file.seek(0)
    file.truncate()
    return text


def _pass_on(header: Dict[str, Any]) -> None:
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        if header.get(name):
            stream.write(header[name])
            stream.flush()


def _end_of(code: Optional[int]) -> str:
    if code is not None and code < 0:
        return "the process that ran it was ended by signal %d (%s)" % (-code, _signal_name(-code))
    return "the process that ran it ended with exit code %s, and without a result" % code


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
