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


def unmet(record: JobRecord, client: Client) -> Iterator[str]:
    """Say of each such job how it has ended; of what is not in the list of jobs nothing can be said."""
    kinds = {entry.job_id: entry.kind for entry in record.spec.dependencies}
    others = client.store.find_all(list(kinds))
    with suppress(JobferryError):
        # what nobody waits for may have been seen last before its end
        others = client.refresh(others)
    for other in others:
        succeeded = other.state is JobState.COMPLETED
        refused = {DependencyKind.AFTEROK: not succeeded, DependencyKind.AFTERNOTOK: succeeded}
        if other.state.final and refused.get(kinds[other.id], False):
            how = other.state.value.lower()
            yield f"it waited for {other.id} ({other.spec.name}), which has ended as {how}"
