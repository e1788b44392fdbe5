"""The fenced examples of a Markdown page, and the marks that say how each is run.

A mark is an HTML comment on the line above a fence:

``<!-- file: NAME -->``  the example is a file: it is written to the page's folder under that name
``<!-- run -->``         a `sh` example is run, and not only read

``<!-- runs: cluster -->`` on the first line of a page says that the ssh host `narval` is there, a real Slurm;
with ``<!-- runs: cluster with narval -->`` the machine is configured too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^(?P<ticks>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
_RUNS = re.compile(r"<!-- runs: ([a-z ]+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced example.

    Attributes:
        line: of the fence in its page, from 1.
        file: name of the file that it is, if it is one.
        run: whether it is marked to be run.
    """

    page: Path
    line: int
    language: str
    text: str
    file: str | None = None
    run: bool = False

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """List every page people read, the README first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def place_of(page: Path) -> str:
    """Say what a page needs: empty, `cluster` or `cluster with narval`."""
    found = _RUNS.match(page.read_text("utf-8"))
    return found[1] if found else ""


def read_blocks(page: Path) -> list[Block]:
    """List the fenced examples of a page in order."""
    text = page.read_text("utf-8")
    blocks = []
    for match in _FENCE.finditer(text):
        mark = match["mark"] or ""
        blocks.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start("ticks")) + 1,
                language=match["language"],
                text=match["text"],
                file=mark.removeprefix("file: ") if mark.startswith("file: ") else None,
                run=mark == "run",
            )
        )
    return blocks
