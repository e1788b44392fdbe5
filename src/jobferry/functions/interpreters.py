"""The Python over there: which it is, and what we put beside it to run functions."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import resources

from jobferry.errors import SpecError, TransferError
from jobferry.model.command import Command, CommandResult
from jobferry.model.function import PYTHON_AT_LEAST
from jobferry.model.machine import Machine, PythonFacts
from jobferry.opened import OpenMachine
from jobferry.render.program import Program
from jobferry.render.script import RUN, RUNTIMES, login_shell
from jobferry.render.shell import expand_path, quote

_KEEP = timedelta(days=7)
_FAR = "jobferry_far"
# what travelling may take beside the standard library, where it is asked for
_MODULES = ("numpy", "yaml", "dill")
_ASK = f"""\
import sys
found = []
if sys.version_info >= (3, 4):
    from importlib.util import find_spec
    found = [name for name in {_MODULES!r} if find_spec(name)]
print("JFPY %d.%d.%d %s" % (tuple(sys.version_info[:3]) + (" ".join(found),)))
if sys.version_info >= (3, 8):
    # once, and not by each job: many have PYTHONDONTWRITEBYTECODE set
    import compileall
    compileall.compile_dir(sys.argv[1], quiet=2)
"""
_ANSWER = re.compile(r"^JFPY (\d+)\.(\d+)\.(\d+) (.*?)\r?$", re.MULTILINE | re.ASCII)


def interpreter_of(machine: Machine) -> str:
    """Name the Python that runs a machine's functions, as one would type it over there."""
    if machine.python is not None:
        return machine.python
    # here it is the very one that calls: what is installed for it, the function can use
    return sys.executable if machine.host is None and sys.executable else "python3"


def ask(
    opened: OpenMachine, setup: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> PythonFacts:
    """Tell what the Python is that a job with this setup would find; asked once in a week.

    Raises:
        SpecError: there is none, it is too old, or a line of the setup failed.
        TransportError: the machine was not reached.
    """
    key = _key(opened.machine, setup, environment or {})
    known = opened.store.machines.python(key)
    if known is not None and known.runtime == runtime() and known.probed_at is not None:
        age = opened.clock.now() - known.probed_at
        if age < _KEEP:
            return known
    facts = _probe(opened, setup, environment or {})
    opened.store.machines.put_python(key, facts)
    return facts


def forget(opened: OpenMachine) -> None:
    """Forget what is known of a machine's Pythons, so that they are asked anew."""
    opened.store.machines.forget_pythons(_place(opened.machine))


@cache
def runtime() -> str:
    """Name what runs functions, by what is in it."""
    text = json.dumps(sorted(_files().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _files() -> Mapping[str, str]:
    """Return what is put over there: our own files and cloudpickle, so that nothing is to be installed."""
    found = {}
    for package, folder in (("jobferry.far", _FAR), ("cloudpickle", "cloudpickle")):
        for entry in resources.files(package).iterdir():
            if entry.name.endswith(".py"):
                name = RUN if (folder, entry.name) == (_FAR, RUN) else f"{folder}/{entry.name}"
                found[name] = entry.read_text(encoding="utf-8")
    return found


def _probe(opened: OpenMachine, setup: Sequence[str], environment: Mapping[str, str]) -> PythonFacts:
    program = Program()
    opened.enter(program)
    words = [word for name, text in sorted(_files().items()) for word in (name, text)]
    program.section("runtime", Command(argv=("jf_runtime", runtime(), *words)))
    python = interpreter_of(opened.machine)
    lines = [f"export {name}={quote(value)}" for name, value in environment.items()]
    for line in (*opened.machine.setup, *setup):
        lines += [line, '[ "$?" -eq 0 ] || exit 125']
    folder = f"{opened.root}/{RUNTIMES}/{runtime()}"
    script = "\n".join([*lines, f"exec {expand_path(python)} -c {quote(_ASK)} {quote(folder)} </dev/null"])
    argv = (*login_shell(opened.machine).split(), "-c", script)
    program.section("python", Command(argv=argv))
    answers = opened.ask(program, timeout=300.0)
    if answers["runtime"].exit_code != 0:
        raise TransferError(
            f"what runs functions cannot be put into {opened.root}: {answers['runtime'].words}",
            machine=opened.machine.name,
        )
    version, modules = _read(opened.machine, python, answers["python"])
    return PythonFacts(version=version, runtime=runtime(), modules=modules, probed_at=opened.clock.now())


def _read(
    machine: Machine, python: str, answer: CommandResult
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    found = _ANSWER.search(answer.text)
    hint = f"set `python` to one over there: `jobferry machine edit {machine.name}`"
    if found is None:
        failed = "a line of its setup failed" if answer.exit_code == 125 else f"no Python at {python}"
        raise SpecError(f"{machine.name}: {failed}: {answer.words}", hint=hint, machine=machine.name)
    version = int(found[1]), int(found[2]), int(found[3])
    if version < PYTHON_AT_LEAST:
        raise SpecError(
            f"{machine.name} has Python {'.'.join(map(str, version))} at {python}; functions need "
            f"{'.'.join(map(str, PYTHON_AT_LEAST))} or later",
            hint=hint,
            machine=machine.name,
        )
    return version, tuple(found[4].split())


def _place(machine: Machine) -> str:
    return f"python {machine.name} {machine.transport_name} {machine.host or '-'} {machine.root}"


def _key(machine: Machine, setup: Sequence[str], environment: Mapping[str, str]) -> str:
    """Name what the answer depends on; values of variables may be secret, so only their digest is kept."""
    depends = json.dumps([machine.setup, list(setup), sorted(environment.items())])
    return f"{_place(machine)} {interpreter_of(machine)} {hashlib.sha256(depends.encode()).hexdigest()[:16]}"
