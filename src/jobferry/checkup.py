"""Looking a machine over: what works there, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from jobferry.errors import JobferryError
from jobferry.functions.interpreters import interpreter_of
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.units import format_memory
from jobferry.opened import OpenMachine
from jobferry.render.program import Program
from jobferry.render.shell import expand_path, quote

# below this a root is as good as full
_LITTLE_SPACE = 1024**3
_LATENCY_TRIES = 5
_WANTED = ("tar", "mkdir", "mv", "cat", "sed", "find", "ls")


class Grade(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at; `advice` says what to do where something is to be done."""

    subject: str
    grade: Grade
    value: str
    advice: str | None = None


def check(machine: OpenMachine) -> list[Finding]:
    """Look a machine over; what cannot be found out is a finding, not an error."""
    findings: list[Finding] = []
    try:
        findings += _connection(machine)
    except JobferryError as error:
        return [
            *findings,
            Finding(subject="connection", grade=Grade.BAD, value=str(error), advice=error.hint),
        ]
    try:
        facts = machine.probe()
    except JobferryError as error:
        return [
            *findings,
            Finding(subject="batch system", grade=Grade.BAD, value=str(error), advice=error.hint),
        ]
    answers = _ask(machine, facts)
    return [*findings, *_root(facts, answers), *_batch_system(facts), *_programs(machine, answers)]


def _connection(machine: OpenMachine) -> Iterator[Finding]:
    machine.ask(Program())
    clock = machine.clock
    begun = clock.monotonic()
    for _ in range(_LATENCY_TRIES):
        machine.ask(Program())
    milliseconds = (clock.monotonic() - begun) / _LATENCY_TRIES * 1000
    yield Finding(
        subject="connection",
        grade=Grade.OK,
        value=f"{machine.connection.transport.describe()}, {milliseconds:.1f} ms a request",
    )


def _ask(machine: OpenMachine, facts: MachineFacts) -> Mapping[str, CommandResult]:
    root = quote(facts.root)
    program = Program()
    program.section("shell", Command(argv=("printenv", "SHELL")))
    program.section("system", Command(argv=("uname", "-nsr")))
    attempt = f"umask 077; mkdir -p {root}/jobs && : >{root}/.check && rm {root}/.check"
    program.section("write", Command(argv=("sh", "-c", attempt)))
    program.section("space", Command(argv=("df", "-Pk", facts.root)))
    program.section("which", Command(argv=("jf_which", *_WANTED, "rsync", "zstd", "setsid", "bash")))
    python = f"{expand_path(interpreter_of(machine.machine))} --version 2>&1"
    program.section("python", Command(argv=("sh", "-c", python)))
    return machine.ask(program)


def _root(facts: MachineFacts, answers: Mapping[str, CommandResult]) -> Iterator[Finding]:
    shell, system = answers["shell"].text.strip(), answers["system"].text.strip()
    yield Finding(subject="login shell", grade=Grade.OK, value=f"{shell or 'unknown'} on {system}")
    if answers["write"].exit_code != 0:
        yield Finding(
            subject="root",
            grade=Grade.BAD,
            value=f"{facts.root}: {answers['write'].words}",
            advice="choose a `root` that you can write: `jobferry machine edit`",
        )
        return
    free = _free_bytes(answers["space"].text)
    if free is None:
        yield Finding(subject="root", grade=Grade.NOTE, value=f"{facts.root}, writable, free space unknown")
        return
    value = f"{facts.root}, writable, {_rounded(free)} free"
    if free < _LITTLE_SPACE:
        yield Finding(
            subject="root", grade=Grade.NOTE, value=value, advice="free some space, or use another root"
        )
    else:
        yield Finding(subject="root", grade=Grade.OK, value=value)


def _free_bytes(text: str) -> int | None:
    fields = text.strip().splitlines()[-1].split() if text.strip() else []
    return int(fields[3]) * 1024 if len(fields) > 4 and fields[3].isdecimal() else None


def _rounded(amount: int) -> str:
    for unit in (1024**4, 1024**3, 1024**2):
        if amount >= unit:
            return format_memory(amount // unit * unit)
    return format_memory(amount)


def _batch_system(facts: MachineFacts) -> Iterator[Finding]:
    yield Finding(
        subject="batch system", grade=Grade.OK, value=f"{facts.scheduler} {facts.scheduler_version}".strip()
    )
    if facts.scheduler == "direct":
        return
    for line in facts.partitions:
        name, state, limit, nodes, nodes_are, *_ = [*line.split("|"), "", "", "", "", ""]
        grade = Grade.OK if state == "up" else Grade.NOTE
        value = f"{name} {state}, time limit {limit}, {nodes} nodes {nodes_are}"
        yield Finding(subject="partition", grade=grade, value=value)
    for name, value in facts.limits.items():
        yield Finding(subject="limit", grade=Grade.OK, value=f"{name} {value}")
    if facts.accounting:
        yield Finding(subject="accounting", grade=Grade.OK, value="on")
    else:
        yield Finding(
            subject="accounting",
            grade=Grade.NOTE,
            value="off",
            advice="nothing to do: jobs keep records of their own",
        )


def _programs(machine: OpenMachine, answers: Mapping[str, CommandResult]) -> Iterator[Finding]:
    found = answers["which"].text.split()
    missing = [name for name in _WANTED if name not in found]
    if missing:
        advice = "install them over there"
        yield Finding(
            subject="programs", grade=Grade.BAD, value=f"missing: {', '.join(missing)}", advice=advice
        )
    else:
        yield Finding(subject="programs", grade=Grade.OK, value=", ".join(name for name in found))
    for name, use in (("rsync", "large trees that change little"), ("zstd", "compressed transfers")):
        if name not in found:
            yield Finding(subject=name, grade=Grade.NOTE, value="not found", advice=f"only wanted for {use}")
    python = answers["python"]
    if python.exit_code == 0:
        yield Finding(subject="python", grade=Grade.OK, value=python.text.strip())
    else:
        yield Finding(
            subject="python",
            grade=Grade.NOTE,
            value=python.words or f"{interpreter_of(machine.machine)} not found",
            advice="needed only by jobs in Python; set `python` to an interpreter over there",
        )
