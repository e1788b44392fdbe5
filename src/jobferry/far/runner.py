"""Runs the calls of a job, or those of one element of its array, and writes down what came of each."""

from __future__ import annotations

import os
import sys

from . import again, results, tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

# what the shell says of a file that it cannot execute
_CANNOT = 126
# where launchers tell a process its number
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


def main(folder: str) -> int:
    """Run what falls to this process and return its exit code."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # inputs lie in the job's own folder, and may be modules
    sys.path.append(os.getcwd())
    index = os.environ.get("JOBFERRY_ARRAY_INDEX") or None
    element = None if index is None else int(index)
    run = tasks.this_run()
    base = folder if run == 1 else os.path.join(folder, "runs", str(run))
    path = os.path.join(base, "out", results.result_name(element))
    work = tasks.Work(folder)
    known = results.done(folder, element)
    # what has its result is not run again: not after a requeue, nor when the job is tried again
    left = [task for task in work.tasks(element) if not known.get(task)]
    try:
        work.check()
    except tasks.Refused as refusal:
        about = {"run": run, "ok": False, "kind": "python", "message": str(refusal)}
        with results.Writer(path) as writer:
            for task in left:
                writer.add(dict(about, task=task), [])
        sys.stderr.write("jobferry: this call cannot be run: %s\n" % refusal)
        return _CANNOT
    work.prepare()
    if work.header["chunk"] == 1:
        code = _run_here(work, left, path)
    else:
        from . import pool

        code = pool.run(work, left, path)
    work.close()
    return again.ask(base, element) if code == again.CODE else code


def _run_here(work: tasks.Work, left: Sequence[int], path: str) -> int:
    code = 0
    for task in left:
        header, parts = tasks.run_in_place(work, task)
        if header["kind"] == "again":
            return again.CODE
        if is_first():
            with results.Writer(path) as writer:
                writer.add(header, parts)
        tell(header)
        code = code or code_of(header)
    return code


def is_first() -> bool:
    """Whether this process speaks for the call: of those that a launcher such as srun starts, the first."""
    ranks = (os.environ.get(name) for name in _RANKS)
    return next((rank for rank in ranks if rank), "0") == "0"


def code_of(header: Dict[str, Any]) -> int:
    """Return the exit code that stands for what came of a call."""
    if header["ok"]:
        return 0
    return int(header["code"]) if header["kind"] == "exit" else 1


def tell(header: Dict[str, Any]) -> None:
    """Say on standard error what went wrong with a call; of one that left, the words it left with."""
    if header["ok"]:
        return
    if header["kind"] == "exit":
        if header.get("said"):
            sys.stderr.write("%s\n" % header["said"])
    else:
        words = header.get("traceback") or "jobferry: task %(task)d: %(message)s\n" % header
        sys.stderr.write(words)
