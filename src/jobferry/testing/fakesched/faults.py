"""What can go wrong between a program of the batch system and whoever called it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from jobferry.testing.fakesched.limits import is_one_too_many
from jobferry.testing.fakesched.state import Fault, Said, State, locked

SUBMIT_FAILED = "sbatch: error: Batch job submission failed: "
# what each program says, by the kind of fault; `{}` is the words
_FAILURES = {
    "refused": "Invalid account or account/partition combination specified",
    "timed_out": "Socket timed out on send/recv operation",
    "accepted_then_failed": "Zero Bytes were transmitted or received",
    "down": "Unable to contact slurm controller (connect failure)",
    "rate_limited": "Slurm temporarily unable to accept job, sleeping and retrying",
}
_RATE_LIMITED = Fault(kind="rate_limited", programs=[], left=None, taken=False, words="")
GARBAGE = "<html><body>503 Service Unavailable</body></html>\n|||\x1b[31m????|\n"
BANNER = "*** Maintenance on Thursday: all nodes, 8-17 h ***"


def call(folder: Path, program: str, answer: Callable[[], Said]) -> Said:
    """Answer a call, with what is to go wrong gone wrong."""
    with locked(folder) as state:
        if is_one_too_many(state, program):
            return _failure(_RATE_LIMITED, program)
        faults = _take(state, program)
    said: Said | None = None
    banner = ""
    for fault in faults:
        if fault["kind"] == "banner":
            banner = f"{fault['words'] or BANNER}\n"
            continue
        # a fault on the way back: the work was done
        done = answer() if fault["taken"] else None
        if fault["kind"] == "hang":
            _hang(folder)
            said = done or answer()
        else:
            said = _failure(fault, program)
    output, errors, code = said or answer()
    return f"{banner}{output}", errors, code


def _take(state: State, program: str) -> list[Fault]:
    taken = [
        fault
        for fault in state["faults"]
        if (program in fault["programs"] or not fault["programs"]) and fault["left"] != 0
    ]
    for fault in taken:
        if fault["left"] is not None:
            fault["left"] -= 1
    banners = [fault for fault in taken if fault["kind"] == "banner"]
    return banners + [fault for fault in taken if fault["kind"] in (*_FAILURES, "hang", "garbage")][-1:]


def _failure(fault: Fault, program: str) -> Said:
    if fault["kind"] == "garbage":
        return fault["words"] or GARBAGE, "", 0
    words = fault["words"] or _FAILURES[fault["kind"]]
    if program == "sbatch":
        return "", f"{SUBMIT_FAILED}{words}\n", 1
    signed = {"squeue": "slurm_load_jobs error", "scontrol": "slurm_load_jobs error"}
    return "", f"{signed.get(program, f'{program}: error')}: {words}\n", 1


def _hang(folder: Path) -> None:
    """Wait until somebody lets this process go."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    with locked(folder) as state:
        state["hung"].append(os.getpid())
    signal.sigwait([signal.SIGUSR1])
