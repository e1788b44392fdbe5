"""A store that is lost is made anew from what stands over there, and nothing runs twice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.status import Failure, JobState
from jobferry.rebuilding import Rebuilt, rebuild
from jobferry.store import Store
from jobferry.testing import Fault
from tests.fake.conftest import Site, Sites

A_MINUTE = 61.0


class Elsewhere:
    """Another computer of the same person: a store of its own, the same machine."""

    def __init__(self, site: Site) -> None:
        store = Store(site.folder / "elsewhere.db")
        self.client = Client(store=store, clock=site.clock, config=Config())
        site.clients.append(self.client)
        self.machine: Machine = site.cluster.machine(self.client)

    def rebuild(self) -> Rebuilt:
        return rebuild(self.client, self.machine)

    def wait(self) -> dict[str, JobRecord]:
        return {record.id: record for record in self.client.wait(self.client.store.find())}


def test_jobs_come_back_as_they_are(make_site: Sites) -> None:
    site = make_site(autostart=False)
    done = site.submit("exit 0", name="done", labels={"kind": "good"}, mem="2G")
    failed = site.submit("exit 3", name="failed")
    array = site.submit("exit $JOBFERRY_ARRAY_INDEX", name="array", array="0-2")
    site.cluster.start_jobs()
    site.cluster.wait_for(lambda cluster: site.runs == 5)
    queued = site.submit("exit 0", name="queued")

    elsewhere = Elsewhere(site)
    found = elsewhere.rebuild()

    assert (4, 0, ()) == (len(found.added), found.known, found.unread)
    site.cluster.start_jobs()
    ended = elsewhere.wait()
    assert JobState.COMPLETED is ended[done.id].state
    assert ({"kind": "good"}, 2 * 1024**3) == (ended[done.id].spec.labels, ended[done.id].spec.resources.mem)
    assert (JobState.FAILED, 3) == (ended[failed.id].state, ended[failed.id].status.exit_code)
    assert {0: 0, 1: 1, 2: 2} == {task: s.exit_code for task, s in ended[array.id].tasks.items()}
    assert JobState.COMPLETED is ended[queued.id].state
    assert 6 == site.runs


def test_rebuilding_twice_adds_nothing(site: Site) -> None:
    site.submit().wait()
    elsewhere = Elsewhere(site)
    elsewhere.rebuild()

    again = elsewhere.rebuild()

    assert ((), 1) == (again.added, again.known)


def test_what_was_left_in_doubt_is_found_by_its_name(site: Site) -> None:
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    with suppress(JobferryError):
        site.submit()

    elsewhere = Elsewhere(site)
    elsewhere.rebuild()

    assert [JobState.COMPLETED] == [record.state for record in elsewhere.wait().values()]
    assert 1 == site.runs


def test_what_was_refused_stays_refused(site: Site) -> None:
    site.cluster.inject(Fault.REFUSED, words="Invalid partition name specified", times=1)
    with suppress(JobferryError):
        site.submit()

    (record,) = Elsewhere(site).rebuild().added

    assert (JobState.FAILED, Failure.REJECTED) == (record.state, record.status.failure)
    assert "Invalid partition" in (record.status.reason or "")


def test_rest_of_an_array_that_waited_is_sent_and_no_task_runs_twice(make_site: Sites) -> None:
    site = make_site(max_jobs=2)
    site.submit(array="0-6")

    elsewhere = Elsewhere(site)
    elsewhere.rebuild()
    ended = elsewhere.wait()
    # the first computer wakes up and goes on as well
    site.client.wait(site.client.store.find())

    assert [JobState.COMPLETED] == [record.state for record in ended.values()]
    assert JobState.COMPLETED is site.only_job.state
    assert 7 == site.runs


def test_last_attempt_of_a_job_is_the_one_that_counts(site: Site) -> None:
    job = site.submit("[ $JOBFERRY_RUN -gt 1 ]", retry="EXIT_CODE")
    job.wait()

    (record,) = Elsewhere(site).rebuild().added

    assert (JobState.COMPLETED, "2") == (record.state, record.native_id)


@pytest.mark.parametrize("content", ["", "{", '{"schema": 1}', "\0\xff" * 100, '{"schema": 99, "id": "x"}'])
def test_folder_that_cannot_be_read_is_told_and_the_others_come_back(site: Site, content: str) -> None:
    site.submit().wait()
    spoilt = site.submit()
    spoilt.wait()
    folder = Path(spoilt.record.root) / "jobs"
    (folder / spoilt.id / "job.json").write_text(content)
    (folder / "not a job").mkdir()
    (folder / "02kf00000000").mkdir()

    found = Elsewhere(site).rebuild()

    assert 1 == len(found.added)
    assert [spoilt.id] == [words.split(":")[0] for words in found.unread]


def test_empty_root_has_no_jobs(site: Site) -> None:
    assert ((), 0, ()) == (
        (found := Elsewhere(site).rebuild()).added,
        found.known,
        found.unread,
    )
