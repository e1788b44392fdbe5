"""A user's own sbatch script: its ``#SBATCH`` lines, read into the job's specification."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from jobferry.errors import SpecError
from jobferry.model.spec import JobSpec, Resources, parse_array
from jobferry.model.units import parse_memory, parse_time
from jobferry.schedulers.slurm_words import quote_word

_PREFIX = "#SBATCH"
_SHORT: Mapping[str, str] = {
    "A": "account", "C": "constraint", "D": "chdir", "J": "job-name", "N": "nodes", "Q": "quiet", "W": "wait",
    "a": "array", "c": "cpus-per-task", "e": "error", "n": "ntasks", "o": "output", "p": "partition",
    "q": "qos", "t": "time",
}  # fmt: skip
_COUNTS = ("nodes", "ntasks", "ntasks-per-node", "cpus-per-task")
_WORDS = ("account", "constraint", "partition", "qos", "reservation")
_FLAGS = ("exclusive", "wait", "quiet", "test-only")
_READ = (*_COUNTS, *_WORDS, "time", "mem", "mem-per-cpu", "gpus-per-node", "exclusive")
_IGNORED: Mapping[str, str] = {
    **dict.fromkeys(("output", "error", "open-mode"), "its output is kept with the job"),
    "wait": "waiting is `jobferry wait`",
    "quiet": "it would hide the job's id",
    "test-only": "it would submit nothing",
}


@dataclass(frozen=True, slots=True)
class _Option:
    """One option of a directive: its long name, its value, and the words it was written in."""

    name: str
    value: str
    words: tuple[str, ...]


def honour_directives(spec: JobSpec, *, named: bool) -> tuple[JobSpec, tuple[str, ...]]:
    """Read a script's own directives into its specification; what is given beside the script goes first.

    Returns the specification, and what of the script has no effect, in words; `named`: a name was given.

    Raises:
        SpecError: a directive that cannot be read.
    """
    found: dict[str, str] = {}
    native: list[str] = []
    ignored: list[str] = []
    lines = list(_directive_lines(spec.script or ""))
    # what follows speaks of another part of the job
    other_part = next((n for n, line in enumerate(lines) if line in ("hetjob", "packjob")), len(lines))
    for line in lines[:other_part]:
        options = _options(line)
        found |= {option.name: option.value for option in options if _is_known(option)}
        ignored += [
            f"--{option.name}: {_IGNORED[option.name]}" for option in options if option.name in _IGNORED
        ]
        kept = [option for option in options if not _is_known(option) and option.name not in _IGNORED]
        if kept:
            words = (word for option in kept for word in option.words)
            native.append(line if len(kept) == len(options) else " ".join(map(quote_word, words)))
    name, array, folder = (found.pop(key, None) for key in ("job-name", "array", "chdir"))
    return (
        replace(
            spec,
            name=name if name and not named else spec.name,
            array=spec.array or (parse_array(array) if array else None),
            directory=spec.directory or (PurePosixPath(folder) if folder else None),
            resources=spec.resources.over(_resources(found)),
            native=(*native, *lines[other_part:], *spec.native),
        ),
        tuple(ignored),
    )


def _directive_lines(script: str) -> Iterator[str]:
    for line in script.split("\n"):
        if line.startswith(_PREFIX):
            yield line.removeprefix(_PREFIX).strip()
        elif line.strip() and not line.startswith("#"):
            # sbatch(1): directives after the first command are not read
            return


def _options(line: str) -> list[_Option]:
    """Take a line apart; words after an option that is not known are taken for its value."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise SpecError(f"a directive cannot be read: {_PREFIX} {line}: {error}") from error
    options = []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            has_value = bool(equals) or name in _FLAGS
        else:
            # a word that is no option at all stands for itself
            name = _SHORT.get(word[1:2], word) if word.startswith("-") else word
            value = word[2:]
            has_value = bool(value) or name in _FLAGS
        rest = []
        while words and not has_value and not words[0].startswith("-"):
            rest.append(words.pop(0))
            has_value = name in (*_READ, *_IGNORED, "array", "job-name", "chdir")
        options.append(_Option(name, value or " ".join(rest), (word, *rest)))
    return options


def _is_known(option: _Option) -> bool:
    """Whether the option is one of ours with a value that ours can hold; ``--mem=0`` and others are not."""
    if option.name in ("array", "job-name", "chdir"):
        return bool(option.value)
    if option.name not in _READ:
        return False
    try:
        _resources({option.name: option.value})
    except SpecError:
        return False
    return option.name != "exclusive" or not option.value


def _resources(found: Mapping[str, str]) -> Resources:
    values: dict[str, object] = {}
    for name, value in found.items():
        if not value and name != "exclusive":
            raise SpecError(f"--{name} has no value")
        field = name.replace("-", "_")
        if name in _COUNTS:
            values[field] = _count(value)
        elif name in ("mem", "mem-per-cpu"):
            values[field] = parse_memory(value)
        elif name == "time":
            values[field] = parse_time(value)
        elif name == "exclusive":
            values[field] = True
        elif name == "gpus-per-node":
            kind, _, count = value.rpartition(":")
            values |= {field: _count(count), "gpu_type": kind or None}
        else:
            values[field] = value
    return Resources(**values)  # type: ignore[arg-type]


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise SpecError(f"not a whole number: {text!r}")
    return int(text)
