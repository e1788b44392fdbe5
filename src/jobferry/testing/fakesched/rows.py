"""How Slurm shows jobs: words, rows, columns."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence

from jobferry.testing.fakesched.dependencies import is_split, show_dependencies, succeeded
from jobferry.testing.fakesched.state import ENDED, REST, RUNNING, TOGETHER, WAITING, Job, State, never_began

VERSION = "22.05.8"
# what sacct shows for ends from outside, whatever the script itself said
_EXIT_CODES = {"CANCELLED": "0:15", "FAILED": "1:0", "OUT_OF_MEMORY": "0:125"}


def shown(state: State, job: Job) -> str:
    """Tell a job's state in Slurm's word, or in the word it was given in the place of the truth."""
    if job["word"]:
        return job["word"]
    if job["phase"] == WAITING:
        return "PENDING"
    if job["phase"] == RUNNING:
        return "COMPLETING" if job["cause"] or job["requeued"] else "RUNNING"
    if any(fault["kind"] == "running_after_end" for fault in state["faults"]) and job["started"]:
        return "RUNNING"
    return job["cause"] or ("COMPLETED" if succeeded(job) else "FAILED")


def grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    """Put tasks that have not begun into one row, as squeue does."""
    rows: dict[tuple[object, ...], list[Job]] = {}
    for number, job in enumerate(jobs):
        key = (job["submission"], job["phase"], job["reason"]) if waits_in_array(job) else (number,)
        rows.setdefault(key, []).append(job)
    return list(rows.values())


def waits_in_array(job: Job) -> bool:
    """Whether a job is a task that never began, and has no row of its own."""
    if job["row"] == TOGETHER:
        return True
    return never_began(job) and not job["word"] and not is_split(job)


def fill(layout: str, state: State, group: Sequence[Job]) -> str:
    """Write a row as squeue's ``--format`` says."""
    job = group[0]
    whole = job["native_id"] if job["array"] is None else job["array"]
    words = {
        "i": shown_id(group),
        "A": str(job["native_id"]),
        "F": str(whole),
        "T": shown(state, job),
        "S": when(job["started"] or job["ended"]),
        "E": show_dependencies(state, job),
        "K": "N/A" if job["array"] is None else shown_id(group).partition("_")[2].strip("[]"),
        "k": job["asked"].get("comment", "(null)"),
        "N": job["node"],
        "r": job["reason"] or ("Resources" if job["phase"] == WAITING else "None"),
        "j": job["name"],
        "P": job["asked"].get("partition", state["partitions"][0]),
        "u": "user",
    }
    return re.sub(r"%\.?\d*(\w)", lambda match: words.get(match[1], ""), layout)


def shown_id(group: Sequence[Job]) -> str:
    """Write the id of a job, a task, or the tasks that wait together."""
    job = group[0]
    if job["array"] is None:
        return str(job["native_id"])
    if job["row"] == REST:
        return str(job["array"])
    if not waits_in_array(job):
        return f"{job['array']}_{job['task']}"
    return f"{job['array']}_[{shown_tasks(group)}]"


def shown_tasks(group: Sequence[Job]) -> str:
    """Write which tasks of an array wait together, and how many of them may run at a time."""
    limit = "" if group[0]["limit"] is None else f"%{group[0]['limit']}"
    return f"{','.join(_spans([job['task'] or 0 for job in group]))}{limit}"


def _spans(numbers: Sequence[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number == last + 1:
            last = number
            continue
        yield str(first) if first == last else f"{first}-{last}"
        if number is not None:
            first = last = number


def when(moment: float) -> str:
    """Write a moment as the caller's ``SLURM_TIME_FORMAT`` says."""
    if not moment:
        return "N/A"
    if os.environ.get("SLURM_TIME_FORMAT") == "%s":
        return str(int(moment))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment))


def accounting_row(state: State, group: Sequence[Job], names: Sequence[str]) -> str:
    """Write a row of sacct's output; a column it does not know is empty."""
    values = _columns(state, group)
    return "|".join(values.get(name.split("%")[0].lower(), "") for name in names)


def _columns(state: State, group: Sequence[Job]) -> dict[str, str]:
    job = group[0]
    word = shown(state, job)
    by_user = word == "CANCELLED" and job["reason"] != "DependencyNeverSatisfied"
    by = f" by {os.getuid()}" if by_user else ""
    return {
        "jobid": shown_id(group),
        "jobidraw": str(job["native_id"]),
        "jobname": job["name"],
        "state": f"{'RUNNING' if word == 'COMPLETING' else word}{by}",
        "exitcode": exit_code(job),
        "submit": when(job["submitted"]),
        "start": when(job["started"] or job["ended"]).replace("N/A", "Unknown"),
        "end": when(job["ended"]).replace("N/A", "Unknown"),
        "nodelist": job["node"] or "None assigned",
    }


def exit_code(job: Job) -> str:
    """Write how a job ended: its code and its signal."""
    if job["phase"] == ENDED and job["cause"]:
        return _EXIT_CODES.get(job["cause"], "0:0")
    return f"{job['code']}:{job['signal']}"
