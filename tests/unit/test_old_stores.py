"""A store of an older release always opens, and its jobs are gone on with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobferry.model.status import Failure, JobState
from jobferry.ownership import is_abandoned
from jobferry.store import Store

STORES = sorted((Path(__file__).parents[1] / "captures" / "store").glob("*.sql"))
NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture(params=STORES, ids=lambda path: path.stem)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "jobs.db"
    connection = sqlite3.connect(path)
    connection.executescript(request.param.read_text())
    connection.close()
    opened = Store(path)
    yield opened
    opened.close()


def test_every_job_is_there_with_its_state(store: Store) -> None:
    states = {record.spec.name: record.state for record in store.find()}

    assert {
        "train": JobState.COMPLETED,
        "fails": JobState.FAILED,
        "runs": JobState.RUNNING,
        "array": JobState.RUNNING,
        "doubt": JobState.SUBMITTING,
        "draft": JobState.CREATED,
        "asked to end": JobState.CANCELLED,
    } == states


def test_what_was_handed_over_is_known(store: Store) -> None:
    runs = store.get("02kf00000003")

    assert ("4713", ("4713",)) == (runs.native_id, runs.native_ids)
    assert runs.submitted_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert () == runs.unsent
    assert "runs-02kf00000003" == runs.native_name(runs.submissions[0])


def test_submission_in_doubt_is_gone_on_with(store: Store) -> None:
    doubt = store.get("02kf00000005")

    (left,) = doubt.unsent
    assert (2, True, "2") == (left.attempt, left.sent, left.key)
    assert left.doubted_since == datetime(2026, 11, 1, 9, 5, tzinfo=UTC)
    assert is_abandoned(left, NOW)


def test_job_that_never_left_is_gone_on_with(store: Store) -> None:
    (left,) = store.get("02kf00000006").unsent

    assert (1, False) == (left.attempt, left.sent)
    assert is_abandoned(left, NOW)


def test_what_was_asked_and_what_came_of_it_is_kept(store: Store) -> None:
    failed, array = store.get("02kf00000002"), store.get("02kf00000004")

    assert (Failure.OUT_OF_MEMORY, 4 * 1024**3) == (failed.status.failure, failed.spec.resources.mem)
    assert {0, 1, 2, 3} == set(array.tasks)
    facts = store.get_facts("narval openssh narval slurm $SCRATCH/jobferry")
    assert facts is not None
    assert (1001, True) == (facts.max_array_size, facts.accounting)


def test_it_can_be_written_as_a_new_one(store: Store) -> None:
    before = store.get("02kf00000003")

    store.update(before.id, lambda old: old.with_submissions(old.submissions[0]))

    assert before.submissions == store.get(before.id).submissions
    assert store.machines.claim_poll("narval", NOW, NOW - NOW)
