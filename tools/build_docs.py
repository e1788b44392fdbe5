"""Write the reference pages and the picture of docs from the code: `make docs`.

The pages are the same on every machine; `tests/docs/test_generated.py` holds that they are up to date.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path

import click
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from jobferry import errors
from jobferry.cli import root
from jobferry.config.values import KNOWN_SCHEDULERS, KNOWN_TRANSPORTS, machine_readers
from jobferry.model.machine import Machine
from jobferry.model.spec import RESOURCE_NAMES, JobSpec, Resources, parse_array
from jobferry.model.status import Failure, JobState
from jobferry.model.units import MEMORY_FORMS, TIME_FORMS
from jobferry.model.warning import parse_warning_signal
from jobferry.schedulers import open_scheduler
from jobferry.schedulers.base import Scheduler

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "demo.svg"
WIDTH = 100
DIALECTS = ("slurm", "direct")

_NOTE = "<!-- written by `make docs` from the code; changes made here are lost -->\n\n"


def main() -> None:
    """Write all that is written from the code."""
    for path, text in reference_pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(draw(play(SESSION)), "utf-8")


def reference_pages() -> dict[Path, str]:
    """Render the reference pages by their paths."""
    written = {
        "cli.md": cli_page(),
        "config.md": config_page(),
        "errors.md": errors_page(),
        "schedulers.md": schedulers_page(),
    }
    return {DOCS / "reference" / name: _NOTE + text for name, text in written.items()}


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    first = [*headings]
    lines = [first, ["---"] * len(first), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


# -- command line


def cli_page() -> str:
    """Write the help of every command."""
    parts = [f"# Command line\n\n{_CLI}\n## jobferry\n\n{_help(root, 'jobferry')}"]
    for path, command in _commands(root, "jobferry"):
        parts.append(f"## {path}\n\n{_help(command, path)}")
    return "\n".join(parts)


_CLI = """\
What is data goes to standard output, what is talk to standard error. On a terminal tables have colours;
elsewhere they are plain. `--format json` gives `{"schema": 1, ...}`; the exit codes stand in
[states](../states.md#exit-codes).

A job is named by its id, an unambiguous beginning of it, or `@last`; commands on several jobs also take
`--label`, `--name` and `--all`.
"""


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _help(command: click.Command, path: str) -> str:
    context = command.make_context(path, [], resilient_parsing=True, terminal_width=WIDTH)
    return f"```text\n{context.get_help().rstrip()}\n```\n"


# -- configuration


def config_page() -> str:
    """Write the keys of a machine and of its defaults."""
    told = {**_described(Machine), **_WORDS}
    keys = machine_readers(KNOWN_SCHEDULERS, KNOWN_TRANSPORTS)
    rows = [(f"`{key}`", told[key], _default(Machine, key)) for key in keys]
    resources = {**_described(Resources), **_RESOURCE_WORDS}
    limits = [(f"`{name}`", resources[name]) for name in RESOURCE_NAMES]
    variables = [(f"`{name}`", words) for name, words in _VARIABLES.items()]
    return "\n".join(
        [
            f"# Configuration\n\n{_CONFIG}",
            f"## Keys of a machine\n\n{table(('key', 'is', 'if absent'), rows)}",
            f"## Resources in `defaults`\n\n{_DEFAULTS}\n{table(('key', 'is'), limits)}",
            f"## Environment\n\n{table(('variable', 'is'), variables)}",
        ]
    )


_CONFIG = """\
Machines stand in TOML files. Later ones go over earlier ones, key by key:

1. built in: the machine `local`, which is this computer
2. `~/.config/jobferry/config.toml`, or what `JOBFERRY_CONFIG` names
3. the nearest `jobferry.toml` above the current folder, or `[tool.jobferry]` in a `pyproject.toml`
4. `JOBFERRY_DEFAULT_MACHINE` and `JOBFERRY_MACHINE_*`
5. options and keyword arguments

An unknown key is an error that names the file and line. `jobferry config show --origin` tells where each
value was written. A project's file is read only if nobody else can have put it there.

```toml
default_machine = "narval"

[machines.narval]
host = "me@narval.example.org"
scheduler = "slurm"
root = "$SCRATCH/jobferry"
account = "def-prof"
setup = ["module load python/3.11"]
poll_interval = "30s"

[machines.narval.defaults]
time = "1h"
mem = "4G"

[machines.narval-gpu]
extends = "narval"
account = "rrg-prof"
```

Everything about the connection stands in `~/.ssh/config`. There is no key for a password.
"""
_DEFAULTS = f"""\
What a job asks for where it says nothing itself. A time is written as {TIME_FORMS};
memory as {MEMORY_FORMS}.
"""
_WORDS = {
    "host": "whatever `ssh` accepts; absent: this computer",
    "python": "interpreter over there, which runs functions; absent: `python3`, here the one that calls",
    "trusted": "false: results of Python functions there are taken as plain data only",
    "extends": "another machine, whose keys count where this one has none",
    "scheduler": "the batch system: `slurm`, `direct`, or one of an installed package; absent: found by "
    "`jobferry check` or the first job",
    "transport": "how it is reached: `local` or `openssh`",
    "account": "account that jobs are charged to",
    "partition": "partition of jobs",
    "qos": "quality of service of jobs",
    "poll_interval": "the batch system is asked at most once in this time: `30s`, `2m`; a bare number is "
    "seconds",
}
_RESOURCE_WORDS = {
    "nodes": "number of nodes",
    "ntasks": "number of tasks",
    "ntasks_per_node": "tasks on each node",
    "cpus_per_task": "CPUs for each task",
    "gpus_per_node": "GPUs on each node; also `TYPE:N`",
    "gpus_per_task": "GPUs for each task",
    "mem": "memory on each node",
    "mem_per_cpu": "memory for each CPU; not together with `mem`",
    "time": "time limit",
    "partition": "partition",
    "account": "account that is charged",
    "qos": "quality of service",
    "constraint": "features that nodes must have",
    "reservation": "reservation",
    "exclusive": "`true`: the nodes are shared with nobody",
}
_VARIABLES = {
    "JOBFERRY_CONFIG": "the user's configuration file",
    "JOBFERRY_STORE": "the file with the list of jobs; if absent `jobferry/jobs.db` in `$XDG_DATA_HOME` "
    "(`~/.local/share`)",
    "JOBFERRY_DEFAULT_MACHINE": "the machine that is meant when none is named",
    "JOBFERRY_MACHINE_*": "a key of whichever machine is used: `JOBFERRY_MACHINE_ACCOUNT=def-other`",
    "JOBFERRY_FORMAT": "form of answers: `table`, `json` or `ids`",
}


def _described(noun: type) -> dict[str, str]:
    """Read the `Attributes:` of a docstring."""
    _, _, block = (noun.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", block, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", words).replace("``", "`").rstrip(".") for name, words in entries}


def _default(noun: type, name: str) -> str:
    found = {entry.name: entry.default for entry in fields(noun)}.get(name)
    return "" if found in (None, (), MISSING) else f"`{found}`"


# -- errors


def errors_page() -> str:
    """Write the error tree."""
    rows = [
        (
            f"{'&nbsp;' * 4 * depth}`{error.__name__}`",
            str(error.exit_code),
            "yes" if error.transient else "",
            _first_paragraph(error),
        )
        for depth, error in _tree(errors.JobferryError)
    ]
    return f"# Errors\n\n{_ERRORS}\n{table(('error', 'exit code', 'try again', 'means'), rows)}"


_ERRORS = """\
All are in the module `jobferry`. Each has `message`, `hint`, `machine`, `job_id` and `command`, where there
is one; `transient` says whether the same call can succeed later with nothing changed. `except` on a class
catches those indented below it.

On the command line an error is one sentence, the command if one failed, and a hint; `--debug` adds the
traceback.
"""


def _tree(
    error: type[errors.JobferryError], depth: int = 0
) -> Iterator[tuple[int, type[errors.JobferryError]]]:
    yield depth, error
    for below in error.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below, depth + 1)


def _first_paragraph(noun: type) -> str:
    return " ".join((noun.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


# -- batch systems


def schedulers_page() -> str:
    """Write what each dialect makes of each field, found out by trying."""
    dialects = [open_scheduler(name) for name in DIALECTS]
    headings = ("field", *(f"`{dialect.name}`" for dialect in dialects))
    rows = [
        (f"`{name}`", *(_tried(dialect, spec) for dialect in dialects)) for name, spec in _specimens().items()
    ]
    means = [(words, *("yes" if has(dialect) else "no" for dialect in dialects)) for words, has in _ABLE]
    parts = [f"# Batch systems\n\n{_SCHEDULERS}", table(headings, rows), table(("", *headings[1:]), means)]
    parts += [_states(dialect.name) for dialect in dialects]
    parts.append(f"## Reasons that `jobferry why` explains\n\n{_reasons()}")
    return "\n".join(parts)


_SCHEDULERS = """\
What each makes of a field; nothing is dropped silently. `slurm` writes an option of `sbatch`; `direct`, a
machine without a batch system, takes what one machine satisfies, keeps the time limit, and refuses the rest.
Run with Slurm 22.05; other versions have not been run.
"""
_SAMPLES: Mapping[str, object] = {
    "nodes": 1,
    "ntasks": 4,
    "ntasks_per_node": 4,
    "cpus_per_task": 8,
    "gpus_per_node": 2,
    "gpus_per_task": 1,
    "gpu_type": "a100",
    "mem": 4 * 1024**3,
    "mem_per_cpu": 512 * 1024**2,
    "time": timedelta(hours=1, minutes=30),
    "exclusive": True,
}
_ABLE: tuple[tuple[str, Callable[[Scheduler], bool]], ...] = (
    ("`hold` and `release`", lambda dialect: dialect.capabilities.hold),
    ("accounting is asked", lambda dialect: dialect.capabilities.history),
    ("the launch script keeps limits and runs arrays", lambda dialect: dialect.capabilities.supervised),
)


def _specimens() -> dict[str, JobSpec]:
    found = {}
    for name in RESOURCE_NAMES:
        values = {name: _SAMPLES.get(name, "word")}
        if name == "gpu_type":
            values["gpus_per_node"] = 2
        found[name] = JobSpec(command=("true",), resources=Resources(**values))  # type: ignore[arg-type]
    hour = Resources(time=timedelta(hours=1))
    return {
        **found,
        "nodes (2)": JobSpec(command=("true",), resources=Resources(nodes=2)),
        "array": JobSpec(command=("true",), array=parse_array("0-9%2")),
        "signal": JobSpec(command=("true",), resources=hour, signal=parse_warning_signal("USR1@60")),
        "native": JobSpec(command=("true",), native=("--nice=100",)),
    }


def _tried(dialect: Scheduler, spec: JobSpec) -> str:
    try:
        lines = set(dialect.directives(spec, "name"))
    except errors.SpecError:
        return "refused"
    plain = dialect.directives(JobSpec(command=("true",)), "name")
    time = dialect.directives(
        JobSpec(command=("true",), resources=Resources(time=timedelta(hours=1))), "name"
    )
    own = sorted(lines - set(plain) - (set(time) if spec.signal else set()))
    own = [line for line in own if not line.startswith("--output=")]
    return ", ".join(f"`{line}`" for line in own) if dialect.prefix != "#" else "taken"


def _states(name: str) -> str:
    for module in (f"jobferry.schedulers.{name}_words", f"jobferry.schedulers.{name}"):
        try:
            states = importlib.import_module(module).STATES
        except (ImportError, AttributeError):
            continue
        rows = [(f"`{native}`", *_state(meaning)) for native, meaning in states.items()]
        return f"## States of `{name}`\n\n{table(('word', 'state', 'failure'), rows)}"
    raise LookupError(f"no table of states for {name}")


def _state(meaning: JobState | tuple[JobState, Failure | None]) -> tuple[str, str]:
    state, failure = meaning if isinstance(meaning, tuple) else (meaning, None)
    return f"`{state}`", f"`{failure}`" if failure else ""


def _reasons() -> str:
    from jobferry.schedulers.slurm_words import REASONS

    return table(("reason", "means"), [(f"`{word}`", words) for word, words in REASONS.items()])


# -- the picture

SESSION = (
    "jobferry run -- python3 -c 'print(6*7)'",
    "jobferry submit --name fit --output 'model/*' -- sh -c 'mkdir model; echo 0.5 > model/weights'",
    "jobferry wait @last",
    "jobferry fetch @last",
    "jobferry submit --name broken -- python3 -c 'import nosuch'",
    "jobferry wait @last",
    "jobferry list",
    "jobferry why @last",
)
_PROMPT = "$ "
_ID = r"0[0-9a-hjkmnp-tv-z]{11}"
_IDS = ("02kf9na8qzs3", "02kf9neptqzz", "02kf9nk4s1gf", "02kf9npq7d2w")
_NATIVE = re.compile(r"\S+:\d+")


def play(session: Iterable[str]) -> list[Text]:
    """Run commands on this machine, in a home of their own and on a terminal; give what it shows."""
    lines: list[Text] = []
    with tempfile.TemporaryDirectory() as home:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"HOME": home, "PATH": programs, "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
        for command in session:
            lines.append(Text.assemble((_PROMPT, "bold green"), (command, "bold")))
            lines += Text.from_ansi(_on_terminal(command, home, environment)).split("\n", allow_blank=True)[
                :-1
            ]
    return _neutral(lines)


def _on_terminal(command: str, home: str, environment: Mapping[str, str]) -> str:
    """Run a command with a terminal for output; what it says of its progress is left out."""
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            ["sh", "-c", f"{command} 2>errors || cat errors"],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            cwd=home,
            env=environment,
        )
        os.close(theirs)
        said = b"".join(_pieces(screen.fileno()))
        process.wait()
    return said.decode().replace("\r\n", "\n")


def _pieces(descriptor: int) -> Iterator[bytes]:
    # a terminal that nobody has open any more ends in an error and not in nothing
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError:
            return
        if not piece:
            return
        yield piece


def _neutral(lines: list[Text]) -> list[Text]:
    """Write what differs from run to run, and what is this machine's own, always the same."""
    found = dict.fromkeys(re.findall(_ID, "\n".join(line.plain for line in lines)))
    ids = dict(zip(found, _IDS, strict=False))
    host = re.escape(os.uname().nodename)
    start = end = 0
    shown = []
    for line in lines:
        if (heading := line.plain.find("native id")) > 0:
            start, end = heading, line.plain.index("time", heading)
            line = _replaced(line, start, end, "native id".ljust(14))
        elif start and _NATIVE.match(line.plain, start):
            line = _replaced(line, start, end, "laptop:4711".ljust(14))
        for pattern, text in (
            (rf"\bon {host}\b", "on laptop"),
            (r"\b[01]s\b", "0s"),
            (r"00:00:0\d", "00:00:00"),
        ):
            for match in reversed([*re.finditer(pattern, line.plain)]):
                line = _replaced(line, match.start(), match.end(), text)
        for match in reversed([*re.finditer(_ID, line.plain)]):
            line = _replaced(line, match.start(), match.end(), ids[match[0]])
        line.rstrip()
        shown.append(line)
    return shown


def _replaced(line: Text, start: int, end: int, text: str) -> Text:
    style = line.get_style_at_offset(Console(), start)
    return Text.assemble(line[:start], (text, style), line[end:]) if end > start else line


def draw(lines: Iterable[Text]) -> str:
    """Draw a terminal."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    for line in lines:
        console.print(line, highlight=False)
    # fonts from elsewhere and the note of who drew it are left out: a picture loads nothing
    form = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*|rich-", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="jobferry", unique_id="demo", code_format=form)


if __name__ == "__main__":
    main()
