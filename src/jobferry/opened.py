"""A machine with its connection: what it is, what it told of itself, and how to ask it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache

from jobferry.clock import Clock
from jobferry.data import read
from jobferry.errors import (
    ConfigError,
    ConnectError,
    JobferryError,
    SchedulerError,
    TransferError,
    TransportError,
)
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import Machine, MachineFacts
from jobferry.model.record import JobRecord
from jobferry.render.program import Program
from jobferry.render.shell import compact, expand_path
from jobferry.schedulers import open_scheduler
from jobferry.schedulers.base import Scheduler
from jobferry.store import Store
from jobferry.transports import open_transport
from jobferry.transports.connection import Connection

logger = logging.getLogger(__name__)

# programs that betray a batch system for which there is no dialect of ours
_KEEP_FACTS = timedelta(days=7)

_FOREIGN = ("qsub", "bsub", "condor_submit", "flux", "oarsub")


@cache
def preamble() -> str:
    """Return the shell library that every held-open shell is given."""
    return compact("\n".join(read(name) for name in ("remote.sh", "slurm.sh", "direct.sh")))


class OpenMachine:
    """One machine and the connection to it; nothing is opened before the first question."""

    def __init__(self, machine: Machine, store: Store, clock: Clock) -> None:
        self.machine = machine
        self.store = store
        self.clock = clock
        self.connection = Connection(open_transport(machine, clock), preamble(), clock)
        self._facts: MachineFacts | None = None
        self._scheduler: Scheduler | None = None

    @property
    def facts(self) -> MachineFacts:
        """What the machine told of itself, asked once and then remembered in the store."""
        if self._facts is None:
            known = self._known_facts()
            self._facts = known if known is not None and self._is_fresh(known) else self.probe()
        return self._facts

    def _known_facts(self) -> MachineFacts | None:
        known = self.store.get_facts(self._fingerprint(self.machine.scheduler))
        if known is None and self.machine.scheduler is not None:
            # a job names the batch system that was found where none was named
            found = self.store.get_facts(self._fingerprint(None))
            known = found if found is not None and found.scheduler == self.machine.scheduler else None
        return known

    def _is_fresh(self, facts: MachineFacts) -> bool:
        return facts.probed_at is not None and self.clock.now() - facts.probed_at < _KEEP_FACTS

    @property
    def scheduler(self) -> Scheduler:
        """The dialect: the one configured, or the one found over there."""
        if self._scheduler is None:
            self._scheduler = open_scheduler(self.machine.scheduler or self.facts.scheduler)
        return self._scheduler

    @property
    def root(self) -> str:
        """The machine's root as an absolute path."""
        return self.facts.root

    def probe(self) -> MachineFacts:
        """Ask the machine what it is, in one request, and remember it.

        Raises:
            SchedulerError: the batch system that was promised is not there.
            ConfigError: the root names a variable that is not set over there.
        """
        program = Program()
        print_root = f"printf '\\n%s\\n' {expand_path(self.machine.root)}"
        program.section("home", Command(argv=("printenv", "HOME")))
        program.section("root", Command(argv=("sh", "-c", print_root)))
        if "$" in self.machine.root:
            program.section("login-root", Command(argv=("jf_as_login", print_root)))
        program.section("which", Command(argv=("jf_which", "sbatch", *_FOREIGN)))
        asked = open_scheduler(self.machine.scheduler or "slurm")
        program.section("probe", asked.probe_command())
        program.section("plain", open_scheduler("direct").probe_command())
        answers = self.ask(program)
        facts = self._read_facts(answers, asked)
        facts = replace(
            facts,
            root=self._absolute_root(answers),
            probed_at=self.clock.now(),
        )
        self.store.put_facts(self._fingerprint(self.machine.scheduler), facts)
        self._facts = facts
        return facts

    def ask(
        self, program: Program, *, timeout: float = 120.0, repeatable: bool = True, watch: bool = False
    ) -> Mapping[str, CommandResult]:
        """Send a program and take its answer apart; what the program as a whole complained of is logged.

        Raises:
            TransportError: no answer; a repeatable program was tried twice.
            TransferError: the root cannot be written.
        """
        text = program.render()
        try:
            if watch:
                result = self.connection.watch(text, timeout=timeout)
            else:
                result = self.connection.request(text, timeout=timeout, repeatable=repeatable)
        except JobferryError as error:
            error.machine = error.machine or self.machine.name
            raise
        if result.stderr:
            logger.debug("%s: %s", self.machine.name, result.words)
        answers = program.parse(result)
        if not answers and result.exit_code != 0:
            raise self._cannot_enter(result)
        return {**answers, "": result}

    def enter(self, program: Program) -> None:
        """Begin a program that works in the machine's root."""
        program.require("jf_enter", self.root)

    def _cannot_enter(self, result: CommandResult) -> TransportError:
        if result.again:
            # what its first run did, before the link was lost, is not known
            return ConnectError(f"the link was lost, and then: {result.words}", machine=self.machine.name)
        return TransferError(
            f"the root cannot be used: {result.words}",
            hint=f"choose a `root` that you can write: `jobferry machine edit {self.machine.name}`",
            machine=self.machine.name,
        )

    def _fingerprint(self, scheduler: str | None) -> str:
        """Name what facts depend on; a machine that is configured otherwise is asked anew."""
        machine = self.machine
        place = f"{machine.name} {machine.transport_name} {machine.host or '-'}"
        return f"{place} {scheduler or '-'} {machine.root}"

    def _absolute_root(self, answers: Mapping[str, CommandResult]) -> str:
        for answer in (answers["root"], answers.get("login-root")):
            lines = answer.text.split("\n") if answer is not None and answer.exit_code == 0 else []
            if len(lines) > 1 and lines[-2].strip():
                root = lines[-2].strip().rstrip("/") or "/"
                return root if root.startswith("/") else f"{answers['home'].text.strip()}/{root}"
        raise ConfigError(
            f"the root {self.machine.root!r} has no meaning over there: {answers['root'].words}",
            hint="name a folder, or a variable that is set when you log in",
            machine=self.machine.name,
        )

    def _read_facts(self, answers: Mapping[str, CommandResult], asked: Scheduler) -> MachineFacts:
        found = answers["which"].text.split()
        if self.machine.scheduler is not None or "sbatch" in found:
            try:
                return asked.parse_probe(answers["probe"])
            except SchedulerError as error:
                error.machine = self.machine.name
                raise
        if found:
            raise SchedulerError(
                f"a batch system is there ({', '.join(found)}) for which there is no dialect",
                hint="to run jobs on the machine itself, say `--scheduler direct`",
                machine=self.machine.name,
            )
        return open_scheduler("direct").parse_probe(answers["plain"])


def in_folder(root: str, job_id: str) -> str:
    """Return a job's folder over there."""
    return f"{root}/jobs/{job_id}"


def in_run(record: JobRecord, task: int | None = None) -> str:
    """Return the folder over there with the records and logs of the run that counts, of a job or a task."""
    return run_folder(
        record, record.covering()[task].run if record.spec.array is None or task is not None else 1
    )


def run_folder(record: JobRecord, run: int) -> str:
    """Return the folder over there with the records and logs of a run of a job."""
    folder = in_folder(record.root, record.id)
    return folder if run == 1 else f"{folder}/runs/{run}"
