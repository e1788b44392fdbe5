"""Real outputs of batch systems, as `tools/capture-*` wrote them."""

from __future__ import annotations

from pathlib import Path

from jobferry.model.command import CommandResult

CAPTURES = Path(__file__).parents[1] / "captures"


def load(name: str) -> CommandResult:
    """Read a capture, such as ``slurm/22.05.8/squeue-held``."""
    text = (CAPTURES / f"{name}.txt").read_text("utf-8")
    head, _, rest = text.partition("\n--- stdout\n")
    stdout, _, stderr = rest.rpartition("--- stderr\n")
    return CommandResult(
        exit_code=int(head.rpartition("exit ")[2]), stdout=stdout.encode(), stderr=stderr.encode()
    )


def names(folder: str, start: str) -> list[str]:
    """List the captures of a folder whose names begin so."""
    return sorted(f"{folder}/{path.stem}" for path in (CAPTURES / folder).glob(f"{start}*.txt"))
