"""Where work runs: the facts a user states about a machine, and those it tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

from jobferry.model.spec import Resources

DEFAULT_ROOT = "~/.jobferry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as configured. Nothing in it is secret.

    Attributes:
        host: whatever ``ssh`` accepts; None is this machine.
        scheduler: name of the dialect; None until ``check`` or the first job has found it.
        transport: name of the transport; None picks ``local`` without a host, ``openssh`` with one.
        root: folder for jobs over there; ``~`` and ``$NAME`` are expanded there.
        setup: shell lines run at the start of every job.
        python: the Python over there, which runs functions; None is ``python3``, here the one that calls.
        ssh: the ssh client to run, with options if need be.
        poll_interval: the scheduler is asked at most once in this time; None is the dialect's own.
        max_jobs: so many jobs and tasks at most are left to the batch system at a time; None is no limit.
        trusted: whether what comes back from functions there may be anything; else it is plain data only.
        defaults: resources where a job asks for none.
    """

    name: str
    host: str | None = None
    scheduler: str | None = None
    transport: str | None = None
    root: str = DEFAULT_ROOT
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    setup: tuple[str, ...] = ()
    python: str | None = None
    ssh: str = "ssh"
    poll_interval: timedelta | None = None
    max_jobs: int | None = None
    trusted: bool = True
    defaults: Resources = field(default_factory=Resources)

    @property
    def transport_name(self) -> str:
        """The transport in use: the one configured, or the one that fits."""
        return self.transport or ("local" if self.host is None else "openssh")

    def plain(self) -> Machine:
        """Return the description alone, of a handle too."""
        return Machine(**{entry.name: getattr(self, entry.name) for entry in fields(Machine)})

    def resources(self, asked: Resources) -> Resources:
        """Fill what a job does not ask for: from the defaults, then the account, partition and QOS."""
        own = Resources(account=self.account, partition=self.partition, qos=self.qos)
        return asked.over(self.defaults).over(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What a machine told of itself when it was last probed.

    Attributes:
        root: the absolute path of the machine's root.
        max_array_size: one more than the highest task number; None is no limit known.
        min_job_age: seconds the queue remembers an ended job.
        accounting: whether the batch system keeps records of ended jobs.
        requeue_exits: exit codes of jobs that the batch system starts again by itself.
    """

    scheduler: str
    scheduler_version: str = ""
    root: str = ""
    max_array_size: int | None = None
    min_job_age: int | None = None
    accounting: bool = False
    requeue_exits: tuple[int, ...] = ()
    partitions: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    probed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFacts:
    """What a Python over there told of itself when it was last asked.

    Attributes:
        version: such as (3, 11, 4).
        runtime: the folder over there with what runs functions, named by what is in it.
        modules: which of those that travelling may take are installed.
    """

    version: tuple[int, ...] = ()
    runtime: str = ""
    modules: tuple[str, ...] = ()
    probed_at: datetime | None = None

    @property
    def minor(self) -> tuple[int, ...]:
        """The version as far as code compiled for it goes."""
        return self.version[:2]
