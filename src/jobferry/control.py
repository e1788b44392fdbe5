"""Acting on jobs that the batch system has: cancel, hold, release, delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from jobferry.clock import Clock
from jobferry.errors import SchedulerError, SpecError
from jobferry.model.command import Command, CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.spec import format_indices
from jobferry.model.status import JobState, JobStatus
from jobferry.model.submission import Submission
from jobferry.opened import OpenMachine
from jobferry.parts import end_parts, unfinished
from jobferry.render.program import Program
from jobferry.store import Store


class Controller:
    """Acts on the jobs of one machine, one request for all of them."""

    def __init__(self, machine: OpenMachine, store: Store, clock: Clock) -> None:
        self._machine = machine
        self._store = store
        self._clock = clock

    def cancel(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Ask for the end of jobs: marked first, so that one on its way is never started either."""
        now = self._clock.now()
        asked = [self._note_cancel(record) for record in records]
        sent = [record for record in asked if not record.state.final]
        if not sent:
            return asked
        ids = _ids(sent)
        program = Program()
        self._machine.enter(program)
        program.do("jf_cancel_mark", *(record.id for record in sent))
        if ids:
            program.section("act", self._machine.scheduler.cancel_command(ids))
        answer = self._machine.ask(program).get("act")
        if answer is not None and answer.exit_code != 0 and not _is_over(answer):
            raise self._refused(answer, sent)
        return [replace(record, cancelled_at=record.cancelled_at or now) for record in asked]

    def cancel_tasks(self, record: JobRecord, tasks: Sequence[int]) -> None:
        """Mark tasks of an array, so that none of them begins; the batch system is not asked."""
        covering = record.covering()
        program = Program()
        self._machine.enter(program)
        for run in sorted({covering[task].run for task in tasks}):
            chosen = format_indices(task for task in sorted(tasks) if covering[task].run == run)
            program.do("jf_cancel_tasks", record.id, str(run), chosen)
        self._machine.ask(program)

    def hold(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Keep waiting jobs from starting.

        Raises:
            SpecError: part of one waits here, and would start all the same.
        """
        for record in records:
            if record.native_ids and record.unsent:
                raise SpecError(
                    f"part of {record.id} is not in the batch system's queue yet, and cannot be held",
                    hint=f"`jobferry why {record.id}`, and hold it when all of it is there",
                    job_id=record.id,
                )
        return self._act(records, self._machine.scheduler.hold_command)

    def release(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """Let held jobs start."""
        return self._act(records, self._machine.scheduler.release_command)

    def uncancel(self, records: Sequence[JobRecord]) -> None:
        """Take back over there that jobs were asked to end, so that they can be tried again."""
        marked = [record.id for record in records if record.cancelled_at is not None and record.root]
        if marked:
            program = Program()
            self._machine.enter(program)
            program.do("jf_uncancel", *marked)
            self._machine.ask(program)

    def remove_folders(self, records: Sequence[JobRecord]) -> None:
        """Delete jobs' folders over there."""
        program = Program()
        self._machine.enter(program)
        program.section("remove", Command(argv=("jf_remove", *(record.id for record in records))))
        answer = self._machine.ask(program).get("remove", CommandResult(exit_code=1))
        if answer.exit_code != 0:
            raise self._refused(answer, records)

    def _act(
        self, records: Sequence[JobRecord], command: Callable[[Sequence[str]], Command]
    ) -> list[JobRecord]:
        kept = [record.id for record in records if not record.native_ids]
        if kept:
            raise SpecError(
                f"{kept[0]} is not in the batch system's queue",
                hint=f"`jobferry why {kept[0]}`",
                job_id=kept[0],
            )
        # what has ended is neither held nor let go
        ids = _live_ids(records)
        if not ids:
            return list(records)
        # made before a shell is opened: a dialect may refuse it
        command_of_all = command(ids)
        program = Program()
        program.section("act", command_of_all)
        answer = self._machine.ask(program).get("act", CommandResult(exit_code=1))
        if answer.exit_code != 0 and not _is_over(answer):
            raise self._refused(answer, records)
        return list(records)

    def _note_cancel(self, record: JobRecord) -> JobRecord:
        now = self._clock.now()

        def change(old: JobRecord) -> JobRecord:
            marked = replace(old, cancelled_at=old.cancelled_at or now)
            here = [entry for entry in old.unsent if _is_here(entry, record)]
            if not here:
                return marked
            # nothing of these has left this machine, or has certainly been taken over there
            ended = JobStatus(
                state=JobState.CANCELLED, reason="cancelled before it was submitted", ended_at=now
            )
            return end_parts(marked, {entry.number: ended for entry in here}, now)

        return self._store.update(record.id, change)

    def _refused(self, answer: CommandResult, records: Sequence[JobRecord]) -> SchedulerError:
        return SchedulerError(
            answer.words or "the batch system refused without a word",
            machine=self._machine.machine.name,
            job_id=records[0].id if len(records) == 1 else None,
        )


def _is_here(submission: Submission, seen: JobRecord) -> bool:
    """Whether a submission is certainly nowhere but here: it waits, or nobody has taken it on."""
    if submission.waits is not None:
        return True
    mine = [entry for entry in seen.submissions if entry.number == submission.number]
    return not submission.sent and bool(mine) and mine[0].owner == submission.owner and not seen.root


def check_ended(record: JobRecord) -> None:
    """Refuse to forget a job that goes on.

    Raises:
        SpecError: it has not ended.
    """
    if not record.state.final:
        raise SpecError(
            f"{record.id} has not ended: it is {record.state.value.lower()}",
            hint=f"`jobferry cancel {record.id}` first",
            job_id=record.id,
        )


_OVER = ("already complet", "already finished", "invalid job id")


def _is_over(answer: CommandResult) -> bool:
    # a job that ended in the meantime is no failure of cancelling it
    said = answer.stderr.decode("utf-8", "replace").lower().splitlines()
    # scontrol also tells of the tasks it did it to: `1_2: No error`; its last line sums up
    told = [line for line in said if any(word in line for word in ("error", "invalid", "finished"))]
    errors = [line for line in told if not line.endswith(": no error")]
    return bool(errors) and all(any(words in line for words in _OVER) for line in errors)


def _ids(records: Sequence[JobRecord]) -> list[str]:
    return [native_id for record in records for native_id in record.native_ids]


def _live_ids(records: Sequence[JobRecord]) -> list[str]:
    """List the ids of what has not ended, of an array in parts those with such a task."""
    live = []
    for record in records:
        covering = record.covering()
        entries = {entry.number: entry for entry in (covering[task] for task, _ in unfinished(record))}
        live += [
            id for entry in entries.values() if entry.native_id for id in (entry.native_id, *entry.twins)
        ]
    return live
