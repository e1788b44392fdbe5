"""From a stored job to one that the batch system has: once, whatever breaks on the way.

Any process can go on from any step. What makes that safe stands over there: the job's folder is put in place
by a rename, an attempt to submit is taken by ``mkdir``, and what the batch system answered is kept beside it.
What has no clear answer is looked up by the job's unique name before anything is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from jobferry.clock import Clock
from jobferry.drafts import DependencyFailed
from jobferry.errors import (
    JobError,
    JobferryError,
    ParseError,
    SchedulerBusy,
    SchedulerError,
    SubmitLimit,
    SubmitRefused,
    TransferError,
    TransportError,
)
from jobferry.ledger import Ledger, Part
from jobferry.model.command import CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.spec import Input
from jobferry.model.status import Failure, JobState
from jobferry.opened import OpenMachine, in_folder
from jobferry.payload import Payload, bulk, write_payloads
from jobferry.render.program import Program
from jobferry.render.script import CALLS, script_name
from jobferry.staging.progress import Progress
from jobferry.staging.transfer import put_inputs
from jobferry.store import Store

logger = logging.getLogger(__name__)

# what ``jf_submit`` answers for itself, see data/remote.sh
_NEVER, _PLACE_FAILED, _IN_HAND, _CANCELLED = 96, 97, 98, 99

CANCELLED_EARLY = "cancelled before it was submitted"
NO_ROOM = "waits here until the machine takes more jobs"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job after a try to submit it, and what went wrong if something did.

    Attributes:
        full: the numbers of its submissions that found no room; these wait here.
        stuck: whether something else must come first, so that trying again now is in vain.
    """

    record: JobRecord
    error: JobferryError | None = None
    full: tuple[int, ...] = ()
    stuck: bool = False


class Submitter:
    """Hands submissions over to one machine, all in one request."""

    def __init__(self, machine: OpenMachine, store: Store, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock
        self._ledger = Ledger(store, clock)

    def send(self, payloads: Sequence[Payload], progress: Progress | None = None) -> list[Outcome]:
        """Hand submissions over in one request; large inputs go before it.

        Raises:
            JobferryError: it failed before the request was sent; the jobs are certainly not taken.
        """
        program = Program()
        parts = [part for payload in payloads for part in _parts(payload)]
        waited = {part: why for payload in payloads for part, why in _waiting(payload)}
        try:
            self._stage(payloads, progress)
            self._machine.enter(program)
            write_payloads(program, payloads)
        except BaseException as error:
            # nothing was sent, and nobody may send it later: whoever asked has seen it fail
            words = error if isinstance(error, JobferryError) else TransferError(f"interrupted: {error!r}")
            self._ledger.refused([part for part in parts if part not in waited], words)
            raise
        records, claimed = self._ledger.sent(parts, self._machine.root, self._machine.scheduler.name)
        taken = [
            _left(replace(payload, record=record), claimed)
            for payload, record in zip(payloads, records, strict=True)
        ]
        # what another process has taken on meanwhile is left to it
        mine = [payload for payload in taken if payload.scripts]
        return self._submit(program, mine, waited=waited) if mine else []

    def ask_again(self, payloads: Sequence[Payload]) -> list[Outcome]:
        """Find out what became of submissions that a process has left; where nothing was begun, begin.

        One whose folder is not there has `NotPlaced` for its error and is left as it is: it was never taken.
        """
        program = Program()
        self._machine.enter(program)
        for payload in payloads:
            # what never arrived has not brought them either
            payload.add(program)
        return self._submit(program, payloads, placed=True, waited={})

    def _submit(
        self,
        program: Program,
        sent: Sequence[Payload],
        *,
        waited: Mapping[Part, str],
        placed: bool = False,
    ) -> list[Outcome]:
        """Send a program that ends in handing these over; `placed`: it does not make their folders."""
        for payload in sent:
            self._add_submit(program, payload)
        parts = [part for payload in sent for part in _parts(payload)]
        try:
            answers = self._machine.ask(program, timeout=60.0 + 5.0 * len(parts))
        except (TransportError, ParseError) as error:
            if placed:
                return [Outcome(payload.record, error) for payload in sent]
            return self._unanswered(sent, error, waited)
        except BaseException:
            self._ledger.doubted(parts)
            raise
        read = {
            part: self._read_answer(payload, part, answers) for payload in sent for part in _parts(payload)
        }
        taken = {part: found for part, found in read.items() if isinstance(found, str)}
        accepted = {record.id: record for record in self._ledger.accepted(taken)} if taken else {}
        outcomes = []
        for payload in sent:
            outcome = Outcome(accepted.get(payload.record.id, payload.record))
            for part in _parts(payload):
                if not isinstance(found := read[part], str):
                    outcome = self._not_taken(outcome, part, found, placed=placed, waited=waited)
            outcomes.append(outcome)
        return outcomes

    def _unanswered(
        self, sent: Sequence[Payload], error: JobferryError, waited: Mapping[Part, str]
    ) -> list[Outcome]:
        """Note what became of a request without an answer: certainly nothing, or nobody knows."""
        parts = [part for payload in sent for part in _parts(payload)]
        if not (isinstance(error, TransferError) or (isinstance(error, TransportError) and error.unsent)):
            # nobody knows how far it got: the next look at the job finds out
            return [Outcome(record, unclear(error, record)) for record in self._ledger.doubted(parts)]
        self._ledger.refused([part for part in parts if part not in waited], error)
        for why in {waited[part] for part in parts if part in waited}:
            self._ledger.unsent([part for part in parts if waited.get(part) == why], why)
        return [Outcome(self._ledger.read(payload.record.id), error) for payload in sent]

    # -- before

    def _stage(self, payloads: Sequence[Payload], progress: Progress | None) -> None:
        for payload in bulk(payloads):
            record = payload.record
            self._ledger.staging(_parts(payload)[0])
            folder = record.spec.directory or in_folder(self._machine.root, f".in-{record.id}")
            put_inputs(self._machine.connection, record.spec.inputs, str(folder), progress=progress)
        for payload in payloads:
            if payload.apart is not None:
                self._ledger.staging(_parts(payload)[0])
                calls = Input(source=payload.apart, destination=PurePosixPath(CALLS))
                folder = in_folder(self._machine.root, f".call-{payload.record.id}")
                put_inputs(self._machine.connection, [calls], folder, progress=progress)

    @staticmethod
    def _add_submit(program: Program, payload: Payload) -> None:
        record = payload.record
        if record.cancelled_at:
            program.do("jf_cancel_mark", record.id)
        for entry in payload.submissions:
            script = script_name(payload.scheduler, entry)
            command = payload.scheduler.submit_command(script, record.id, payload.awaited)
            argv = command.argv if payload.never is None else ("jf_never", payload.never)
            wrapped = replace(command, argv=("jf_submit", record.id, entry.key, *argv))
            program.section(f"submit {record.id} {entry.number}", wrapped)

    # -- after

    def _read_answer(
        self, payload: Payload, part: Part, answers: Mapping[str, CommandResult]
    ) -> str | JobferryError:
        """Return the native id, or what stands in its place."""
        record = payload.record
        answer = answers.get(f"submit {part[0]} {part[1]}")
        if answer is not None and answer.exit_code == _PLACE_FAILED and payload.has_folder and answer.words:
            return _gone(record)
        if answer is None or answer.exit_code == _PLACE_FAILED:
            return _not_placed(record, answers)
        if answer.exit_code == _CANCELLED:
            return JobError(CANCELLED_EARLY, job_id=record.id)
        if answer.exit_code == _NEVER:
            return DependencyFailed(answer.words, job_id=record.id)
        if answer.exit_code == _IN_HAND:
            return SchedulerBusy("another process is submitting it, or died doing so")
        try:
            return self._machine.scheduler.parse_submit(answer)
        except SchedulerError as error:
            error.machine, error.job_id = record.machine.name, record.id
            return error

    def _not_taken(
        self,
        before: Outcome,
        part: Part,
        error: JobferryError,
        *,
        placed: bool,
        waited: Mapping[Part, str],
    ) -> Outcome:
        record = before.record
        if isinstance(error, JobError):
            (record,) = self._ledger.ended([part], JobState.CANCELLED, error.message)
            return replace(before, record=record)
        if isinstance(error, DependencyFailed):
            ended = self._ledger.ended([part], JobState.FAILED, error.message, Failure.DEPENDENCY)
            return replace(before, record=ended[0])
        if isinstance(error, SubmitLimit):
            (record,) = self._ledger.waiting([part], f"{NO_ROOM}: {error.message.splitlines()[0]}")
            return replace(before, record=record, error=error, full=(*before.full, part[1]))
        if isinstance(error, NotPlaced) and placed:
            return replace(before, error=error)
        if isinstance(error, NotPlaced) and part in waited:
            # nobody is there who asked for it: it waits on
            return replace(before, record=self._ledger.unsent([part], waited[part])[0], error=error)
        if isinstance(error, SubmitRefused | NotPlaced):
            return replace(before, record=self._ledger.refused([part], error)[0], error=error)
        return replace(before, record=self._ledger.doubted([part])[0], error=unclear(error, record))


class NotPlaced(TransferError):
    """A job's folder is not over there, so that nothing of it can have been submitted."""


class FolderGone(NotPlaced):
    """A job's folder was over there, and is no more."""


def _parts(payload: Payload) -> list[Part]:
    return [(payload.record.id, number) for number in payload.scripts]


def _waiting(payload: Payload) -> list[tuple[Part, str]]:
    """Tell why submissions were kept back; if they are not sent after all, they wait on."""
    record = payload.record
    return [((record.id, entry.number), entry.waits) for entry in payload.submissions if entry.waits]


def _left(payload: Payload, claimed: frozenset[Part]) -> Payload:
    """Leave out what is not this process's to send."""
    mine = {
        number: script for number, script in payload.scripts.items() if (payload.record.id, number) in claimed
    }
    return replace(payload, scripts=mine)


def _not_placed(record: JobRecord, answers: Mapping[str, CommandResult]) -> NotPlaced:
    lines = answers[""].stderr.decode("utf-8", "replace").strip().splitlines()
    words = lines[-1] if lines else "its folder could not be made"
    return NotPlaced(
        f"the job could not be placed in {record.root}: {words}",
        hint="see free space and quota there: `jobferry check`",
        machine=record.machine.name,
        job_id=record.id,
    )


def _gone(record: JobRecord) -> FolderGone:
    return FolderGone(
        f"the folder of {record.id} is gone: {in_folder(record.root, record.id)}",
        hint="nothing can be run in it again: submit it anew",
        machine=record.machine.name,
        job_id=record.id,
    )


def unclear(error: JobferryError, record: JobRecord) -> JobferryError:
    """Make the error of a submission without a clear answer."""
    return SchedulerBusy(
        f"it is not known yet whether the job was taken: {error.message}",
        hint=f"`jobferry wait {record.id}` finds out; do not submit it again",
        machine=record.machine.name,
        job_id=record.id,
    )
