"""Run cases and write down what came of them: ``python -m benchmarks [CASE...] [--rtt 0,50] [--runs N]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.rigs.slurm import missing as slurm_missing
from tests.rigs.sshd import missing as sshd_missing

from benchmarks.bed import Bed
from benchmarks.cases import CASES
from benchmarks.measure import Result
from benchmarks.report import format_table, versions, write_page

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main(arguments: Sequence[str]) -> int:
    asked = _parse(arguments)
    if reason := slurm_missing() or sshd_missing():
        print(f"cannot be measured here: {reason}", file=sys.stderr)
        return 1
    print(versions())
    results = []
    with Bed() as bed:
        for result in _measure(bed, asked.cases or list(CASES), asked.rtt, asked.runs):
            print(format_table([result]).splitlines()[-1], flush=True)
            results.append(result)
    print(f"\n{format_table(results)}")
    if not asked.cases:
        write_page(PAGE, results, asked.runs)
        print(f"written to {PAGE.relative_to(PAGE.parents[1])}")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all without any")
    parser.add_argument("--rtt", type=_numbers, default=[0, 50], help="round trips in ms (default 0,50)")
    parser.add_argument("--runs", type=int, default=7, help="runs a case as a rule (default 7)")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; known: {', '.join(CASES)}")
    return asked


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _measure(bed: Bed, cases: Sequence[str], rtts: Sequence[int], runs: int) -> Iterator[Result]:
    for name in cases:
        for rtt in rtts:
            yield from CASES[name](bed, rtt, runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
