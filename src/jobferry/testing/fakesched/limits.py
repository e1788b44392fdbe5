"""What the site allows a user: so many jobs, so many calls; and the program that tells of it."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Mapping
from pathlib import Path

from jobferry.testing.fakesched.state import ENDED, Bucket, Said, State

_POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
_NO_STORAGE = (
    "You are not running a supported accounting_storage plugin\n"
    "Only 'accounting_storage/slurmdbd' is supported.\n"
)
_NO_ANSWER = (
    "sacctmgr: error: slurm_persist_conn_open_without_init: failed to open persistent connection to"
    " host:localhost:6819: Connection refused\n"
    "sacctmgr: error: Sending PersistInit msg: Connection refused\n"
)


# accounting is asked, not the controller
_ASK_CONTROLLER = frozenset({"sbatch", "squeue", "scontrol", "scancel"})


def new_bucket(burst: int, per_minute: float) -> Bucket:
    """Make a full bucket."""
    return Bucket(tokens=burst, burst=burst, per_minute=per_minute, filled=time.time(), refused=0)


def is_one_too_many(state: State, program: str) -> bool:
    """Take a token for a call of a program; tell whether there was none left."""
    bucket = state["bucket"]
    if bucket is None or program not in _ASK_CONTROLLER:
        return False
    now = time.time()
    brought = max(0.0, now - bucket["filled"]) * bucket["per_minute"] / 60
    # what was granted above the size of the bucket stays
    bucket["tokens"] = max(bucket["tokens"], min(bucket["burst"], bucket["tokens"] + brought))
    bucket["filled"] = now
    if bucket["tokens"] < 1:
        bucket["refused"] += 1
        return True
    bucket["tokens"] -= 1
    return False


def excess(state: State, count: int) -> tuple[str, str] | None:
    """Tell why so many jobs more are too many: the limit's name, then the words; None when they are not."""
    allowed = state["limits"]["max_submit"]
    if allowed is None or sum(job["phase"] != ENDED for job in state["jobs"]) + count <= allowed:
        return None
    return "QOSMaxSubmitJobPerUserLimit", _POLICY


def sacctmgr(state: State, folder: Path, argv: list[str]) -> Said:
    """Show the limits of a user's association, or of the one QOS."""
    if state["accounting"] == "off":
        return "", _NO_STORAGE, 1
    if state["accounting"] == "down":
        return "", _NO_ANSWER, 1
    flags = "".join(word[1:] for word in argv if word.startswith("-"))
    verb, entity, *rest = [word for word in argv if not word.startswith("-")] + ["", ""]
    asked = dict(word.lower().split("=", 1) for word in rest if "=" in word)
    rows = _entities(state, asked).get(_kind(entity))
    if verb not in ("show", "list") or rows is None:
        return "", "No valid entity in list command\n", 1
    names = list(filter(None, asked.get("format", "").split(","))) or list(rows[0])
    lines = [] if "n" in flags else ["|".join(_column(rows[0], name) or "" for name in names)]
    for row in rows:
        columns = [_column(row, name) for name in names]
        if None in columns:
            return "", f"Unknown field '{names[columns.index(None)]}'\n", 1
        lines.append("|".join(row[column] for column in columns if column))
    return "".join(f"{line}\n" for line in lines), "", 0


def _kind(entity: str) -> str:
    return "qos" if entity.lower() == "qos" else entity.lower()[:5]


def _entities(state: State, asked: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    submit, run = (_written(state["limits"][name]) for name in ("max_submit", "max_jobs_running"))
    # a user nobody named is whoever asks
    user = asked.get("user", asked.get("users", pwd.getpwuid(os.getuid()).pw_name))
    association = {
        "Cluster": "fake", "Account": "lab", "User": user, "Partition": "", "GrpJobs": "", "GrpSubmit": "",
        "MaxJobs": run, "MaxSubmit": submit, "QOS": "normal",
    }  # fmt: skip
    qos = {
        "Name": "normal", "Priority": "0", "GrpJobs": "", "GrpSubmit": "", "MaxJobsPU": run,
        "MaxSubmitPU": submit, "MaxJobsPA": "", "MaxSubmitPA": "",
    }  # fmt: skip
    return {"assoc": [association], "qos": [qos]}


def _written(limit: int | None) -> str:
    return "" if limit is None else str(limit)


def _column(row: Mapping[str, str], name: str) -> str | None:
    """Find a column by any name Slurm has for it: ``MaxSubmitJobsPerUser`` is ``MaxSubmitPU``."""
    short = name.lower().split("%")[0].replace("peruser", "pu").replace("peraccount", "pa")
    short = short.replace("submitjobs", "submit")
    return next((column for column in row if column.lower() == short), None)
