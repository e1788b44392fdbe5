"""What the files on PATH run: one program by seven names, and one more to steer it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobferry.testing.fakesched import engine, faults, slurm
from jobferry.testing.fakesched.state import Said, State, find, locked, note_call

CONTROL = "fakesched"


def main() -> None:
    """Run as ``FOLDER PROGRAM ARGUMENT...``."""
    folder, program, argv = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if program == CONTROL:
        with locked(folder) as state:
            steer(state, folder, argv)
        return
    note_call(folder, [program, *argv])

    def answer() -> Said:
        with locked(folder) as state:
            return slurm.PROGRAMS[program](state, folder, argv)

    # the version is the program's own: the controller is not asked
    is_local = argv in (["--version"], ["-V"])
    output, errors, code = answer() if is_local else faults.call(folder, program, answer)
    _write(1, output)
    _write(2, errors)
    # nothing is left to be tidied up
    os._exit(code)


def steer(state: State, folder: Path, argv: list[str]) -> None:
    """Do what a person at the batch system's own console could do."""
    verb, *words = argv
    if verb == "start":
        engine.free(state, folder, words)
    elif verb == "requeue":
        for job in find(state, words[0]):
            engine.requeue(state, folder, job)
    elif verb == "warn":
        for job in find(state, words[0]):
            engine.warn(state, job)
    elif verb in ("up", "down"):
        state["down"] = [name for name in state["down"] if name != words[0]] + (
            words if verb == "down" else []
        )
        engine.schedule(state, folder)
    elif verb == "set":
        slurm.set_state(state, folder, words[0], words[1])
    elif verb == "end-all":
        for job in state["jobs"]:
            engine.end(state, job, "CANCELLED", how=engine.AT_ONCE)


def _write(stream: int, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    while data:
        data = data[os.write(stream, data) :]
