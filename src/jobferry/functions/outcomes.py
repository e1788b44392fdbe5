"""What came of calls: brought home once, kept, and read when somebody asks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobferry.client import Client
from jobferry.errors import ResultError
from jobferry.far.frames import read_frames, read_parts
from jobferry.far.results import counts
from jobferry.model.command import Command
from jobferry.model.function import FunctionCall
from jobferry.model.record import JobRecord
from jobferry.model.spec import format_indices
from jobferry.model.status import JobState
from jobferry.model.submission import Submission
from jobferry.opened import in_folder
from jobferry.render.program import Program
from jobferry.render.shell import quote

Parts = Sequence[bytearray]

# results up to this size come inside the answer, in the same round trip
_INLINE = 1024 * 1024
# network file systems show a file late: so often it is asked for again, a second apart
_TRIES = 6
# what has been waited for in vain is asked for again after so many seconds: files may be seen late
_REST = 10.0


class Outcomes:
    """The results of one job's calls, as far as they are here."""

    def __init__(self, client: Client, record: JobRecord) -> None:
        self._client = client
        self._record = record
        self._covering: dict[int | None, Submission] | None = None
        self._places: dict[int, tuple[Path, Mapping[str, Any], int]] = {}
        self._read: set[Path] = set()
        # tasks that ended well and whose results were waited for in vain: in which run, and when last
        self._in_vain: dict[int | None, tuple[int, float]] = {}

    @property
    def record(self) -> JobRecord:
        """The job, as last seen."""
        return self._record

    def see(self, record: JobRecord) -> None:
        """Take in what is known of the job by now."""
        if record is not self._record:
            self._record, self._covering = record, None

    @property
    def covering(self) -> Mapping[int | None, Submission]:
        """Tell for each task the submission that counts."""
        if self._covering is None:
            self._covering = self._record.covering()
        return self._covering

    @property
    def function(self) -> FunctionCall:
        """The calls, as the job knows them."""
        assert self.record.spec.function is not None
        return self.record.spec.function

    def bring(self, calls: Iterable[int] | None = None) -> None:
        """Bring home the results of calls, or of all, whose task has ended, and that are not here yet.

        Raises:
            TransportError: the machine was not reached.
        """
        self._read_files()
        for attempt in range(_TRIES):
            missing = self._missing(calls)
            if not missing:
                return
            if attempt:
                self._client.clock.sleep(1.0)
            self._fetch(missing)
            self._read_files()
            # what has been waited for before is only asked for
            if all(map(self._is_given_up, self._promised(self._missing(calls)))):
                break
        now = self._client.clock.monotonic()
        promised = self._promised(self._missing(calls))
        self._in_vain.update((task, (self.covering[task].run, now)) for task in promised)

    def header(self, call: int) -> Mapping[str, Any] | None:
        """Return what a call's result says of itself; None when it has none here."""
        found = self._places.get(call)
        return None if found is None else found[1]

    def parts(self, call: int) -> Parts:
        """Read what a call returned."""
        path, header, begin = self._places[call]
        with path.open("rb") as file:
            return read_parts(file, dict(header), begin)

    def _read_files(self) -> None:
        for path in self._client.store.calls.results(self.function):
            if path in self._read:
                continue
            with path.open("rb") as file:
                for header, begin in read_frames(file):
                    known = self._places.get(header["task"])
                    if known is None or counts(header, known[1]):
                        self._places[header["task"]] = path, header, begin
            self._read.add(path)

    def _missing(self, calls: Iterable[int] | None) -> list[int | None]:
        """List the tasks of the job that have ended and have calls whose results are not here."""
        wanted = range(self.function.count) if calls is None else calls
        tasks = (self.task_of(call) for call in wanted if not self.is_here(call))
        ended = (task for task in dict.fromkeys(tasks) if self._has_ended(task))
        return [task for task in ended if not self._is_given_up(task, for_seconds=_REST)]

    def task_of(self, call: int) -> int | None:
        """Tell which task of the job runs a call."""
        return self.function.element_of(call, is_array=self.record.spec.array is not None)

    def is_here(self, call: int) -> bool:
        """Whether the result that counts of a call is here."""
        header = self.header(call)
        if header is None:
            return False
        return bool(header["ok"]) or int(header["run"]) >= self.covering[self.task_of(call)].run

    def is_in_vain(self, call: int) -> bool:
        """Whether a call's task has ended well, and its result says that it did not return, or never came."""
        task = self.task_of(call)
        if self.is_here(call):
            return not self._places[call][1]["ok"]
        return self._is_given_up(task)

    def _is_given_up(self, task: int | None, for_seconds: float = math.inf) -> bool:
        run, when = self._in_vain.get(task, (0, 0.0))
        return run == self.covering[task].run and self._client.clock.monotonic() - when < for_seconds

    def _has_ended(self, task: int | None) -> bool:
        status = self.record.status if task is None else self.record.tasks.get(task)
        return status is not None and status.state.final

    def _promised(self, tasks: Iterable[int | None]) -> list[int | None]:
        """Pick the tasks that ended well: their results are there, or seen soon."""
        done = JobState.COMPLETED
        return [t for t in tasks if (self.record.status if t is None else self.record.tasks[t]).state is done]

    def _fetch(self, tasks: Sequence[int | None]) -> None:
        machine = self._client.machine_of(self.record)
        script = self._script(tasks)
        program = Program()
        machine.enter(program)
        folder = in_folder(self.record.root, self.record.id)
        program.section("folder", Command(argv=("test", "-d", folder)))
        inline = Command(argv=("sh", "-c", f"{{ {script}\n}} | head -c {_INLINE + 1}"))
        program.section("results", inline)
        answers = machine.ask(program, timeout=300.0)
        if answers["folder"].exit_code != 0:
            raise ResultError(
                f"the folder of {self.record.id} is gone: {folder}",
                machine=self.record.machine.name,
                job_id=self.record.id,
            )
        found = answers["results"].stdout
        if len(found) > _INLINE:
            self._keep(machine.connection.stream(Command(argv=("sh", "-c", script), timeout=None)))
        elif found:
            self._keep([found])

    def _keep(self, pieces: Iterable[bytes]) -> None:
        self._client.store.calls.add_results(self.function, pieces)

    def _script(self, tasks: Sequence[int | None]) -> str:
        """Write the script that prints the files with results of those tasks, earlier runs first."""
        runs = sorted({entry.run for entry in self.record.submissions} | {1})
        bases = " ".join("." if run == 1 else f"runs/{run}" for run in runs)
        spans = format_indices(sorted(task for task in tasks if task is not None)).replace(",", " ")
        listing = _ONE if tasks == [None] else _MANY.format(spans=spans)
        folder = quote(in_folder(self.record.root, self.record.id))
        return f"cd {folder} || exit\nfor base in {bases}; do\n{listing}\ndone | xargs cat"


_ONE = '[ ! -f "$base/out/result" ] || echo "$base/out/result"'
# one process reads them all, whatever their number
_MANY = """\
for span in {spans}; do
    task=${{span%-*}}
    while [ "$task" -le "${{span#*-}}" ]; do
        [ ! -f "$base/out/result.$task" ] || echo "$base/out/result.$task"
        task=$((task + 1))
    done
done"""
