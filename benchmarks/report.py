"""What was measured, as a table: on the terminal and in the documentation."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jobferry
from benchmarks.measure import Figure, Result, middle_half

_HEAD = ("case", "round trip", "Jobferry", "beside", "ratio", "middle half", "aim", "")
_INTRODUCTION = """\
# Benchmarks

`make bench` measures this on a real sshd and a real Slurm of its own, and writes this page anew. Each
case is timed in turn with the bare tool that it cannot do without, over the same ssh connection; what
counts is the ratio, for the times are those of one small machine on which both ends run. A round trip of
50 ms comes from a relay that holds every byte back for 25 ms; it models neither bandwidth nor loss.
Ratios are of medians; the middle half is that of the ratios of neighbours.

{when}: {versions}; {cores} cores, {runs} runs a case as a rule.

"""


def format_table(results: Sequence[Result]) -> str:
    """Lay the results out in columns, as Markdown that also reads well as it is."""
    rows = [_HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, _line(["-" * width for width in widths], widths))
    return "\n".join(lines) + "\n"


def write_page(path: Path, results: Sequence[Result], runs: int) -> None:
    """Write the documentation's page."""
    introduction = _INTRODUCTION.format(
        when=f"{datetime.now(UTC):%Y-%m-%d}", versions=versions(), cores=os.cpu_count(), runs=runs
    )
    path.write_text(f"{introduction}{format_table(results)}", encoding="utf-8")


def versions() -> str:
    """Name what took part."""
    ssh = _first_words("ssh", "-V").split(",")[0]
    slurm = _first_words("sbatch", "--version")
    return f"Jobferry {jobferry.__version__}, Python {platform.python_version()}, {ssh}, {slurm}"


def _first_words(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def _row(result: Result) -> tuple[str, ...]:
    trip = "-" if result.rtt is None else f"{result.rtt} ms"
    judged = {None: "", True: "met", False: "missed"}[result.is_met]
    if isinstance(result, Figure):
        low, high = middle_half(list(result.values))
        unit = result.unit
        middle = f"{low:.3g}-{high:.3g} {unit}"
        return (
            result.case,
            trip,
            f"{result.what}: {result.median:.3g} {unit}",
            "",
            "",
            middle,
            _aim(result.aim),
            judged,
        )
    ours = f"{result.ours}: {_time(result.our_seconds)}"
    bare = f"{result.bare}: {_time(result.bare_seconds)}"
    low, high = result.spread
    middle = f"{low:.2f}-{high:.2f}"
    return (result.case, trip, ours, bare, f"{result.ratio:.2f}", middle, _aim(result.aim), judged)


def _aim(aim: float | None) -> str:
    return "" if aim is None else f"{aim:g}"


def _time(values: Sequence[float]) -> str:
    median = sorted(values)[len(values) // 2]
    return f"{median:.2f} s" if median >= 1 else f"{median * 1000:.3g} ms"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
