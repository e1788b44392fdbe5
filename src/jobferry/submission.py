"""From a stored job to one that the batch system has: once, whatever breaks on the way.

Any process can go on from any step. What makes that safe stands over there: the job's folder is put in place
by a rename, an attempt to submit is taken by ``mkdir``, and what the batch system answered is kept beside it.
What has no clear answer is looked up by the job's unique name before anything is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobferry.clock import Clock
from jobferry.errors import (
    JobError,
    JobferryError,
    ParseError,
    SchedulerBusy,
    SchedulerError,
    SpecError,
    SubmitRefused,
    TransferError,
    TransportError,
)
from jobferry.ledger import Ledger
from jobferry.model.command import CommandResult
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from jobferry.opened import OpenMachine, in_folder
from jobferry.payload import Payload, bulk, check_inputs, make_payload, write_payloads
from jobferry.render.program import Program
from jobferry.render.script import script_name
from jobferry.staging.progress import Progress
from jobferry.staging.transfer import put_inputs
from jobferry.store import Store
from jobferry.verdict import SETTLE

logger = logging.getLogger(__name__)

# what ``jf_submit`` answers for itself, see data/remote.sh
_PLACE_FAILED, _IN_HAND, _CANCELLED = 97, 98, 99

_MOST_ATTEMPTS = 5
_CANCELLED_EARLY = "cancelled before it was submitted"

Dependencies = Callable[[JobRecord], Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job after a try to submit it, and what went wrong if something did."""

    record: JobRecord
    error: JobferryError | None = None


class Submitter:
    """Submits jobs to one machine."""

    def __init__(self, machine: OpenMachine, store: Store, clock: Clock, dependencies: Dependencies) -> None:
        self._machine = machine
        self._clock = clock
        self._ledger = Ledger(store, clock)
        self._dependencies = dependencies

    def prepare(self, records: Sequence[JobRecord]) -> list[Payload]:
        """Render jobs and look at all that can be wrong with them before anything is stored or sent.

        Raises:
            SpecError: a job cannot be run there.
        """
        for record in records:
            self._check_limits(record)
            check_inputs(record.spec)
        return [self._payload(record) for record in records]

    def send(self, payloads: Sequence[Payload], progress: Progress | None = None) -> list[Outcome]:
        """Hand jobs over in one request; large inputs go before it.

        Raises:
            JobferryError: it failed before the request was sent; the jobs are certainly not taken.
        """
        program = Program()
        try:
            self._stage(payloads, progress)
            self._machine.enter(program)
            write_payloads(program, payloads)
        except BaseException as error:
            # nothing was sent, and nobody may send it later: whoever asked has seen it fail
            words = error if isinstance(error, JobferryError) else TransferError(f"interrupted: {error!r}")
            self._ledger.refused([payload.record for payload in payloads], words)
            raise
        # what another process has submitted meanwhile is left to it
        sent = [payload for payload in self._note_sent(payloads) if not payload.record.state.submitted]
        return self._submit(program, sent) if sent else []

    def resume(self, records: Sequence[JobRecord], *, look_up: bool) -> list[Outcome]:
        """Go on with submissions that were left: send what is safe to send, look up what is not.

        Args:
            look_up: whether the batch system may be asked about those without a clear answer.
        """
        doubted = [record for record in records if record.doubted_since is not None]
        done = [self._look_up(record) for record in doubted] if look_up else [Outcome(r) for r in doubted]
        ready = [record for record in records if record.doubted_since is None]
        ready += [outcome.record for outcome in done if self._may_send(outcome)]
        done = [outcome for outcome in done if not self._may_send(outcome)]
        return done + [outcome for record in ready for outcome in self._go_on(record)]

    def _go_on(self, record: JobRecord) -> list[Outcome]:
        if record.state is JobState.SUBMITTING:
            # its folder may be there: then nothing that is here is needed any more
            program = Program()
            self._machine.enter(program)
            (outcome,) = self._submit(program, [self._payload(record)], placed=True)
            if not isinstance(outcome.error, NotPlaced):
                return [outcome]
        if record.cancelled_at:
            return [Outcome(self._ledger.ended(record, JobState.CANCELLED, _CANCELLED_EARLY))]
        try:
            payloads = self.prepare([record])
        except SpecError as error:
            return [Outcome(self._ledger.refused([record], error)[0], error)]
        return self.send(payloads)

    def _submit(self, program: Program, sent: Sequence[Payload], *, placed: bool = False) -> list[Outcome]:
        """Send a program that ends in submitting these jobs; `placed`: it does not make their folders."""
        for payload in sent:
            self._add_submit(program, payload)
        records = [payload.record for payload in sent]
        try:
            answers = self._machine.ask(program, timeout=60.0 + 5.0 * len(sent))
        except (TransportError, ParseError) as error:
            if placed:
                return [Outcome(record, error) for record in records]
            if isinstance(error, TransferError) or (isinstance(error, TransportError) and error.unsent):
                return [Outcome(record, error) for record in self._ledger.refused(records, error)]
            # nobody knows how far it got: the next look at the job finds out
            return [Outcome(record, _unclear(error, record)) for record in self._ledger.doubted(records)]
        except BaseException:
            self._ledger.doubted(records)
            raise
        read = [self._read_answer(record, answers) for record in records]
        taken = {
            record.id: native_id
            for record, native_id in zip(records, read, strict=True)
            if isinstance(native_id, str)
        }
        mine = [record for record in records if record.id in taken]
        accepted = {record.id: record for record in self._ledger.accepted(mine, taken)}
        return [
            Outcome(accepted[record.id]) if isinstance(found, str) else self._not_taken(record, found, placed)
            for record, found in zip(records, read, strict=True)
        ]

    # -- before

    def _check_limits(self, record: JobRecord) -> None:
        limit = self._machine.facts.max_array_size
        array = record.spec.array
        if array is not None and limit is not None and array.indices[-1] >= limit:
            raise SpecError(
                f"the array goes up to {array.indices[-1]}, but {record.machine.name} takes no index above "
                f"{limit - 1} (MaxArraySize)",
                hint="use smaller indices, or several arrays",
            )

    def _payload(self, record: JobRecord) -> Payload:
        return make_payload(record, self._machine.scheduler, self._dependencies(record))

    def _stage(self, payloads: Sequence[Payload], progress: Progress | None) -> None:
        for payload in bulk(payloads):
            record = payload.record
            self._ledger.staging(record)
            folder = record.spec.directory or in_folder(self._machine.root, f".in-{record.id}")
            put_inputs(self._machine.connection, record.spec.inputs, str(folder), progress=progress)

    def _note_sent(self, payloads: Sequence[Payload]) -> list[Payload]:
        machine = self._machine
        records = self._ledger.sent(
            [payload.record for payload in payloads], machine.root, machine.scheduler.name
        )
        return [replace(payload, record=record) for payload, record in zip(payloads, records, strict=True)]

    @staticmethod
    def _add_submit(program: Program, payload: Payload) -> None:
        record = payload.record
        if record.cancelled_at:
            program.do("jf_cancel_mark", record.id)
        script = script_name(payload.scheduler)
        command = payload.scheduler.submit_command(script, record.id, payload.awaited)
        wrapped = replace(command, argv=("jf_submit", record.id, str(record.attempt), *command.argv))
        program.section(f"submit {record.id}", wrapped)

    # -- after

    def _read_answer(self, record: JobRecord, answers: Mapping[str, CommandResult]) -> str | JobferryError:
        """Return the native id, or what stands in its place."""
        answer = answers.get(f"submit {record.id}")
        if answer is None or answer.exit_code == _PLACE_FAILED:
            return _not_placed(record, answers)
        if answer.exit_code == _CANCELLED:
            return JobError(_CANCELLED_EARLY, job_id=record.id)
        if answer.exit_code == _IN_HAND:
            return SchedulerBusy("another process is submitting it, or died doing so")
        try:
            return self._machine.scheduler.parse_submit(answer)
        except SchedulerError as error:
            error.machine, error.job_id = record.machine.name, record.id
            return error

    def _not_taken(self, record: JobRecord, error: JobferryError, placed: bool) -> Outcome:
        if isinstance(error, JobError):
            return Outcome(self._ledger.ended(record, JobState.CANCELLED, error.message))
        if isinstance(error, NotPlaced) and placed:
            return Outcome(record, error)
        if isinstance(error, SubmitRefused | NotPlaced):
            return Outcome(self._ledger.refused([record], error)[0], error)
        return Outcome(self._ledger.doubted([record])[0], _unclear(error, record))

    def _look_up(self, record: JobRecord) -> Outcome:
        """Find a job by its unique name; only after the settle time is one that is absent certainly so."""
        scheduler = self._machine.scheduler
        program = Program()
        self._machine.enter(program)
        program.section("find", scheduler.find_command(record.native_name, self._machine.facts))
        answer = self._machine.ask(program).get("find", CommandResult(exit_code=1))
        try:
            native_id = scheduler.parse_find(answer, record.native_name)
        except SchedulerBusy as error:
            return Outcome(record, _unclear(error, record))
        if native_id is not None:
            adopt = Program()
            self._machine.enter(adopt)
            adopt.do("jf_adopt", record.id, native_id)
            self._machine.ask(adopt)
            return Outcome(self._ledger.accepted([record], {record.id: native_id})[0])
        since = record.doubted_since or self._clock.now()
        if self._clock.now() - since < SETTLE:
            return Outcome(record)
        if record.attempt >= _MOST_ATTEMPTS:
            given_up = SubmitRefused(f"not taken in {record.attempt} attempts, without a clear word why")
            return Outcome(self._ledger.refused([record], given_up)[0], given_up)
        logger.info("%s was certainly not taken by %s: trying again", record.id, record.machine.name)
        return Outcome(self._ledger.again(record))

    @staticmethod
    def _may_send(outcome: Outcome) -> bool:
        record = outcome.record
        return record.doubted_since is None and not record.state.submitted and outcome.error is None


class NotPlaced(TransferError):
    """A job's folder is not over there, so that nothing of it can have been submitted."""


def _not_placed(record: JobRecord, answers: Mapping[str, CommandResult]) -> NotPlaced:
    lines = answers[""].stderr.decode("utf-8", "replace").strip().splitlines()
    words = lines[-1] if lines else "its folder could not be made"
    return NotPlaced(
        f"the job could not be placed in {record.root}: {words}",
        hint="see free space and quota there: `jobferry check`",
        machine=record.machine.name,
        job_id=record.id,
    )


def _unclear(error: JobferryError, record: JobRecord) -> JobferryError:
    return SchedulerBusy(
        f"it is not known yet whether the job was taken: {error.message}",
        hint=f"`jobferry wait {record.id}` finds out; do not submit it again",
        machine=record.machine.name,
        job_id=record.id,
    )
