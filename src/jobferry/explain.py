"""Why a job waits, or why it died: in words, and what each witness says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobferry.dependencies import unmet
from jobferry.details import numbered_attempts
from jobferry.errors import JobferryError, ParseError, SchedulerBusy
from jobferry.judging import said_of
from jobferry.model.command import Command, CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.units import format_time
from jobferry.opened import OpenMachine, in_run
from jobferry.questions import all_record_calls
from jobferry.render.program import Program
from jobferry.render.records import Finished, Records, Started, parse_records
from jobferry.render.shell import join
from jobferry.schedulers.base import Answer

if TYPE_CHECKING:
    from jobferry.client import Client

Parse = Callable[[CommandResult, Sequence[str]], Answer]

_TAIL_LINES = 10
_MOST_WORDS = 5
_DEATHS = {
    Failure.EXIT_CODE: "its command ended with exit code {exit_code}",
    Failure.SIGNAL: "signal {signal} ended it",
    Failure.TIMEOUT: "it reached its time limit; ask for more --time, or save and go on with --signal",
    Failure.OUT_OF_MEMORY: "it used more memory than it had; ask for more --mem",
    Failure.NODE_FAIL: "a node it ran on failed; submit it again",
    Failure.PREEMPTED: "a job of higher rank took its place; submit it again",
    Failure.DEPENDENCY: "a job it depends on did not end as it should",
    Failure.REJECTED: "the batch system did not take it",
    Failure.LAUNCH: "it ended before its first own line",
}
_STATES = {
    JobState.CREATED: "it has not been sent yet",
    JobState.STAGING: "its files are on their way",
    JobState.SUBMITTING: "whether the batch system has taken it is not known yet",
    JobState.QUEUED: "it waits for its turn",
    JobState.HELD: "it is held",
    JobState.RUNNING: "it is running",
    JobState.SUSPENDED: "the batch system has suspended it",
    JobState.COMPLETED: "it ended as it should",
    JobState.CANCELLED: "it was cancelled",
    JobState.LOST: "nothing is known of its end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What can be said of a job.

    Attributes:
        words: sentences for people, the one that matters first.
        evidence: who says what: queue, accounting, the job's own records.
        tail: the last lines it printed on standard error.
    """

    words: tuple[str, ...]
    evidence: tuple[tuple[str, str], ...]
    tail: str = ""


def explain(client: Client, record: JobRecord) -> Explanation:
    """Say how a job stands; what cannot be asked now is said of what was seen last."""
    stored = ("last seen", _seen(record.status))
    try:
        record = client.refresh([record])[0]
        machine = client.machine_of(record)
        reason = _explained(machine, record.status.reason)
        witnesses, tail = _ask(machine, record)
    except JobferryError as error:
        words = (
            *_words(record, None),
            *_blame(client, record),
            f"its machine was not reached: {error}",
            *_hint(error),
        )
        return Explanation(words=words, evidence=(stored,))
    words = (*_words(record, reason), *_blame(client, record))
    return Explanation(words=words, evidence=witnesses, tail=tail)


def _blame(client: Client, record: JobRecord) -> Iterator[str]:
    if record.status.failure is Failure.DEPENDENCY:
        yield from unmet(record, client)


def _hint(error: JobferryError) -> Iterator[str]:
    if error.hint:
        yield f"what can be done: {error.hint}"


def _explained(machine: OpenMachine, reason: str | None) -> str | None:
    return machine.scheduler.explain(reason) if reason else None


def _words(record: JobRecord, explained: str | None) -> Iterator[str]:
    status = record.status
    if status.failure is not None:
        first = _DEATHS[status.failure].format(exit_code=status.exit_code, signal=status.signal)
    else:
        first = _STATES.get(status.state, f"it is {status.state.value.lower()}")
    yield first
    if status.reason and status.reason != first:
        yield f"{status.reason}: {explained}" if explained else status.reason
    # an array in parts may wait for the same thing many times
    waits = dict.fromkeys(entry.waits for entry in record.unsent if entry.waits)
    yield from (words for words in waits if words not in (status.reason or ""))
    if any(entry.doubted_since is not None for entry in record.unsent):
        yield "its submission was left without an answer; the next look finds out, do not submit it again"
    since = [entry.submitted_at for entry in record.current if entry.submitted_at is not None]
    if status.state is JobState.QUEUED and since:
        yield f"it waits since {_moment(min(since))}"
    if status.started_at is not None and status.ended_at is not None:
        yield f"it ran for {format_time(status.ended_at - status.started_at)}"
    if status.restarts:
        yield f"it was started again {status.restarts} time{'s' if status.restarts > 1 else ''}"
    yield from _past(record)


def _past(record: JobRecord) -> Iterator[str]:
    """Say what became of the runs that were followed by another."""
    shown = list(numbered_attempts(record))[-_MOST_WORDS:]
    if len(shown) < len(record.attempts):
        yield f"{len(record.attempts)} attempts have failed; the last {len(shown)}:"
    for number, attempt in shown:
        of = "" if attempt.task is None else f" of task {attempt.task}"
        native = f" ({attempt.native_id})" if attempt.native_id else ""
        yield f"attempt {number}{of} ended with {_end_of(attempt.status)}{native}"


def _end_of(status: JobStatus) -> str:
    if status.failure is Failure.EXIT_CODE:
        return f"exit code {status.exit_code}"
    if status.failure is Failure.SIGNAL:
        return f"signal {status.signal}"
    return (status.failure or status.state).value


def _ask(machine: OpenMachine, record: JobRecord) -> tuple[tuple[tuple[str, str], ...], str]:
    """Ask all witnesses in one request."""
    if not record.root or not record.native_ids:
        return (), ""
    scheduler, ids = machine.scheduler, list(record.native_ids)
    history = scheduler.history_command(ids, machine.facts)
    program = Program()
    machine.enter(program)
    program.section("queue", scheduler.status_command(ids))
    if history is not None:
        program.section("history", history)
    calls = "; ".join(join(call) for call in all_record_calls(record))
    program.text(f"jf_all_records() {{ {calls}; }}")
    program.section("records", Command(argv=("jf_all_records",)))
    failed = _failed_task(record)
    log = f"{in_run(record, failed)}/out/stderr{'' if failed is None else f'.{failed}'}"
    program.section("tail", Command(argv=("jf_last", log, str(_TAIL_LINES))))
    answers = machine.ask(program)
    nothing = CommandResult(exit_code=1)
    evidence = [("queue", _said(scheduler.parse_status, answers.get("queue", nothing), record))]
    if history is not None:
        name = "accounting" if machine.facts.accounting else "the batch system's memory"
        evidence.append((name, _said(scheduler.parse_history, answers.get("history", nothing), record)))
    records = parse_records(answers.get("records", nothing).text)
    evidence.append(("its records", _told(records.get(record.id))))
    return tuple(evidence), answers.get("tail", nothing).text.partition("\n")[2].rstrip("\n")


def _failed_task(record: JobRecord) -> int | None:
    if record.spec.array is None:
        return None
    failed = (task for task, status in record.tasks.items() if status.state is JobState.FAILED)
    return next(failed, record.spec.array.indices[0])


def _said(parse: Parse, answer: CommandResult, record: JobRecord) -> str:
    try:
        said = said_of(record, parse(answer, record.native_ids))
    except (SchedulerBusy, ParseError) as error:
        return f"no answer: {error}"
    if not said:
        return "knows nothing of it"
    return _listed(
        [
            f"{_task(task)}{seen.native_state}" + (f", {seen.reason}" if seen.reason else "")
            for task, seen in said.items()
        ]
    )


def _told(records: Records | None) -> str:
    if records is None:
        return "none yet"
    if records.folder_missing:
        return "its folder is gone"
    ended = [_end(task, entry) for task, entry in records.finished.items()]
    begun = [_begin(task, entry) for task, entry in records.started.items() if task not in records.finished]
    cancel = ["a cancel was asked for"] if records.cancelled else []
    return _listed([*cancel, *ended, *begun]) or "none yet"


def _listed(words: Sequence[str]) -> str:
    more = [f"and {len(words) - _MOST_WORDS} more"] if len(words) > _MOST_WORDS else []
    return "; ".join([*words[:_MOST_WORDS], *more])


def _end(task: int | None, entry: Finished) -> str:
    how = f"exit code {entry.exit_code}" if entry.signal is None else f"signal {entry.signal}"
    more = [f"stopped by {entry.stopped}"] if entry.stopped else []
    more += [entry.cause.lower()] if entry.cause else []
    killed = "1 process" if entry.oom_kills == 1 else f"{entry.oom_kills} processes"
    more += [f"{killed} killed for memory"] if entry.oom_kills else []
    return f"{_task(task)}ended with {', '.join([how, *more])} on {entry.host}"


def _begin(task: int | None, entry: Started) -> str:
    return f"{_task(task)}began on {entry.host}"


def _task(task: int | None) -> str:
    return "" if task is None else f"task {task} "


def _seen(status: JobStatus) -> str:
    when = f" at {_moment(status.observed_at)}" if status.observed_at else ""
    native = f" ({status.native_state})" if status.native_state else ""
    return f"{status.state.value.lower()}{native}{when}"


def _moment(at: object) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
