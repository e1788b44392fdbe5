"""Console examples: what is typed, what is expected, and whether it came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ID = r"0[0-9a-hjkmnp-tv-z]{11}"
# what differs from run to run: an example of a kind stands for all of the kind
_KINDS = {
    rf"\S+:\d+:\d+:(?={_ID})": rf"\S+:\d+:\w+:(?={_ID})",
    r"\blaptop:\d+": r"\S+:\d+",
    r"\d{4}-\d\d-\d\d": r"\d{4}-\d\d-\d\d",
    r"\d\d:\d\d:\d\d": r"\d\d:\d\d:\d\d",
    r"\b\d+(?:s|m\d\ds|h\d\dm)\b": r"\d+(?:s|m\d\ds|h\d\dm)",
    r"\b\d+\.\d+ ms\b": r"\d+\.\d+ ms",
    r"\b\d+[KMGT] free\b": r"\d+[KMGT] free",
    # a batch system's own id
    r"\b\d{5,}\b": r"\d+",
}
_PARTS = re.compile(
    rf"(?P<id>\b{_ID}\b)|(?P<gap>\.\.\.)|(?P<space>\s+)|" + "|".join(f"(?:{k})" for k in _KINDS)
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a session and what it prints."""

    command: str
    expected: str


def read_session(text: str) -> list[Step]:
    """Take a console example apart; a line that ends in a backslash goes on on the next."""
    steps: list[Step] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            steps.append(Step(_command(line, lines), ""))
        elif not steps:
            raise ValueError(f"output before the first command: {line}")
        else:
            steps[-1] = Step(steps[-1].command, f"{steps[-1].expected}{line}\n")
    return steps


def _command(line: str, lines: Iterator[str]) -> str:
    words = line[2:]
    while words.endswith("\\"):
        words += "\n" + next(lines)
    return words


@dataclass(slots=True)
class Ids:
    """Which job's id stands where the page has one of its own."""

    known: dict[str, str] = field(default_factory=dict)

    def put_into(self, command: str) -> str:
        """Write a command with the ids of this run."""
        return re.sub(rf"\b{_ID}\b", lambda match: self.known.get(match[0], match[0]), command)

    def matches(self, expected: str, actual: str) -> bool:
        """Compare output, and learn the ids that are new."""
        new: list[str] = []
        pattern = "".join(self._line(line, new) for line in expected.splitlines())
        found = re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in actual.splitlines()))
        if found is None:
            return False
        self.known.update(zip(new, found.groups(), strict=True))
        return True

    def _line(self, line: str, new: list[str]) -> str:
        if line.strip() == "...":
            return r"(?:.*\n)*?"
        parts, end = [], 0
        for match in _PARTS.finditer(line):
            parts += [re.escape(line[end : match.start()]), self._part(match, new)]
            end = match.end()
        return "".join([*parts, re.escape(line[end:]), "\n"])

    def _part(self, match: re.Match[str], new: list[str]) -> str:
        text = match[0]
        if match["gap"]:
            return ".*"
        if match["space"]:
            return r"\s+" if match.start() else r" +"
        if not match["id"]:
            return next(
                like for kind, like in _KINDS.items() if re.match(kind, match.string[match.start() :])
            )
        if text in self.known:
            return re.escape(self.known[text])
        if text in new:
            return f"(?P=id{new.index(text)})"
        new.append(text)
        return f"(?P<id{len(new) - 1}>{_ID})"
