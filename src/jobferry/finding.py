"""Finding out what became of a submission without a clear answer: by the job's unique name."""

from __future__ import annotations

import logging

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


def find(
    machine: OpenMachine, ledger: Ledger, clock: Clock, record: JobRecord, submission: Submission
) -> Outcome:
    """Find a submission in queue and accounting; only after the settle time is an absent one certainly so."""
    part, name = (record.id, submission.number), record.native_name(submission)
    program = Program()
    machine.enter(program)
    program.section("find", machine.scheduler.find_command(name, machine.facts))
    answer = machine.ask(program).get("find", CommandResult(exit_code=1))
    try:
        native_id = machine.scheduler.parse_find(answer, name)
    except SchedulerBusy as error:
        return Outcome(record, unclear(error, record))
    if native_id is not None:
        adopt = Program()
        machine.enter(adopt)
        file = "native_id" if submission.number == 1 else f"{submission.number}.native_id"
        adopt.do("jf_adopt", record.id, file, native_id)
        machine.ask(adopt)
        return Outcome(ledger.accepted({part: native_id})[0])
    if clock.now() - (submission.doubted_since or clock.now()) < SETTLE:
        return Outcome(record)
    if submission.attempt >= _MOST_ATTEMPTS:
        given_up = SubmitRefused(f"not taken in {submission.attempt} attempts, without a clear word why")
        return Outcome(ledger.refused([part], given_up)[0], given_up)
    logger.info("%s was certainly not taken by %s: trying again", record.id, record.machine.name)
    return Outcome(ledger.again(part, submission.attempt + 1))
