"""Take work to remote machines and bring the results home: exactly once.

>>> import jobferry as jf
>>> job = jf.machine("local").submit(["echo", "hello"])     # doctest: +SKIP
"""

from __future__ import annotations

TYPE_CHECKING = False  # checkers know the name; importing typing for it would cost more than all the rest

if TYPE_CHECKING:
    from typing import Any

    from jobferry.api import job, jobs, machine
    from jobferry.client import Client
    from jobferry.errors import (
        AuthError,
        CommandTimeout,
        ConfigError,
        ConnectError,
        HostKeyError,
        JobError,
        JobFailed,
        JobferryError,
        JobLost,
        JobNotFound,
        ParseError,
        RemoteError,
        ResultError,
        SchedulerBusy,
        SchedulerError,
        SpecError,
        StoreError,
        SubmitRefused,
        TransferError,
        TransportError,
        UnknownMachine,
        WaitTimeout,
    )
    from jobferry.far.within import Again, Delayed, again, remaining
    from jobferry.functions.archive import backup, restore
    from jobferry.functions.executor import Executor
    from jobferry.functions.function_job import FunctionJob
    from jobferry.functions.parameters import grid, zipped
    from jobferry.functions.remote import RemoteFunction, remote
    from jobferry.functions.serialisers import register_serialiser
    from jobferry.functions.sweep import Sweep
    from jobferry.functions.sweep_task import SweepTask
    from jobferry.job_handle import Job
    from jobferry.machine_handle import Machine, Output
    from jobferry.model.spec import Array, Dependency, Input, JobSpec, Resources
    from jobferry.model.status import Failure, JobState, JobStatus

__version__ = "0.1.0"

_HOMES = {
    "jobferry.api": ("job", "jobs", "machine"),
    "jobferry.client": ("Client",),
    "jobferry.errors": (
        "AuthError",
        "CommandTimeout",
        "ConfigError",
        "ConnectError",
        "HostKeyError",
        "JobError",
        "JobFailed",
        "JobLost",
        "JobNotFound",
        "JobferryError",
        "ParseError",
        "RemoteError",
        "ResultError",
        "SchedulerBusy",
        "SchedulerError",
        "SpecError",
        "StoreError",
        "SubmitRefused",
        "TransferError",
        "TransportError",
        "UnknownMachine",
        "WaitTimeout",
    ),
    "jobferry.far.within": ("Again", "Delayed", "again", "remaining"),
    "jobferry.functions.archive": ("backup", "restore"),
    "jobferry.functions.executor": ("Executor",),
    "jobferry.functions.function_job": ("FunctionJob",),
    "jobferry.functions.parameters": ("grid", "zipped"),
    "jobferry.functions.remote": ("RemoteFunction", "remote"),
    "jobferry.functions.serialisers": ("register_serialiser",),
    "jobferry.functions.sweep": ("Sweep",),
    "jobferry.functions.sweep_task": ("SweepTask",),
    "jobferry.job_handle": ("Job",),
    "jobferry.machine_handle": ("Machine", "Output"),
    "jobferry.model.spec": ("Array", "Dependency", "Input", "JobSpec", "Resources"),
    "jobferry.model.status": ("Failure", "JobState", "JobStatus"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Again",
    "Array",
    "AuthError",
    "Client",
    "CommandTimeout",
    "ConfigError",
    "ConnectError",
    "Delayed",
    "Dependency",
    "Executor",
    "Failure",
    "FunctionJob",
    "HostKeyError",
    "Input",
    "Job",
    "JobError",
    "JobFailed",
    "JobLost",
    "JobNotFound",
    "JobSpec",
    "JobState",
    "JobStatus",
    "JobferryError",
    "Machine",
    "Output",
    "ParseError",
    "RemoteError",
    "RemoteFunction",
    "Resources",
    "ResultError",
    "SchedulerBusy",
    "SchedulerError",
    "SpecError",
    "StoreError",
    "SubmitRefused",
    "Sweep",
    "SweepTask",
    "TransferError",
    "TransportError",
    "UnknownMachine",
    "WaitTimeout",
    "again",
    "backup",
    "grid",
    "job",
    "jobs",
    "machine",
    "register_serialiser",
    "remaining",
    "remote",
    "restore",
    "zipped",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
