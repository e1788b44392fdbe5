"""How ``scontrol show`` tells of jobs and of the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.testing.fakesched.asked import show_memory, show_time
from jobferry.testing.fakesched.dependencies import show_dependencies
from jobferry.testing.fakesched.rows import VERSION, exit_code, shown, shown_tasks, waits_in_array, when
from jobferry.testing.fakesched.state import REST, Job, State


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


def line(state: State, group: Sequence[Job]) -> str:
    """Write a job, or the tasks of an array that wait together, as ``scontrol show job -o`` does."""
    job, asked = group[0], group[0]["asked"]
    per_cpu = "mem-per-cpu" in asked
    values = {
        **_identity(group),
        "JobName": job["name"],
        "UserId": "user(1000)",
        "GroupId": "user(1000)",
        "Account": asked.get("account", "(null)"),
        "QOS": asked.get("qos", "normal"),
        "JobState": shown(state, job),
        "Reason": job["reason"] or "None",
        "Dependency": show_dependencies(state, job),
        "Requeue": int("no-requeue" not in asked),
        "Restarts": job["restarts"],
        "ExitCode": exit_code(job),
        "TimeLimit": show_time(asked.get("time")),
        "SubmitTime": when(job["submitted"]),
        "StartTime": when(job["started"]).replace("N/A", "Unknown"),
        "EndTime": when(job["ended"]).replace("N/A", "Unknown"),
        "Partition": asked.get("partition", state["partitions"][0]),
        "ReqNodeList": asked.get("nodelist", "(null)"),
        "ExcNodeList": asked.get("exclude", "(null)"),
        "NodeList": job["node"],
        "MinMemoryCPU" if per_cpu else "MinMemoryNode": show_memory(
            asked.get("mem-per-cpu" if per_cpu else "mem", "0")
        ),
        "WorkDir": job["folder"],
    }
    return " ".join(f"{name}={value}" for name, value in values.items()) + "\n"


def _identity(group: Sequence[Job]) -> dict[str, object]:
    job = group[0]
    if job["array"] is None:
        return {"JobId": job["native_id"]}
    if job["row"] == REST:
        # what stands for no number at all
        return {"JobId": job["array"], "ArrayJobId": job["array"], "ArrayTaskId": 2**32 - 2}
    if not waits_in_array(job):
        return {"JobId": job["native_id"], "ArrayJobId": job["array"], "ArrayTaskId": job["task"]}
    words = {"JobId": job["array"], "ArrayJobId": job["array"], "ArrayTaskId": shown_tasks(group)}
    return words if job["limit"] is None else {**words, "ArrayTaskThrottle": job["limit"]}
