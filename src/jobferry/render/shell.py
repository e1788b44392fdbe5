"""The only maker of shell text: one quoter, used before any shell sees a word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from jobferry.errors import SpecError
from jobferry.model.command import Command

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))", re.ASCII)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\\\x7f-\xff]")
_OCTAL_DIGITS = frozenset("01234567")


def quote(word: str) -> str:
    """Quote one word for any POSIX shell.

    Raises:
        SpecError: the word holds a NUL, which no program can be given.
    """
    if "\0" in word:
        raise SpecError("a NUL character cannot be passed to a program")
    return shlex.quote(word)


def join(argv: Sequence[str]) -> str:
    """Quote the words of a command line."""
    return " ".join(quote(word) for word in argv)


def command_line(command: Command) -> str:
    """Write a command as one line for ``/bin/sh``: its folder, its variables, its words."""
    line = assignments(command.environment) + join(command.argv)
    if command.directory is not None:
        return f"cd {expand_path(str(command.directory))} && {line}"
    return line


def assignments(environment: Mapping[str, str]) -> str:
    """Write variables as a prefix of a command."""
    return "".join(f"{name}={quote(value)} " for name, value in environment.items())


def expand_path(path: str) -> str:
    """Quote a path so that only a leading ``~`` and ``$NAME`` or ``${NAME}`` are expanded over there.

    An unset variable ends the shell with its name rather than standing for nothing.
    """
    head, rest = '"', path
    if path == "~" or path.startswith("~/"):
        head, rest = '"${HOME:?}', path[1:]
    written = []
    end = 0
    for match in _VARIABLE.finditer(rest):
        written.append(_inside_double_quotes(rest[end : match.start()]))
        written.append(f"${{{match[1] or match[2]}:?}}")
        end = match.end()
    written.append(_inside_double_quotes(rest[end:]))
    return head + "".join(written) + '"'


def _inside_double_quotes(text: str) -> str:
    if "\0" in text:
        raise SpecError("a NUL character cannot stand in a path")
    return re.sub(r'([\\"$`])', r"\\\1", text)


def octal(data: bytes) -> str:
    """Write bytes for ``printf %b``: what a shell's text cannot hold becomes ``\\0nnn``.

    The result is printable, free of NUL and of anything a shell's own decoding could change.
    """
    return _NOT_TEXT.sub(_escape, data.decode("latin-1"))


def _escape(match: re.Match[str]) -> str:
    digits = f"{ord(match[0]):o}"
    # %b reads up to three digits after \\0, so a short escape before a digit is padded
    if match.string[match.end() : match.end() + 1] in _OCTAL_DIGITS:
        digits = digits.rjust(3, "0")
    return f"\\0{digits}"


def compact(program: str) -> str:
    """Leave out the comments and the indentation of a shell file of ours: less to send, nothing changed.

    Holds for files without here-documents and without lines that start inside quotes.
    """
    lines = (line.strip() for line in program.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def path_in(folder: PurePosixPath | str, name: str) -> str:
    """Join a folder and a name over there."""
    return str(PurePosixPath(folder) / name)


def quote_pattern(pattern: str) -> str:
    """Quote a file name pattern so that only ``*``, ``?`` and ``[...]`` keep their meaning."""
    if "\0" in pattern:
        raise SpecError("a NUL character cannot stand in a path")
    words = re.split(r"([*?\[\]!^-]+)", pattern)
    return "".join(word if index % 2 else quote(word) for index, word in enumerate(words) if word)
