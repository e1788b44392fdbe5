"""A job as it would be submitted: nothing is connected, stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobferry.drafts import describe
from jobferry.errors import ConfigError
from jobferry.job_handle import Job, open_job
from jobferry.model.machine import Machine
from jobferry.options import Work
from jobferry.payload import make_payload
from jobferry.schedulers import open_scheduler

if TYPE_CHECKING:
    from jobferry.client import Client


@dataclass(frozen=True, slots=True)
class Preview:
    """A job as it would be submitted.

    Attributes:
        job: a handle of what would be stored.
        scheduler: the dialect the script is written in.
        ignored: what of a script's own directives has no effect.
    """

    job: Job
    scheduler: str
    script: str
    ignored: tuple[str, ...] = ()


def preview(client: Client, machine: Machine, work: Work, options: Mapping[str, Any]) -> Preview:
    """Render a job.

    Raises:
        SpecError: it cannot be run there.
        ConfigError: the machine's batch system is not known yet.
    """
    _, ignored = describe(work, options)
    record = client.draft(machine, work, options)
    scheduler = _known_scheduler(client, machine)
    payload = make_payload(record, record.submissions, open_scheduler(scheduler), {})
    return Preview(open_job(record, client), scheduler, payload.launch, ignored)


def _known_scheduler(client: Client, machine: Machine) -> str:
    if machine.scheduler is not None:
        return machine.scheduler
    # not even an empty store is made
    facts = client.store.get_facts(machine.name) if client.store.path.exists() else None
    if facts is None:
        raise ConfigError(
            f"the batch system of {machine.name} is not known yet",
            hint=f"`jobferry check {machine.name}` finds it out; or set `scheduler`",
            machine=machine.name,
        )
    return facts.scheduler
