"""The fields of every noun and how each is written to JSON; a test holds that none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from jobferry.model.codec import (
    DURATION,
    FLAG,
    LOCAL_PATH,
    MOMENT,
    NUMBER,
    REMOTE_PATH,
    TEXT,
    TEXTS,
    Codec,
    Noun,
    listed,
    read_object,
    word_of,
)
from jobferry.model.function import FunctionCall
from jobferry.model.machine import Machine, MachineFacts, PythonFacts
from jobferry.model.record import JobRecord
from jobferry.model.retry import Retry, format_rule, parse_retry
from jobferry.model.spec import (
    COUNTS,
    WORDS,
    Dependency,
    DependencyKind,
    Input,
    JobSpec,
    Resources,
    format_array,
    format_indices,
    inside,
    parse_array,
)
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Attempt, Submission
from jobferry.model.warning import WarningSignal

RESOURCES = Noun(
    Resources,
    {
        **dict.fromkeys(COUNTS, NUMBER),
        **dict.fromkeys(WORDS, TEXT),
        "mem": NUMBER,
        "mem_per_cpu": NUMBER,
        "time": DURATION,
        "exclusive": FLAG,
    },
)
INSIDE: Codec[PurePosixPath] = Codec(write=str, read=lambda data: inside(TEXT.read(data)))
INPUT = Noun(Input, {"source": LOCAL_PATH, "destination": INSIDE})
DEPENDENCY = Noun(Dependency, {"job_id": TEXT, "kind": word_of(DependencyKind)})
SIGNAL = Noun(WarningSignal, {"name": TEXT, "before": DURATION})


FUNCTION = Noun(
    FunctionCall,
    {
        **dict.fromkeys(("name", "payload", "interpreter", "runtime"), TEXT),
        **dict.fromkeys(("count", "chunk"), NUMBER),
        **dict.fromkeys(("trusted", "commands"), FLAG),
    },
)


def _read_retry(data: object) -> Retry:
    return dict(parse_retry(f"{cause}:{TEXT.read(rule)}") for cause, rule in read_object(data).items())


RETRY: Codec[Retry] = Codec(
    write=lambda retry: {cause.value: format_rule(rule) for cause, rule in retry.items()}, read=_read_retry
)
SPEC = Noun(
    JobSpec,
    {
        "name": TEXT,
        "command": listed(TEXT),
        "script": TEXT,
        "function": FUNCTION.codec,
        "arguments": listed(TEXT),
        "resources": RESOURCES.codec,
        "environment": TEXTS,
        "setup": listed(TEXT),
        "teardown": listed(TEXT),
        "launcher": TEXT,
        "inputs": listed(INPUT.codec),
        "outputs": listed(TEXT),
        "task_folders": NUMBER,
        "directory": REMOTE_PATH,
        "array": Codec(write=format_array, read=lambda data: parse_array(TEXT.read(data))),
        "dependencies": listed(DEPENDENCY.codec),
        "signal": SIGNAL.codec,
        "retry": RETRY,
        "labels": TEXTS,
        "native": listed(TEXT),
    },
)
MACHINE = Noun(
    Machine,
    {
        **dict.fromkeys(
            ("name", "host", "scheduler", "transport", "root", "account", "partition", "qos"), TEXT
        ),
        **dict.fromkeys(("python", "ssh"), TEXT),
        "setup": listed(TEXT),
        "poll_interval": DURATION,
        "max_jobs": NUMBER,
        "trusted": FLAG,
        "defaults": RESOURCES.codec,
    },
)
FACTS = Noun(
    MachineFacts,
    {
        **dict.fromkeys(("scheduler", "scheduler_version", "root"), TEXT),
        **dict.fromkeys(("max_array_size", "min_job_age"), NUMBER),
        "accounting": FLAG,
        "requeue_exits": listed(NUMBER),
        "partitions": listed(TEXT),
        "limits": TEXTS,
        "probed_at": MOMENT,
    },
)
PYTHON = Noun(
    PythonFacts,
    {"version": listed(NUMBER), "runtime": TEXT, "modules": listed(TEXT), "probed_at": MOMENT},
)
STATUS = Noun(
    JobStatus,
    {
        "state": word_of(JobState),
        "failure": word_of(Failure),
        **dict.fromkeys(("native_state", "reason"), TEXT),
        **dict.fromkeys(("exit_code", "signal", "restarts", "misses"), NUMBER),
        **dict.fromkeys(
            ("started_at", "ended_at", "observed_at", "missing_since", "finishing_since"), MOMENT
        ),
        "nodes": listed(TEXT),
    },
)
TASKS: Codec[Mapping[int, JobStatus]] = Codec(
    write=lambda tasks: {str(task): STATUS.write(status) for task, status in tasks.items()},
    read=lambda data: {int(task): STATUS.read(status) for task, status in read_object(data).items()},
)
INDICES: Codec[tuple[int, ...]] = Codec(
    write=format_indices, read=lambda data: parse_array(TEXT.read(data)).indices
)
SUBMISSION = Noun(
    Submission,
    {
        **dict.fromkeys(("number", "run", "offset", "attempt"), NUMBER),
        **dict.fromkeys(("native_id", "owner", "waits"), TEXT),
        **dict.fromkeys(("claimed_at", "doubted_since", "submitted_at"), MOMENT),
        "tasks": INDICES,
        "resources": RESOURCES.codec,
        **dict.fromkeys(("exclude", "twins"), listed(TEXT)),
        "sent": FLAG,
    },
)
ATTEMPT = Noun(Attempt, {"run": NUMBER, "task": NUMBER, "native_id": TEXT, "status": STATUS.codec})
RECORD = Noun(
    JobRecord,
    {
        **dict.fromkeys(("id", "root"), TEXT),
        "spec": SPEC.codec,
        "machine": MACHINE.codec,
        "base": LOCAL_PATH,
        "status": STATUS.codec,
        "tasks": TASKS,
        "submissions": listed(SUBMISSION.codec),
        "attempts": listed(ATTEMPT.codec),
        "placed": FLAG,
        **dict.fromkeys(("created_at", "cancelled_at", "fetched_at"), MOMENT),
        "revision": NUMBER,
    },
)
NOUNS = (
    *(RESOURCES, INPUT, DEPENDENCY, SIGNAL, FUNCTION, SPEC, MACHINE, FACTS, PYTHON),
    *(STATUS, SUBMISSION, ATTEMPT, RECORD),
)
