"""Programs for the far side: many commands in one request, each answer told apart by a random mark."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobferry.errors import ParseError
from jobferry.model.command import Command, CommandResult
from jobferry.render.shell import assignments, join, quote


@dataclass(slots=True)
class Program:
    """A request being written: shell lines, some of them sections whose answers come back by name."""

    mark: str = field(default_factory=lambda: f"jf-{secrets.token_hex(8)}")
    lines: list[str] = field(default_factory=list)

    def do(self, *argv: str) -> None:
        """Add a command whose output nobody reads."""
        self.lines.append(join(argv))

    def require(self, *argv: str) -> None:
        """Add a command without which the rest makes no sense."""
        self.lines.append(f"{join(argv)} || exit")

    def set(self, name: str, value: str) -> None:
        """Add a shell variable."""
        self.lines.append(f"{name}={quote(value)}")

    def text(self, line: str) -> None:
        """Add a line that is shell text already, made by ``render.shell``."""
        self.lines.append(line)

    def section(self, name: str, command: Command, *, folder: str | None = None) -> None:
        """Add a command whose output, errors and exit code come back under `name`."""
        line = f"jf_section {quote(name)} {_call(command)}"
        self.lines.append(line if folder is None else f"( cd {quote(folder)} && {line} )")

    def render(self) -> str:
        """Return the program's text."""
        return "\n".join([f"JF_MARK={self.mark}", *self.lines, ""])

    def parse(self, result: CommandResult) -> Mapping[str, CommandResult]:
        """Take an answer apart: section name -> what came of it.

        Raises:
            ParseError: a section has no end.
        """
        mark = re.escape(self.mark.encode())
        begin = re.compile(rb"\n" + mark + rb" begin ([^\n]*)\n")
        end = re.compile(rb"\n" + mark + rb" errors\n(.*?)\n" + mark + rb" end (\d+)\n", re.DOTALL)
        answers: dict[str, CommandResult] = {}
        position = 0
        while opened := begin.search(result.stdout, position):
            closed = end.search(result.stdout, opened.end())
            if closed is None:
                raise ParseError("the answer breaks off", text=result.text)
            name = opened[1].decode()
            stdout = result.stdout[opened.end() : closed.start()]
            answers[name] = CommandResult(exit_code=int(closed[2]), stdout=stdout, stderr=closed[1])
            position = closed.end()
        return answers


def _call(command: Command) -> str:
    if command.environment:
        # a prefix assignment before a function would outlive it in some shells
        return f"env {assignments(command.environment)}{join(command.argv)}"
    return join(command.argv)
