"""Where in a TOML text each key stands; `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass

KeyPath = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(r'''"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL)
_BARE = re.compile(r"[^,\]}#\n]+")


@dataclass(slots=True)
class Section:
    """A table written with a header: the lines from the header to the last value, counted from 1."""

    path: KeyPath
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand in a TOML text: the line of each key's first mention, and the headed tables."""

    lines: dict[KeyPath, int]
    sections: list[Section]


def find_places(text: str) -> Places:
    """Find the line of every key, dotted, quoted, in headers and in inline tables.

    The text must be valid TOML. Keys inside arrays are not looked for.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return Places(scanner.lines, scanner.sections)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[KeyPath, int] = {}
        self.sections: list[Section] = []

    def scan(self) -> None:
        table: KeyPath = ()
        while not self._at_end():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
                if self.sections:
                    # the last character of the value, not the one after it, which may be a newline
                    self.sections[-1].last_line = self._line(self.at - 1)

    def _at_end(self) -> bool:
        self._skip(_BLANK)
        return self.at >= len(self.text)

    def _header(self) -> KeyPath:
        line = self._line(self.at)
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        table = self._key()
        self._skip(_SPACE)
        self.at += brackets
        self._note(table, line)
        self.sections.append(Section(table, line, line))
        return table

    def _pair(self, table: KeyPath | None) -> None:
        """Pass ``key = value``; None is a table inside an array."""
        line = self._line(self.at)
        key = self._key()
        path = None if table is None else (*table, *key)
        if path is not None:
            self._note(path, line)
        self._skip(_SPACE)
        self.at += 1  # the equals sign
        self._value(path)

    def _key(self) -> KeyPath:
        parts = []
        while True:
            self._skip(_SPACE)
            word = self._take(_KEY)
            parts.append(tomllib.loads(f"word = {word}")["word"] if word[0] in "\"'" else word)
            self._skip(_SPACE)
            if self._next() != ".":
                return tuple(parts)
            self.at += 1

    def _value(self, path: KeyPath | None) -> None:
        self._skip(_SPACE)
        match self._next():
            case '"' | "'":
                self._take(_TEXT)
            case "[":
                self._items("]", None)
            case "{":
                self._items("}", path)
            case _:
                word = self._take(_BARE)
                self.at -= len(word) - len(word.rstrip())

    def _items(self, end: str, path: KeyPath | None) -> None:
        self.at += 1
        while True:
            self._skip(_BLANK)
            if self._next() == end:
                self.at += 1
                return
            if end == "}":
                self._pair(path)
            else:
                self._value(None)
            self._skip(_BLANK)
            if self._next() == ",":
                self.at += 1

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML: line {self._line(self.at)}")
        self.at = match.end()
        return match[0]

    def _line(self, offset: int) -> int:
        return bisect_right(self.line_starts, offset)

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)
