"""Slurm's words: states, reasons, refusals.

Sources: squeue(1) "JOB STATE CODES" and "JOB REASON CODES"; slurm.conf(5); refusals as printed by 22.05.8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobferry.model.status import Failure, JobState

STATES: Mapping[str, tuple[JobState, Failure | None]] = {
    "BOOT_FAIL": (JobState.FAILED, Failure.NODE_FAIL),
    "CANCELLED": (JobState.CANCELLED, None),
    "COMPLETED": (JobState.COMPLETED, None),
    "CONFIGURING": (JobState.RUNNING, None),
    "COMPLETING": (JobState.RUNNING, None),
    "DEADLINE": (JobState.FAILED, Failure.TIMEOUT),
    "FAILED": (JobState.FAILED, Failure.EXIT_CODE),
    "LAUNCH_FAILED": (JobState.FAILED, Failure.LAUNCH),
    "NODE_FAIL": (JobState.FAILED, Failure.NODE_FAIL),
    "OUT_OF_MEMORY": (JobState.FAILED, Failure.OUT_OF_MEMORY),
    "PENDING": (JobState.QUEUED, None),
    "POWER_UP_NODE": (JobState.RUNNING, None),
    "PREEMPTED": (JobState.FAILED, Failure.PREEMPTED),
    "RECONFIG_FAIL": (JobState.FAILED, Failure.LAUNCH),
    "REQUEUED": (JobState.QUEUED, None),
    "REQUEUE_FED": (JobState.QUEUED, None),
    "REQUEUE_HOLD": (JobState.HELD, None),
    "RESIZING": (JobState.RUNNING, None),
    "RESV_DEL_HOLD": (JobState.HELD, None),
    "REVOKED": (JobState.QUEUED, None),
    "RUNNING": (JobState.RUNNING, None),
    "SIGNALING": (JobState.RUNNING, None),
    "SPECIAL_EXIT": (JobState.HELD, None),
    "STAGE_OUT": (JobState.RUNNING, None),
    "STOPPED": (JobState.SUSPENDED, None),
    "SUSPENDED": (JobState.SUSPENDED, None),
    "TIMEOUT": (JobState.FAILED, Failure.TIMEOUT),
}

HELD_REASONS = frozenset(
    {"JobHeldUser", "JobHeldAdmin", "job requeued in held state", "launch failed requeued held"}
)

REASONS: Mapping[str, str] = {
    "None": "the scheduler has not looked at it yet",
    "Priority": "jobs of higher priority are before it",
    "Resources": "it is next, and waits for nodes to become free",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "the job it depends on did not end as it should; it can never start",
    "JobHeldUser": "it is held; `jobferry release` lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "launch failed requeued held": "its launch failed, and it is held; `jobferry release` tries again",
    "job requeued in held state": "it was put back and is held; `jobferry release` lets it go",
    "BeginTime": "its earliest start has not come yet",
    "Reservation": "its reservation has not begun",
    "ReqNodeNotAvail": "nodes it needs are down, reserved or in maintenance",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs now",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "BadConstraints": "no node can satisfy its constraint",
    "JobArrayTaskLimit": "the array's own limit of tasks at a time is reached",
    "QOSMaxJobsPerUserLimit": "you run as many jobs as the QOS allows",
    "QOSMaxSubmitJobPerUserLimit": "you have as many jobs queued as the QOS allows",
    "AssocMaxJobsLimit": "the account runs as many jobs as it may",
    "AssocGrpCPUMinutesLimit": "the account has used up its CPU time",
    "Licenses": "it waits for a licence",
    "NonZeroExitCode": "the job's command failed",
    "TimeLimit": "it reached its time limit",
    "OutOfMemory": "it used more memory than it asked for",
    "NodeDown": "a node of the job went down",
    "JobLaunchFailure": "the launch script could not be started, or a signal ended it",
}

AMBIGUOUS = re.compile(
    r"socket timed out|unable to contact slurm controller|temporarily unable|zero bytes were transmitted"
    r"|connection (refused|reset|timed out)|communication|try again|resource temporarily|interrupted"
    r"|message (send|receive) failure|transport endpoint|broken pipe|unexpected message|problem talking"
    r"|unspecified error",
    re.IGNORECASE,
)

# how many jobs may be there at a time: a job that is refused for it can be taken later
LIMITS = re.compile(r"\b(?:QOS|Assoc)\w*Submit\w*Limit\b", re.ASCII)

OURS: Mapping[str, str] = {
    **dict.fromkeys(("--job-name", "-J"), "name the job with --name"),
    **dict.fromkeys(("--array", "-a"), "give the tasks with --array"),
    **dict.fromkeys(("--quiet", "-Q"), "leave it out: it would hide the job's id"),
    **dict.fromkeys(("--wait", "-W"), "leave it out, and use `jobferry wait`"),
    "--test-only": "leave it out: nothing would be submitted",
}

REFUSALS: Mapping[str, str] = {
    # first: its words also speak of a time limit
    "job violates accounting/qos policy": "a limit of your account or QOS is reached; try again later",
    "invalid partition": "`jobferry check` lists the partitions; choose one with --partition",
    "invalid account": "name an account you may use: --account, or `account` in the machine's configuration",
    "invalid qos": "name a QOS you may use with --qos",
    "node configuration is not available": "ask for less: no node has so much memory or so many CPUs or GPUs",
    "time limit": "ask for less --time, or for another partition",
    "invalid feature": "`sinfo -o '%P %f'` lists what --constraint may name",
    "generic resource": "`sinfo -o '%P %G'` lists the GPUs there are",
    "more processors": "ask for fewer nodes, tasks or CPUs",
    "reservation is invalid": "`scontrol show reservation` lists those you may use",
    "invalid job array": "the array is larger than this cluster allows",
    "command not found": "there is no Slurm over there; see `jobferry check`",
}

_SAFE_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)


def quote_word(value: str) -> str:
    """Quote a value as sbatch reads its directive lines."""
    if _SAFE_WORD.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
