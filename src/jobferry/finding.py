"""Finding out what became of submissions without a clear answer: by the jobs' unique names."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jobferry.clock import Clock
from jobferry.errors import SchedulerBusy, SubmitRefused
from jobferry.ledger import Ledger
from jobferry.model.command import CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.submission import Submission
from jobferry.opened import OpenMachine
from jobferry.render.program import Program
from jobferry.submission import Outcome, unclear
from jobferry.verdict import SETTLE

logger = logging.getLogger(__name__)

_MOST_ATTEMPTS = 5

Doubt = tuple[JobRecord, Submission]


def find(machine: OpenMachine, ledger: Ledger, clock: Clock, doubts: Sequence[Doubt]) -> list[Outcome]:
    """Look submissions up in queue and accounting, each asked once for all of them.

    Only after the settle time is an absent one certainly so.
    """
    names = [record.native_name(entry) for record, entry in doubts]
    program = Program()
    machine.enter(program)
    program.section("find", machine.scheduler.find_command(names, machine.facts))
    answer = machine.ask(program).get("find", CommandResult(exit_code=1))
    try:
        seen = machine.scheduler.parse_find(answer, names)
    except SchedulerBusy as error:
        return [Outcome(record, unclear(error, record)) for record, _ in doubts]
    found = [(doubt, seen[name]) for doubt, name in zip(doubts, names, strict=True) if seen.get(name)]
    if found:
        _adopt(machine, found)
    outcomes = []
    for (record, entry), name in zip(doubts, names, strict=True):
        native_id = seen.get(name)
        if native_id is not None:
            outcomes.append(Outcome(ledger.accepted({(record.id, entry.number): native_id})[0]))
        else:
            outcomes.append(_absent(ledger, clock, record, entry, is_certain=name in seen))
    return outcomes


def _adopt(machine: OpenMachine, found: Sequence[tuple[Doubt, str | None]]) -> None:
    """Write down over there which native jobs were found, for whoever asks next."""
    program = Program()
    machine.enter(program)
    for (record, entry), native_id in found:
        file = "native_id" if entry.number == 1 else f"{entry.number}.native_id"
        program.do("jf_adopt", record.id, file, native_id or "")
    machine.ask(program)


def _absent(
    ledger: Ledger, clock: Clock, record: JobRecord, entry: Submission, *, is_certain: bool
) -> Outcome:
    if not is_certain or clock.now() - (entry.doubted_since or clock.now()) < SETTLE:
        return Outcome(ledger.read(record.id))
    part = (record.id, entry.number)
    if entry.attempt >= _MOST_ATTEMPTS:
        given_up = SubmitRefused(f"not taken in {entry.attempt} attempts, without a clear word why")
        return Outcome(ledger.refused([part], given_up)[0], given_up)
    logger.info("%s was certainly not taken by %s: trying again", record.id, record.machine.name)
    return Outcome(ledger.again(part, entry.attempt + 1))
