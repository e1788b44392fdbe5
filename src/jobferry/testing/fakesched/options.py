"""Options of Slurm's programs, on the command line and in a script's first lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

Options = dict[str, str]

# program -> its flags that take no value
_FLAGS: Mapping[str, frozenset[str]] = {
    "sbatch": frozenset({"parsable", "hold", "exclusive", "requeue", "no-requeue", "quiet"}),
    "squeue": frozenset({"me", "noheader"}),
    "sacct": frozenset({"noheader", "parsable2", "allocations"}),
    "scancel": frozenset({"me", "quiet"}),
    "sinfo": frozenset({"noheader"}),
}
_VALUES: Mapping[str, frozenset[str]] = {
    "sbatch": frozenset(
        {
            "account", "array", "comment", "constraint", "cpus-per-task", "dependency", "error", "exclude",
            "gpus-per-node", "gpus-per-task", "job-name", "kill-on-invalid-dep", "mem", "mem-per-cpu",
            "nodelist", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output", "partition", "qos",
            "reservation", "signal", "time",
        }
    ),
    "squeue": frozenset({"jobs", "states", "format", "name", "user"}),
    "sacct": frozenset({"jobs", "format", "name", "starttime", "user"}),
    "scancel": frozenset({"name", "signal", "state", "user"}),
    "sinfo": frozenset({"format", "partition"}),
}  # fmt: skip
_OPPOSITES = {"requeue": "no-requeue", "no-requeue": "requeue"}
_SHORT: Mapping[str, Mapping[str, str]] = {
    "sbatch": {
        "A": "account", "C": "constraint", "J": "job-name", "N": "nodes", "a": "array", "c": "cpus-per-task",
        "d": "dependency", "e": "error", "n": "ntasks", "o": "output", "p": "partition", "q": "qos",
        "t": "time", "H": "hold", "w": "nodelist", "x": "exclude",
    },
    "squeue": {"j": "jobs", "t": "states", "o": "format", "n": "name", "h": "noheader", "u": "user"},
    "sacct": {
        "n": "noheader", "P": "parsable2", "X": "allocations", "j": "jobs", "o": "format", "S": "starttime",
    },
    "scancel": {"n": "name", "u": "user", "s": "signal", "t": "state", "Q": "quiet"},
    "sinfo": {"h": "noheader", "o": "format", "p": "partition"},
}  # fmt: skip


def read_options(program: str, argv: list[str]) -> tuple[Options, list[str]]:
    """Take a command line apart into long options and what follows them.

    Raises:
        ValueError: an option there is none of, in the program's words.
    """
    options: Options = {}
    words = list(argv)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            _add(options, program, name, value if equals else None, words)
            continue
        letters = word[1:]
        while letters:
            name = _SHORT[program].get(letters[0], "")
            if name in _FLAGS[program]:
                options[name], letters = "", letters[1:]
            else:
                _add(options, program, name or letters[0], letters[1:] or None, words)
                letters = ""
    return options, words


def merge_options(*all_of_them: Options) -> Options:
    """Join options from several places; of those that cannot both be, the later one counts."""
    merged: Options = {}
    for options in all_of_them:
        for name, value in options.items():
            merged.pop(_OPPOSITES.get(name, ""), None)
            merged[name] = value
    return merged


def _add(options: Options, program: str, name: str, value: str | None, words: list[str]) -> None:
    if name in _FLAGS[program]:
        options[name] = value or ""
    elif name in _VALUES[program]:
        if value is None and not words:
            raise ValueError(f"option '--{name}' requires an argument")
        options[name] = words.pop(0) if value is None else value
    else:
        raise ValueError(f"unrecognized option '--{name}'")


def read_script(words: list[str]) -> tuple[bytes, Options]:
    """Read a script, and the options in the lines before its first command.

    Raises:
        ValueError: it is not there, or is no script.
    """
    if not words:
        raise ValueError("error: this fake reads no script from its input")
    try:
        script = Path(words[0]).read_bytes()
    except OSError as error:
        raise ValueError(f"error: Unable to open file {words[0]}") from error
    if not script.startswith(b"#!"):
        raise ValueError("error: This does not look like a batch script.")
    options: Options = {}
    for line in script.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith("#SBATCH"):
            found, _ = read_options("sbatch", shlex.split(line.removeprefix("#SBATCH"), comments=True))
            options = merge_options(options, found)
        elif line.strip() and not line.startswith("#"):
            break
    return script, options
