"""A command to be run somewhere, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Arguments, never text: a shell sees them only after ``render.shell`` has quoted them.

    Attributes:
        argv: the program and its arguments.
        environment: variables set for this command alone; never shown.
        directory: where it runs; None is the login folder.
        timeout: seconds without an end after which it is given up; None waits for ever.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: PurePosixPath | None = None
    timeout: float | None = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended; a non-zero exit is a result, not an error.

    Attributes:
        exit_code: 128 + n when signal n ended it.
        stdout: bytes as printed.
        stderr: bytes as printed.
        again: whether it was sent a second time, and may have run, in part or whole, a first.
    """

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    again: bool = False

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are kept as escapes."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def words(self) -> str:
        """What it said when it failed: standard error, or else standard output, on one line."""
        said = self.stderr.strip() or self.stdout.strip()
        return " ".join(said.decode("utf-8", "backslashreplace").split())
