"""The dialect of Slurm: options in, words out. Written from the man pages and from what 22.05 prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from jobferry.testing.fakesched import engine
from jobferry.testing.fakesched.details import config, line
from jobferry.testing.fakesched.limits import sacctmgr
from jobferry.testing.fakesched.options import read_options
from jobferry.testing.fakesched.rows import accounting_row, fill, grouped, shown, shown_tasks
from jobferry.testing.fakesched.sbatch import sbatch
from jobferry.testing.fakesched.state import ENDED, WAITING, Job, Said, State, find

_UNKNOWN = "slurm_load_jobs error: Invalid job id specified\n"

Answer = Callable[[State, Path, list[str]], Said]


# -- looking


def squeue(state: State, folder: Path, argv: list[str]) -> Said:
    """Show what the queue remembers."""
    options, _ = read_options("squeue", argv)
    remembered = [job for job in state["jobs"] if job["in_queue"]]
    if "jobs" in options:
        ids = options["jobs"].split(",")
        found = [find(state, native_id, remembered) for native_id in ids]
        if len(ids) == 1 and not find(state, ids[0].partition("_")[0], remembered):
            return "", _UNKNOWN, 1
        jobs = [job for group in found for job in group]
    else:
        jobs = remembered
    if "name" in options:
        jobs = [job for job in jobs if job["name"] in options["name"].split(",")]
    if options.get("states", "").lower() != "all":
        jobs = [job for job in jobs if shown(state, job) not in FINAL]
    layout = options.get("format", "%i %P %j %u %T %r")
    rows = [] if "noheader" in options else [re.sub(r"%(\w)", r"\1", layout)]
    rows += [fill(layout, state, group) for group in grouped(jobs)]
    return "".join(f"{row}\n" for row in rows), "", 0


def _in_queue(state: State, native_id: str) -> list[Job]:
    return [job for job in find(state, native_id) if job["in_queue"]]


def sacct(state: State, folder: Path, argv: list[str]) -> Said:
    """Show what accounting has written down."""
    if state["accounting"] == "off":
        return "", "Slurm accounting storage is disabled\n", 1
    if state["accounting"] == "down":
        return "", "sacct: error: Problem talking to the database: Connection refused\n", 1
    options, _ = read_options("sacct", argv)
    books = state["jobs"] if state["books"] is None else state["books"]
    jobs = [job for job in books if job["in_books"]]
    if "jobs" in options:
        jobs = [job for native_id in options["jobs"].split(",") for job in find(state, native_id, jobs)]
    if "name" in options:
        jobs = [job for job in jobs if job["name"] in options["name"].split(",")]
    names = options.get("format", "JobID,JobName,State,ExitCode").split(",")
    rows = [accounting_row(state, group, names) for group in grouped(jobs)]
    return "".join(f"{row}\n" for row in rows), "", 0


# -- acting


def scancel(state: State, folder: Path, argv: list[str]) -> Said:
    """End jobs; those it does not know, or that have ended, are no error."""
    _, ids = read_options("scancel", argv)
    for native_id in ids:
        jobs = _in_queue(state, native_id)
        if jobs and str(jobs[0]["array"]) != native_id:
            for job in jobs:
                engine.cancel_task(state, job)
        else:
            engine.cancel_together(state, jobs)
    engine.schedule(state, folder)
    return "", "", 0


def scontrol(state: State, folder: Path, argv: list[str]) -> Said:
    """Show a job or the configuration; hold, release, requeue."""
    words = [word for word in argv if not word.startswith("-")]
    if words[:2] == ["show", "config"]:
        return config(state), "", 0
    if words[:2] == ["show", "job"]:
        jobs = _in_queue(state, words[2]) if len(words) > 2 else [j for j in state["jobs"] if j["in_queue"]]
        if not jobs and len(words) > 2 and _in_queue(state, words[2].partition("_")[0]):
            return f"Job {words[2]} not found\n", "", 1
        return ("".join(line(state, group) for group in grouped(jobs)), "", 0) if jobs else ("", _UNKNOWN, 1)
    if not words or words[0] not in ("hold", "release", "requeue"):
        return "", f"scontrol: error: invalid keyword: {' '.join(argv)}\n", 1
    if len(words) == 1:
        return "", f"too few arguments for keyword:{words[0]}\n", 1
    errors = ""
    for native_id in words[1].split(","):
        errors += _change(state, folder, words[0], native_id)
    return "", errors, 1 if errors else 0


def _change(state: State, folder: Path, verb: str, native_id: str) -> str:
    """Do as ``scontrol`` is told with what an id means; return its words for what cannot be."""
    jobs = _in_queue(state, native_id)
    if not jobs:
        return _complaint("Invalid job id specified", native_id, [])
    problems: dict[str, list[Job]] = {}
    for job in jobs:
        if problem := _obstacle(verb, job):
            problems.setdefault(problem, []).append(job)
        elif verb == "hold":
            engine.hold(job)
        elif verb == "release":
            engine.release(state, folder, [job])
        else:
            engine.requeue(state, folder, job)
    return "".join(_complaint(words, native_id, group) for words, group in problems.items())


def _obstacle(verb: str, job: Job) -> str:
    if verb != "requeue":
        return "Job is no longer pending execution" if job["phase"] != WAITING else ""
    if "no-requeue" in job["asked"]:
        return "Requested operation is presently disabled"
    return "Job is pending execution" if job["phase"] == WAITING or job["requeued"] else ""


def _complaint(words: str, native_id: str, jobs: list[Job]) -> str:
    whole, _, task = native_id.partition("_")
    if task:
        return f"{native_id}: {words}\n"
    if jobs and str(jobs[0]["array"]) == whole:
        return f"{whole}_{shown_tasks(jobs)}: {words}\n"
    return f"{words} for job {native_id}\n"


def sinfo(state: State, folder: Path, argv: list[str]) -> Said:
    """Show the partitions."""
    options, _ = read_options("sinfo", argv)
    layout = options.get("format", "%P %a %l %D %T")
    rows = [] if "noheader" in options else ["PARTITION AVAIL TIMELIMIT NODES STATE"]
    for number, partition in enumerate(state["partitions"]):
        default = "" if number else "*"
        words = {
            "P": f"{partition}{default}",
            "a": "up",
            "l": "infinite",
            "D": str(len(state["nodes"])),
            "T": "idle",
        }
        rows.append(re.sub(r"%(\w)", lambda match, words=words: words.get(match[1], ""), layout))  # type: ignore[misc]
    return "".join(f"{row}\n" for row in rows), "", 0


PROGRAMS: dict[str, Answer] = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scancel": scancel,
    "scontrol": scontrol,
    "sinfo": sinfo,
    "sacctmgr": sacctmgr,
}
# ends that come with a node's death; the others let a job's script say its last words
AT_ONCE = frozenset({"NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY"})
FINAL = AT_ONCE | {"CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "PREEMPTED", "TIMEOUT"}


def set_state(state: State, folder: Path, native_id: str, word: str) -> None:
    """End a job with a final word, or show any other word for it; an empty one shows the truth again."""
    for job in find(state, native_id):
        if word not in FINAL:
            job["word"] = word
            continue
        job["word"] = ""
        if job["phase"] == ENDED:
            job["cause"] = word
        engine.end(state, job, word, how=engine.AT_ONCE if word in AT_ONCE else engine.GENTLY)
    engine.schedule(state, folder)
