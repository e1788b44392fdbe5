"""What every store must do: subclass `StoreSuite`, supply the fixture `store`, run pytest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobferry.errors import JobNotFound, StoreError
from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine, MachineFacts
from jobferry.model.record import JobRecord
from jobferry.model.spec import JobSpec, parse_array
from jobferry.model.status import JobState, JobStatus
from jobferry.store import Conflict, Store

NOW = datetime(2026, 5, 4, 12, 30, 15, 250_001, tzinfo=UTC)


def make_records(
    count: int, at: datetime = NOW, *, name: str = "job", machine: str = "narval"
) -> list[JobRecord]:
    """Make small records, oldest first."""
    spec = JobSpec(command=("true",), name=name, labels={"group": name})
    made_for = Machine(name=machine)
    return [JobRecord(id=id, spec=spec, machine=made_for, created_at=at) for id in mint_ids(at, count)]


def in_state(record: JobRecord, state: JobState) -> JobRecord:
    """Copy a record with another state."""
    return replace(record, status=replace(record.status, state=state))


def with_tasks(record: JobRecord, *states: JobState) -> JobRecord:
    """Copy a record with a task for each state."""
    tasks = {task: JobStatus(state=state) for task, state in enumerate(states)}
    return replace(record, spec=replace(record.spec, array=parse_array("0-9")), tasks=tasks)


class _MachineNotesSuite:
    """What is kept of machines."""

    def test_facts_are_kept_for_each_machine(self, store: Store) -> None:
        facts = MachineFacts(scheduler="slurm", partitions=("a",), probed_at=NOW)

        store.put_facts("narval", facts)

        assert facts == store.get_facts("narval")
        assert store.get_facts("gaia") is None

    def test_one_of_all_may_ask_once_in_the_interval(self, store: Store) -> None:
        interval = timedelta(seconds=30)

        assert store.machines.claim_poll("narval", NOW, interval)
        assert not store.machines.claim_poll("narval", NOW + interval / 2, interval)
        assert store.machines.claim_poll("gaia", NOW, interval)
        assert store.machines.claim_poll("narval", NOW + interval, interval)

    def test_clock_that_was_put_right_does_not_stop_the_asking(self, store: Store) -> None:
        interval = timedelta(seconds=30)
        store.machines.claim_poll("narval", NOW + timedelta(days=1), interval)

        assert store.machines.claim_poll("narval", NOW, interval)

    def test_each_failure_doubles_the_pause_until_an_answer(self, store: Store) -> None:
        interval = timedelta(seconds=30)
        for _ in range(2):
            store.machines.note_busy("narval", "no", NOW)
        store.machines.claim_poll("narval", NOW, interval)

        assert not store.machines.claim_poll("narval", NOW + 3.9 * interval, interval)
        trouble = store.machines.trouble("narval")
        assert trouble is not None
        assert ("no", NOW, False) == (trouble.words, trouble.since, trouble.needs_person)

        store.machines.note_answer("narval")
        assert store.machines.trouble("narval") is None
        assert store.machines.claim_poll("narval", NOW + interval, interval)


class StoreSuite(_MachineNotesSuite):
    """The contract of a store; its fixture `store` gives a new and empty one each time."""

    @pytest.fixture
    def store(self) -> Store:
        """Supply the store to certify."""
        raise NotImplementedError("supply the fixture `store`")

    def test_what_is_added_is_read_back(self, store: Store) -> None:
        records = make_records(3)

        store.add(records)

        assert records == [store.get(record.id) for record in records]
        assert records == store.find()

    def test_an_id_is_added_once(self, store: Store) -> None:
        first, second = make_records(2)
        store.add([first])

        with pytest.raises(StoreError, match=first.id):
            store.add([second, first])

        assert [first] == store.find()

    def test_an_unknown_id_is_not_found(self, store: Store) -> None:
        with pytest.raises(JobNotFound, match="0123"):
            store.get("0123")

    def test_a_replaced_record_has_a_new_revision(self, store: Store) -> None:
        (record,) = make_records(1)
        store.add([record])

        changed = store.replace(in_state(record, JobState.QUEUED))

        assert changed.revision == record.revision + 1
        assert changed == store.get(record.id)

    def test_a_change_of_an_old_revision_is_refused(self, store: Store) -> None:
        (record,) = make_records(1)
        store.add([record])
        changed = store.replace(in_state(record, JobState.QUEUED))

        with pytest.raises(Conflict) as caught:
            store.replace(in_state(record, JobState.LOST))

        assert caught.value.transient
        assert changed == store.get(record.id)

    def test_a_removed_record_cannot_be_replaced(self, store: Store) -> None:
        (record,) = make_records(1)

        with pytest.raises(JobNotFound):
            store.replace(record)

    def test_an_update_decides_again_when_another_was_faster(self, store: Store) -> None:
        (record,) = make_records(1)
        store.add([record])
        seen = []

        def change(found: JobRecord) -> JobRecord:
            seen.append(found.state)
            if len(seen) == 1:
                store.replace(in_state(found, JobState.RUNNING))
            return replace(found, root="/r")

        changed = store.update(record.id, change)

        assert seen == [JobState.CREATED, JobState.RUNNING]
        assert (changed.state, changed.root) == (JobState.RUNNING, "/r")

    def test_an_update_that_changes_nothing_writes_nothing(self, store: Store) -> None:
        (record,) = make_records(1)
        store.add([record])

        store.update(record.id, lambda found: found)

        assert store.get(record.id).revision == record.revision

    def test_tasks_are_kept_changed_and_forgotten(self, store: Store) -> None:
        (plain,) = make_records(1)
        record = with_tasks(plain, JobState.RUNNING, JobState.QUEUED)
        store.add([record])
        assert record == store.get(record.id)

        changed = store.replace(with_tasks(record, JobState.COMPLETED))

        assert changed == store.get(record.id)
        assert [changed] == store.find()

    def test_every_filter_is_heeded(self, store: Store) -> None:
        (old,) = make_records(1, NOW - timedelta(days=2), name="train-1")
        (other,) = make_records(1, NOW - timedelta(days=1), machine="gaia", name="train-2")
        (new,) = make_records(1, name="test")
        new = in_state(new, JobState.FAILED)
        store.add([old, other, new])

        assert [old, other, new] == store.find()
        assert [other] == store.find(machine="gaia")
        assert [old, other] == store.find(name_glob="train-*")
        assert [new] == store.find(labels={"group": "test"})
        assert store.find(labels={"group": "test", "more": "x"}) == []
        assert [new] == store.find(states=[JobState.FAILED, JobState.LOST])
        assert store.find(states=[]) == []
        assert [old, other] == store.find(unfinished=True)
        assert [new] == store.find(unfinished=False)
        assert [other, new] == store.find(since=other.created_at)
        assert [other, new] == store.find(limit=2)
        assert [old] == store.find(machine="narval", unfinished=True, limit=5)

    def test_ids_are_found_as_jobs_are(self, store: Store) -> None:
        records = make_records(3)
        store.add(records)

        assert [record.id for record in records] == store.find_ids(name_glob="j*")
        assert [record.id for record in records[1:]] == store.find_ids(limit=2)

    def test_tasks_of_many_jobs_stay_apart(self, store: Store) -> None:
        first, second, third = make_records(3)
        records = [
            with_tasks(first, JobState.QUEUED),
            second,
            with_tasks(third, JobState.LOST, JobState.FAILED),
        ]
        store.add(records)

        assert records == store.find()
        assert records[1:] == store.find(limit=2)

    def test_a_job_answers_to_the_beginning_of_its_id(self, store: Store) -> None:
        (old,) = make_records(1, NOW - timedelta(days=300))
        (new,) = make_records(1)
        store.add([old, new])

        assert new == store.resolve(new.id)
        assert new == store.resolve(f" {new.id[:5].upper()} ")
        assert new == store.resolve("@last")

    @pytest.mark.parametrize("prefix", ["zzz", "", "*", "0%", "\udce9"])
    def test_what_is_no_beginning_of_an_id_is_not_found(self, store: Store, prefix: str) -> None:
        store.add(make_records(1))

        with pytest.raises(JobNotFound):
            store.resolve(prefix)

    def test_there_is_no_last_job_of_none(self, store: Store) -> None:
        with pytest.raises(JobNotFound, match="no jobs yet"):
            store.resolve("@last")

    def test_an_ambiguous_beginning_lists_five_candidates(self, store: Store) -> None:
        records = make_records(7)
        store.add(records)

        with pytest.raises(JobNotFound) as caught:
            store.resolve(records[0].id[:4])

        listed = [record.id for record in records if record.id in caught.value.message]
        assert len(listed) == 5
        assert "7 jobs" in caught.value.message

    def test_removed_jobs_are_gone_with_their_tasks(self, store: Store) -> None:
        first, second = make_records(2)
        store.add([with_tasks(first, JobState.FAILED), second])

        store.remove([first.id, "unknown"])
        store.add([first])

        assert store.get(first.id).tasks == {}
        assert {first.id, second.id} == set(store.find_ids())

    def test_a_closed_store_opens_again(self, store: Store) -> None:
        records = make_records(1)
        store.add(records)

        store.close()

        assert records == store.find()
