"""The only place that prints: data to standard output, talk to standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
FORMATS = ("table", "json", "ids")

# words that mean something at a glance: states of jobs, grades of findings
_STYLES = {
    "queued": "yellow",
    "held": "yellow",
    "suspended": "yellow",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "magenta",
    "ok": "green",
    "note": "yellow",
    "bad": "red",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; the first column names what a row is about."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


# -- data


def data(text: str) -> None:
    """Print a line of data."""
    _write(sys.stdout, text + "\n")


def data_bytes(piece: bytes) -> None:
    """Pass bytes on to standard output as they are."""
    _write_bytes(sys.stdout, piece)


def document(name: str, content: object) -> None:
    """Print JSON: the schema's number, and the content under its name."""
    data(json.dumps({"schema": SCHEMA, name: content}, indent=2))


def table(rows: Table) -> None:
    """Print a table: with colours on a terminal, plain and aligned otherwise."""
    if not rows.rows:
        return
    if sys.stdout.isatty():
        _rich_table(rows)
        return
    lines = [[_plain(cell) for cell in row] for row in (rows.columns, *rows.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        data("  ".join(padded).rstrip())


def listing(name: str, content: object, rows: Table, form: str) -> None:
    """Print what was asked for in the form that was asked for."""
    if form == "json":
        document(name, content)
    elif form == "ids":
        for row in rows.rows:
            data(_plain(row[0]))
    else:
        table(rows)


def sheet(title: str, entries: Sequence[tuple[str, str]]) -> None:
    """Print one thing: a heading, then names and values."""
    if title:
        data(_styled(title, "1"))
    width = max((len(name) for name, _ in entries), default=0)
    for name, value in entries:
        data(f"{'  ' if title else ''}{name.ljust(width)}  {_plain(value)}".rstrip())


# -- talk


def talk(text: str) -> None:
    """Print a line for the person at the terminal."""
    with suppress(OSError, ValueError):
        _write(sys.stderr, text + "\n")


def talk_bytes(piece: bytes) -> None:
    """Pass bytes on to standard error as they are."""
    _write_bytes(sys.stderr, piece)


def notice(text: str) -> None:
    """Tell what goes on to the person at the terminal, if there is one."""
    if sys.stderr.isatty():
        talk(text)


def warning(text: str, *, hint: str | None = None) -> None:
    """Print what went wrong but stops nothing, and what can be done about it."""
    talk(f"jobferry: {text}")
    if hint:
        talk(f"  hint: {_plain(hint)}")


def error(message: str, *, command: str | None = None, hint: str | None = None) -> None:
    """Print an error: what happened, the command that failed, what can be done."""
    for line in message.splitlines() or [message]:
        talk(f"jobferry: {_plain(line)}")
    if command:
        talk(f"  command: {_plain(command)}")
    if hint:
        talk(f"  hint: {_plain(hint)}")


def traceback(exc: BaseException) -> None:
    """Print where an error happened."""
    from traceback import format_exception

    talk("".join(format_exception(exc)).rstrip())


def ask(question: str, answers: str) -> str | None:
    """Ask for one of some letters; None when nobody is there to answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    while True:
        _write(sys.stderr, f"{question} ")
        line = sys.stdin.readline()
        if not line:
            return None
        if (letter := line.strip().lower()[:1]) and letter in answers:
            return letter


def raw_stdin() -> BinaryIO | None:
    """Give standard input as an unbuffered stream of its own, which a thread may be left reading."""
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    except (OSError, ValueError, AttributeError):
        return None


def start_logging(level: str) -> None:
    """Send the library's own words to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("jobferry: %(message)s"))
    logger = logging.getLogger("jobferry")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def hush() -> None:
    """Stop printing: whoever read our output has gone."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show how far a transfer has come, on a terminal; gives what is to be told of bytes."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(_plain(what).replace("[", "\\["), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# -- words


def duration(value: timedelta | None) -> str:
    """Write a duration as people say it: ``42s``, ``3m05s``, ``1h02m``, ``2d03h``."""
    if value is None:
        return ""
    seconds = max(0, int(value.total_seconds()))
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // smaller:02d}{below}"
    return f"{seconds}s"


def cell(value: object) -> str:
    """Write a value of a document for people; what is not there is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(entry) for entry in value)
    return str(value)


def _plain(text: str) -> str:
    # names and reasons come from others: they must not move the cursor
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _styled(text: str, code: str) -> str:
    colourful = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{code}m{_plain(text)}\x1b[0m" if colourful else _plain(text)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # an empty NO_COLOR asks for nothing (no-color.org), which not every rich knows
    return Console(file=stream, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)


def _rich_table(rows: Table) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(rows.columns):
        drawn.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows.rows:
        drawn.add_row(*(Text(_plain(cell), style=_STYLES.get(cell, "")) for cell in row))
    _console(sys.stdout).print(drawn)


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _write_bytes(stream: TextIO, piece: bytes) -> None:
    stream.flush()
    stream.buffer.write(piece)
    stream.buffer.flush()
