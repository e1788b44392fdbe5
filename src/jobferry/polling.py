"""Finding out how jobs stand: one request a machine, whatever the number of jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from jobferry.clock import Clock
from jobferry.errors import ParseError, SchedulerBusy
from jobferry.evidence import Evidence, Said, Witnesses, all_tasks, unfinished
from jobferry.model.command import Command, CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.status import JobStatus
from jobferry.opened import OpenMachine
from jobferry.render.program import Program
from jobferry.render.records import Records, parse_records
from jobferry.render.shell import join
from jobferry.store import Store
from jobferry.verdict import judge, judge_records, summarise

logger = logging.getLogger(__name__)

Judge = Callable[[JobStatus, Evidence, datetime], JobStatus]
# a wait over there ends by itself after this time: a client that died leaves nothing behind for long
WATCH_SECONDS = 20


class Poller:
    """Asks one machine about its jobs."""

    def __init__(self, machine: OpenMachine, store: Store, clock: Clock) -> None:
        self._machine = machine
        self._store = store
        self._clock = clock

    @property
    def interval(self) -> timedelta:
        """How much time must pass between two questions to the batch system."""
        asked = self._machine.machine.poll_interval
        return asked or timedelta(seconds=self._machine.scheduler.capabilities.poll_seconds)

    def may_ask_queue(self) -> bool:
        """Whether the batch system may be asked again; what other processes asked counts."""
        last = self._store.last_poll(self._machine.machine.name)
        return last is None or self._clock.now() - last >= self.interval

    def poll(self, records: Sequence[JobRecord], *, ask_queue: bool) -> list[JobRecord]:
        """Look at submitted jobs: the queue once for all, where it is asked, and their new records."""
        live = [record for record in records if record.native_id and not record.state.final]
        if not live:
            return list(records)
        queue, seen = self._ask(live, ask_queue=ask_queue)
        judged = self._judge_records(live, seen) if queue is None else self._judge_all(live, queue, seen)
        return [judged.get(record.id, record) for record in records]

    def watch(self, records: Sequence[JobRecord], seconds: int) -> list[JobRecord]:
        """Wait over there for a new record, `seconds` at most; the batch system is not asked."""
        live = [record for record in records if record.native_id and not record.state.final]
        if not live or seconds < 1:
            return list(records)
        program = Program()
        self._machine.enter(program)
        news = " || ".join(join(("jf_news", record.id, told(record))) for record in live)
        program.text(f"jf_any_news() {{ {news}; }}")
        program.text(f"jf_until {min(seconds, WATCH_SECONDS)} jf_any_news || exit 0")
        self._add_records(program, live)
        answers = self._machine.ask(program, timeout=seconds + 60.0, watch=True)
        if "records" not in answers:
            return list(records)
        seen = parse_records(answers["records"].text)
        judged = self._judge_records(live, seen)
        return [judged.get(record.id, record) for record in records]

    # -- asking

    def _ask(
        self, live: Sequence[JobRecord], *, ask_queue: bool
    ) -> tuple[Mapping[str, Said] | None, Mapping[str, Records]]:
        scheduler = self._machine.scheduler
        ids = [record.native_id for record in live if record.native_id]
        program = Program()
        self._machine.enter(program)
        if ask_queue:
            program.section("queue", scheduler.status_command(ids))
        # read after the queue was asked: a job that ends in between is seen ended, not missing
        self._add_records(program, live)
        answers = self._machine.ask(program)
        seen = parse_records(answers["records"].text) if "records" in answers else {}
        if not ask_queue:
            return None, seen
        self._store.note_poll(self._machine.machine.name, self._clock.now())
        try:
            return scheduler.parse_status(answers.get("queue", CommandResult(exit_code=1)), ids), seen
        except (SchedulerBusy, ParseError) as error:
            logger.warning("%s: %s", self._machine.machine.name, error)
            return None, seen

    @staticmethod
    def _add_records(program: Program, live: Sequence[JobRecord]) -> None:
        calls = "; ".join(join(("jf_records", record.id, known(record))) for record in live)
        program.text(f"jf_all_records() {{ {calls}; }}")
        program.section("records", Command(argv=("jf_all_records",)))

    def _ask_history(self, live: Sequence[JobRecord]) -> Mapping[str, Said]:
        scheduler = self._machine.scheduler
        ids = [record.native_id for record in live if record.native_id]
        command = scheduler.history_command(ids, self._machine.facts) if ids else None
        if command is None:
            return {}
        program = Program()
        program.section("history", command)
        answer = self._machine.ask(program).get("history", CommandResult(exit_code=1))
        try:
            return scheduler.parse_history(answer, ids)
        except (SchedulerBusy, ParseError) as error:
            logger.warning("%s: %s", self._machine.machine.name, error)
            return {}

    # -- judging

    def _judge_all(
        self, live: Sequence[JobRecord], queue: Mapping[str, Said], seen: Mapping[str, Records]
    ) -> dict[str, JobRecord]:
        witnesses = {record.id: self._witnesses(record, _of(record, queue), seen) for record in live}
        unexplained = [record for record in live if witnesses[record.id].want_history(record)]
        history = self._ask_history(unexplained)
        for record in unexplained:
            witnesses[record.id] = replace(witnesses[record.id], history=_of(record, history))
        return self._store_verdicts(live, witnesses, judge)

    def _judge_records(self, live: Sequence[JobRecord], seen: Mapping[str, Records]) -> dict[str, JobRecord]:
        witnesses = {record.id: self._witnesses(record, None, seen) for record in live}
        return self._store_verdicts(live, witnesses, judge_records)

    def _witnesses(self, record: JobRecord, queue: Said | None, seen: Mapping[str, Records]) -> Witnesses:
        return Witnesses(
            queue=queue,
            records=seen.get(record.id),
            cancelled=record.cancelled_at is not None,
            supervised=self._machine.scheduler.capabilities.supervised,
        )

    def _store_verdicts(
        self, live: Sequence[JobRecord], witnesses: Mapping[str, Witnesses], decide: Judge
    ) -> dict[str, JobRecord]:
        now = self._clock.now()

        def change(old: JobRecord) -> JobRecord:
            return apply(old, witnesses[old.id], decide, now)

        after = self._store.update_all([record.id for record in live], change)
        for old, new in zip(live, after, strict=True):
            if new.state is not old.state:
                logger.info("%s: %s -> %s", old.id, old.state, new.state)
        return {record.id: record for record in after}


def _of(record: JobRecord, said: Mapping[str, Said]) -> Said:
    """Pick what was said of a job, and not of another one that bears its native id now."""
    rows = said.get(record.native_id or "", {})
    return {
        task: seen
        for task, seen in rows.items()
        if seen.native_name is None or seen.native_name.endswith(record.id)
    }


def known(record: JobRecord) -> str:
    """Name the records over there that are final and already judged, as ``jf_records`` reads them."""
    done = (f"{task}.finished" for task, status in record.tasks.items() if status.state.final)
    return f",{','.join(done)},"


def told(record: JobRecord) -> str:
    """Name the records over there whose being there is no news, as ``jf_news`` reads them."""
    statuses = record.tasks if record.spec.array is not None else {"job": record.status}
    # a job that waits to be started again has the records of its last run lying about
    begun = (f"{task}.started" for task, status in statuses.items() if status.started_at or status.restarts)
    ended = (
        f"{task}.finished"
        for task, status in statuses.items()
        if status.finishing_since or status.state.final or (status.restarts and not status.started_at)
    )
    return f",{','.join([*begun, *ended])},"


def apply(record: JobRecord, witnesses: Witnesses, decide: Judge, now: datetime) -> JobRecord:
    """Judge a job, and each task of an array, by what was seen; the very record when nothing is new."""
    native_id = _writer(record, witnesses)
    if native_id != record.native_id:
        # what the queue said was said of another native job, which left this one to its owner
        record, decide = replace(record, native_id=native_id), judge_records
    looked_at = {
        task: (status, decide(status, witnesses.about(task), now)) for task, status in unfinished(record)
    }
    changed = {task: after for task, (before, after) in looked_at.items() if not _is_same(before, after)}
    if not changed:
        return record
    if record.spec.array is None:
        return replace(record, status=changed[None])
    before = all_tasks(record)
    tasks = {**before, **{task: status for task, status in changed.items() if task is not None}}
    return replace(record, tasks=tasks, status=summarise(tasks.values(), now))


def _is_same(before: JobStatus, after: JobStatus) -> bool:
    # when it was looked at is not worth writing down each time
    return replace(after, observed_at=before.observed_at) == before


def _writer(record: JobRecord, witnesses: Witnesses) -> str | None:
    """Return the id of the native job that really runs: the one that writes the records."""
    if witnesses.records is None:
        return record.native_id
    writers = {entry.native_id for entry in witnesses.records.finished.values()}
    writers |= {entry.native_id for entry in witnesses.records.started.values()}
    writers.discard("")
    return writers.pop() if len(writers) == 1 else record.native_id
