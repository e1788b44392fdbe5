"""How Slurm shows jobs: words, rows, columns."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence

from jobferry.testing.fakesched.engine import NODE, succeeded
from jobferry.testing.fakesched.state import ENDED, RUNNING, WAITING, Job, State

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
        return "COMPLETING" if job["cause"] else "RUNNING"
    if any(fault["kind"] == "running_after_end" for fault in state["faults"]) and job["started"]:
        return "RUNNING"
    return job["cause"] or ("COMPLETED" if succeeded(job) else "FAILED")


def grouped(state: State, jobs: Sequence[Job]) -> list[list[Job]]:
    """Put tasks that have not begun into one row, as squeue does."""
    rows: dict[tuple[object, ...], list[Job]] = {}
    for number, job in enumerate(jobs):
        whole = (
            job["array"] is not None and job["phase"] == WAITING and not job["word"] and not job["restarts"]
        )
        key = (job["submission"], job["reason"]) if whole else (number,)
        rows.setdefault(key, []).append(job)
    return list(rows.values())


def fill(layout: str, state: State, group: Sequence[Job]) -> str:
    """Write a row as squeue's ``--format`` says."""
    job = group[0]
    whole = job["native_id"] if job["array"] is None else job["array"]
    words = {
        "i": shown_id(group),
        "A": str(job["native_id"]),
        "F": str(whole),
        "T": shown(state, job),
        "S": _time(job["started"]),
        "N": NODE if job["started"] and job["phase"] != WAITING else "",
        "r": job["reason"] or ("Resources" if job["phase"] == WAITING else "None"),
        "j": job["name"],
        "P": "cpu",
        "u": "user",
    }
    return re.sub(r"%\.?\d*(\w)", lambda match: words.get(match[1], ""), layout)


def shown_id(group: Sequence[Job]) -> str:
    job = group[0]
    if job["array"] is None:
        return str(job["native_id"])
    if job["phase"] != WAITING or job["word"] or job["restarts"]:
        return f"{job['array']}_{job['task']}"
    limit = "" if job["limit"] is None else f"%{job['limit']}"
    return f"{job['array']}_[{','.join(_spans([task['task'] or 0 for task in group]))}{limit}]"


def _spans(numbers: Sequence[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number == last + 1:
            last = number
            continue
        yield str(first) if first == last else f"{first}-{last}"
        if number is not None:
            first = last = number


def _time(moment: float) -> str:
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
    by = f" by {os.getuid()}" if word == "CANCELLED" else ""
    return {
        "jobid": shown_id(group),
        "jobidraw": str(job["native_id"]),
        "jobname": job["name"],
        "state": f"{'RUNNING' if word == 'COMPLETING' else word}{by}",
        "exitcode": _exit_code(job),
        "submit": _time(job["submitted"]),
        "start": _time(job["started"]).replace("N/A", "Unknown"),
        "end": _time(job["ended"]).replace("N/A", "Unknown"),
        "nodelist": NODE if job["started"] else "None assigned",
    }


def _exit_code(job: Job) -> str:
    if job["phase"] == ENDED and job["cause"]:
        return _EXIT_CODES.get(job["cause"], "0:0")
    return f"{job['code']}:{job['signal']}"


def config(state: State) -> str:
    """Write what ``scontrol show config`` prints, as far as anybody asks."""
    storage = "none" if state["accounting"] == "off" else "slurmdbd"
    values = {
        "AccountingStorageType": f"accounting_storage/{storage}",
        "MaxArraySize": state["limits"]["max_array_size"],
        "MaxJobCount": 10000,
        "MinJobAge": "300 sec",
        "SLURM_VERSION": VERSION,
    }
    return "".join(f"{name:<23} = {value}\n" for name, value in values.items())


def line(state: State) -> Callable[[Job], str]:
    """Return what writes a job as ``scontrol show job -o`` does."""

    def write(job: Job) -> str:
        array = "" if job["array"] is None else f"ArrayJobId={job['array']} ArrayTaskId={job['task']} "
        reason = job["reason"] or "None"
        return (
            f"JobId={job['native_id']} {array}JobName={job['name']} JobState={shown(state, job)} "
            f"Reason={reason} Restarts={job['restarts']} ExitCode={_exit_code(job)} "
            f"StartTime={_time(job['started'])} EndTime={_time(job['ended'])} "
            f"NodeList={NODE if job['started'] else '(null)'}\n"
        )

    return write
