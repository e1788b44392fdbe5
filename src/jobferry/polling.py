"""One poll of one machine: the queue, the records, accounting where needed; and what follows for its jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from jobferry.clock import Clock
from jobferry.errors import ParseError, SchedulerBusy
from jobferry.evidence import Said, Witnesses
from jobferry.judging import Judge, apply, said_of
from jobferry.model.command import Command, CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from jobferry.opened import OpenMachine
from jobferry.parts import unfinished
from jobferry.questions import await_news, news_calls, record_calls
from jobferry.render.program import Program
from jobferry.render.records import Records, parse_records
from jobferry.render.shell import join
from jobferry.store import Store
from jobferry.verdict import judge, judge_records

logger = logging.getLogger(__name__)

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

    def claim(self) -> bool:
        """Take the right to ask the batch system now; of all processes one gets it, once in the interval."""
        return self._store.machines.claim_poll(self._machine.machine.name, self._clock.now(), self.interval)

    def poll(self, records: Sequence[JobRecord], *, ask_queue: bool) -> list[JobRecord]:
        """Look at submitted jobs: the queue once for all, where it is asked, and their new records."""
        live = _live(records)
        if not live:
            return list(records)
        queue, seen = self._ask(live, ask_queue=ask_queue)
        judged = self._judge_records(live, seen) if queue is None else self._judge_all(live, queue, seen)
        return [judged.get(record.id, record) for record in records]

    def watch(self, records: Sequence[JobRecord], seconds: int) -> list[JobRecord]:
        """Wait over there for a new record, `seconds` at most; the batch system is not asked."""
        live = _live(records)
        if not live or seconds < 1:
            return list(records)
        program = Program()
        self._machine.enter(program)
        await_news(program, news_calls(live), min(seconds, WATCH_SECONDS), otherwise="exit 0")
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
        ids = [native_id for record in live for native_id in record.native_ids]
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
        try:
            queue = scheduler.parse_status(answers.get("queue", CommandResult(exit_code=1)), ids)
        except (SchedulerBusy, ParseError) as error:
            self._note(error)
            return None, seen
        self._store.machines.note_answer(self._machine.machine.name)
        return queue, seen

    def _note(self, error: SchedulerBusy | ParseError) -> None:
        """Keep that the batch system gave no answer, so that all processes ask it less often."""
        name = self._machine.machine.name
        words = error.message.splitlines()[0] if error.message else "no answer"
        self._store.machines.note_busy(name, words, self._clock.now())
        logger.warning("%s: %s", name, error)

    @staticmethod
    def _add_records(program: Program, live: Sequence[JobRecord]) -> None:
        # of an array all that was sent may have ended: then there is nothing to read of it
        calls = [join(call) for record in live for call in record_calls(record)]
        program.text(f"jf_all_records() {{ {'; '.join(calls) or ':'}; }}")
        program.section("records", Command(argv=("jf_all_records",)))

    def _ask_history(self, live: Sequence[JobRecord]) -> Mapping[str, Said] | None:
        """Ask accounting, where there is one; None when it did not answer."""
        scheduler = self._machine.scheduler
        ids = [native_id for record in live for native_id in record.native_ids]
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
            return None

    # -- judging

    def _judge_all(
        self, live: Sequence[JobRecord], queue: Mapping[str, Said], seen: Mapping[str, Records]
    ) -> dict[str, JobRecord]:
        witnesses = {
            record.id: self._witnesses(record, said_of(record, queue, seen.get(record.id)), seen)
            for record in live
        }
        unexplained = [record for record in live if witnesses[record.id].want_history(_tasks(record))]
        history = self._ask_history(unexplained) if unexplained else {}
        for record in unexplained:
            heard = None if history is None else said_of(record, history, seen.get(record.id))
            witnesses[record.id] = replace(witnesses[record.id], history=heard, unheard=history is None)
        return self._store_verdicts(live, witnesses, judge)

    def _judge_records(self, live: Sequence[JobRecord], seen: Mapping[str, Records]) -> dict[str, JobRecord]:
        witnesses = {record.id: self._witnesses(record, None, seen) for record in live}
        return self._store_verdicts(live, witnesses, judge_records)

    def _witnesses(self, record: JobRecord, queue: Said | None, seen: Mapping[str, Records]) -> Witnesses:
        return Witnesses(
            numbers=tuple(entry.number for entry in record.current),
            runs={task: entry.run for task, entry in record.covering().items() if entry.run > 1},
            queue=queue,
            records=seen.get(record.id),
            cancelled=record.cancelled_at is not None,
            supervised=self._machine.scheduler.capabilities.supervised,
            requeue_exits=self._machine.facts.requeue_exits,
            hopeful=self._is_hopeful(record),
        )

    def _is_hopeful(self, record: JobRecord) -> bool:
        """Whether a job that it depends on has failed, and is or was tried again."""
        if not record.spec.dependencies:
            return False
        found = self._store.find_all([entry.job_id for entry in record.spec.dependencies])
        return any(
            (other.spec.retry and not other.state.final)
            or (other.attempts and other.state is JobState.COMPLETED)
            for other in found
        )

    def _store_verdicts(
        self, live: Sequence[JobRecord], witnesses: Mapping[str, Witnesses], decide: Judge
    ) -> dict[str, JobRecord]:
        now = self._clock.now()

        def change(old: JobRecord) -> JobRecord:
            return apply(old, witnesses[old.id], decide, now)

        # one of them may have been ended and removed by another process, which is no trouble of the others
        after = self._store.update_those_there([record.id for record in live], change)
        before = {record.id: record.state for record in live}
        for record in after:
            if record.state is not before[record.id]:
                logger.info("%s: %s -> %s", record.id, before[record.id], record.state)
        return {record.id: record for record in after}


def _live(records: Iterable[JobRecord]) -> list[JobRecord]:
    return [record for record in records if not record.state.final and record.native_ids]


def _tasks(record: JobRecord) -> list[int | None]:
    return [task for task, _ in unfinished(record)]
