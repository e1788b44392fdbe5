"""Which of the jobs that a job waited for did not end as they should have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from jobferry.errors import JobferryError
from jobferry.model.record import JobRecord
from jobferry.model.spec import DependencyKind
from jobferry.model.status import JobState

if TYPE_CHECKING:
    from jobferry.client import Client


def is_refused(other: JobRecord, kind: DependencyKind) -> bool:
    """Whether a job that has ended can never be what another waits for."""
    succeeded = other.state is JobState.COMPLETED
    return {DependencyKind.AFTEROK: not succeeded, DependencyKind.AFTERNOTOK: succeeded}.get(kind, False)


def unmet(record: JobRecord, client: Client) -> Iterator[str]:
    """Say of each such job how it has ended; of what is not in the list of jobs nothing can be said."""
    kinds = {entry.job_id: entry.kind for entry in record.spec.dependencies}
    others = client.store.find_all(list(kinds))
    with suppress(JobferryError):
        # what nobody waits for may have been seen last before its end
        others = client.refresh(others)
    for other in others:
        if other.state.final and is_refused(other, kinds[other.id]):
            how = other.state.value.lower()
            yield f"it waited for {other.id} ({other.spec.name}), which has ended as {how}"
