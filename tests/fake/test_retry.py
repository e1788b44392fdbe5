"""Trying again by cause: what failed runs anew, with more where that helps, and every attempt is kept."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from jobferry.errors import SpecError, SubmitRefused, TransferError, TransportError
from jobferry.job_handle import Job
from jobferry.model.status import Failure, JobState
from jobferry.opened import in_folder
from jobferry.testing import Fault
from tests.fake.conftest import Site, Sites

AN_INTERVAL = 31.0
GIB = 1024**3


def end_as(site: Site, word: str) -> None:
    """End the newest job for a cause, and look."""
    native_id = site.cluster.jobs[-1].native_id
    site.cluster.set_state(native_id, word)
    site.cluster.wait_for(
        lambda cluster: all(j.state == word for j in cluster.jobs if j.native_id == native_id)
    )
    site.look(after=AN_INTERVAL)


def start(site: Site) -> None:
    """Let the newest job start, and wait until its command runs."""
    runs = site.runs
    site.cluster.start_jobs()
    site.cluster.wait_for(lambda cluster: site.runs > runs)


def sleeper(site: Site, **options: object) -> Job:
    return site.submit("sleep 60", **options)


def asked(site: Site, option: str) -> list[str | None]:
    return [job.asked.get(option) for job in site.cluster.jobs]


def test_out_of_memory_is_tried_again_with_more(make_site: Sites) -> None:
    site = make_site(autostart=False)
    job = sleeper(site, mem="2G", retry="OUT_OF_MEMORY:2:mem*2")

    for _ in range(2):
        start(site)
        end_as(site, "OUT_OF_MEMORY")

    assert ["2G", "4G", "8G"] == asked(site, "mem")
    assert JobState.QUEUED is job.state
    start(site)
    end_as(site, "OUT_OF_MEMORY")
    site.look(after=AN_INTERVAL)

    record = site.only_job
    assert (JobState.FAILED, Failure.OUT_OF_MEMORY) == (record.state, record.status.failure)
    assert [Failure.OUT_OF_MEMORY] * 2 == [attempt.status.failure for attempt in record.attempts]
    assert ["1", "2"] == [attempt.native_id for attempt in record.attempts]
    assert "3" == record.native_id
    assert 3 == site.runs


def test_job_that_succeeds_at_the_second_attempt_is_completed(site: Site) -> None:
    job = site.submit("[ $JOBFERRY_RUN -gt 1 ]", retry="EXIT_CODE:1")

    assert JobState.COMPLETED is job.wait()
    assert 2 == site.runs
    assert 0 == job.exit_code


@pytest.mark.parametrize(
    ("word", "rule"),
    [("TIMEOUT", "TIMEOUT"), ("PREEMPTED", "PREEMPTED:1"), ("NODE_FAIL", "NODE_FAIL:1")],
)
def test_each_cause_is_answered(make_site: Sites, word: str, rule: str) -> None:
    site = make_site(autostart=False, nodes=("n1", "n2"))
    sleeper(site, time="10m", retry=rule)
    start(site)
    end_as(site, word)
    for _ in range(3):
        site.look(after=AN_INTERVAL)

    assert 2 == len(site.cluster.jobs)
    assert JobState.QUEUED is site.only_job.state


def test_time_grows_up_to_its_cap(make_site: Sites) -> None:
    site = make_site(autostart=False)
    sleeper(site, time="60m", retry="TIMEOUT:5:time*1.5<=100m")
    for _ in range(3):
        start(site)
        end_as(site, "TIMEOUT")

    assert ["01:00:00", "01:30:00", "01:40:00"] == asked(site, "time")
    record = site.only_job
    assert (JobState.FAILED, Failure.TIMEOUT) == (record.state, record.status.failure)
    resources = record.submissions[-1].resources
    assert resources is not None
    assert timedelta(minutes=100) == resources.time


def test_node_that_failed_is_stayed_away_from(make_site: Sites) -> None:
    site = make_site(autostart=False, nodes=("n1", "n2"))
    sleeper(site, retry="NODE_FAIL")
    start(site)
    end_as(site, "NODE_FAIL")
    for _ in range(3):
        site.look(after=AN_INTERVAL)
    start(site)

    assert [None, "n1"] == asked(site, "exclude")
    assert ["n1", "n2"] == [job.node for job in site.cluster.jobs]


def test_only_the_tasks_that_failed_are_tried_again(site: Site) -> None:
    again = "[ $JOBFERRY_ARRAY_INDEX -ne 2 ] || [ $JOBFERRY_RUN -gt 1 ]"
    job = site.submit(f"echo run $JOBFERRY_RUN; {again}", array="0-3", retry="EXIT_CODE")

    assert JobState.COMPLETED is job.wait()
    assert 5 == site.runs
    assert [2] == [attempt.task for attempt in job.record.attempts]
    assert "run 2\n" == job.stdout(task=2)
    assert "run 1\n" == job.stdout(task=1)


def test_outputs_of_the_attempt_that_counts_come_home(site: Site) -> None:
    job = site.submit(
        "echo $JOBFERRY_RUN >out.txt; [ $JOBFERRY_RUN -gt 1 ]", retry="EXIT_CODE", outputs=["out.txt"]
    )
    job.wait()

    job.fetch(site.folder / "home")

    assert "2\n" == (site.folder / "home" / "out.txt").read_text()
    assert 2 == site.runs


def test_cause_without_a_rule_is_final(site: Site) -> None:
    job = site.submit("exit 3", retry="TIMEOUT:1:same")

    assert JobState.FAILED is job.wait()
    assert 1 == site.runs


def test_cancelled_job_is_not_tried_again(make_site: Sites) -> None:
    site = make_site(autostart=False)
    job = sleeper(site, retry=["SIGNAL", "EXIT_CODE", "TIMEOUT:1:same"])
    start(site)

    job.cancel()
    site.cluster.wait_for_jobs("CANCELLED")
    site.look(after=AN_INTERVAL)

    assert JobState.CANCELLED is site.only_job.state
    assert 1 == len(site.cluster.jobs)


def test_job_that_asks_for_no_memory_cannot_ask_for_more(site: Site) -> None:
    with pytest.raises(SpecError, match="must ask for some") as caught:
        site.submit(retry="OUT_OF_MEMORY")

    assert "--mem" in (caught.value.hint or "")
    assert [] == site.client.store.find()


def test_second_attempt_that_is_refused_leaves_the_first_cause(make_site: Sites) -> None:
    site = make_site(autostart=False)
    sleeper(site, mem="2G", retry="OUT_OF_MEMORY")
    start(site)
    site.cluster.inject(Fault.REFUSED, words="Requested node configuration is not available")
    end_as(site, "OUT_OF_MEMORY")

    record = site.look(after=AN_INTERVAL)

    assert (JobState.FAILED, Failure.OUT_OF_MEMORY) == (record.state, record.status.failure)
    assert "Requested node configuration" in (record.status.reason or "")


def test_second_attempt_in_doubt_is_looked_up_and_runs_once(site: Site) -> None:
    job = site.submit("[ $JOBFERRY_RUN -gt 1 ]", retry="EXIT_CODE")
    site.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)

    assert JobState.COMPLETED is job.wait()
    assert 2 == len(site.cluster.jobs)
    assert 2 == site.runs


def test_job_that_depends_on_one_that_is_tried_again_runs_after_it(site: Site) -> None:
    first = site.submit("[ $JOBFERRY_RUN -gt 1 ]", retry="EXIT_CODE", name="first")
    second = site.submit("true", after=first, name="second")

    ended = site.client.wait([first.record, second.record])

    assert [JobState.COMPLETED] * 2 == [record.state for record in ended]
    assert 3 == site.runs


def test_job_that_depends_on_one_that_fails_for_good_says_so(site: Site) -> None:
    first = site.submit("exit 1", retry="EXIT_CODE:1", name="first")
    second = site.submit("true", after=first, name="second")

    ended = site.client.wait([first.record, second.record])

    assert [JobState.FAILED] * 2 == [record.state for record in ended]
    assert Failure.DEPENDENCY is ended[1].status.failure
    assert 2 == site.runs


# -- asked for by a person


def test_failed_job_can_be_tried_again_with_more(site: Site) -> None:
    job = site.submit("[ $JOBFERRY_RUN -gt 1 ]", mem="1G")
    job.wait()
    assert JobState.FAILED is job.state

    job.retry(mem="3G")

    assert JobState.COMPLETED is job.wait()
    assert ["1G", "3G"] == asked(site, "mem")
    assert 2 == site.runs


def test_retry_is_harmless_for_what_goes_on_or_has_succeeded(site: Site) -> None:
    job = site.submit()
    job.retry()
    job.wait()
    job.retry()

    assert JobState.COMPLETED is job.state
    assert 1 == len(site.cluster.jobs)


def test_cancelled_job_can_be_tried_again(make_site: Sites) -> None:
    site = make_site(autostart=False)
    job = site.submit()
    job.cancel()
    assert JobState.CANCELLED is site.look(after=AN_INTERVAL).state

    job.retry()
    site.cluster.start_jobs()

    assert JobState.COMPLETED is site.wait().state
    assert 1 == site.runs


def test_job_that_was_refused_can_be_tried_again(site: Site) -> None:
    site.cluster.inject(Fault.REFUSED, words="Requested node configuration is not available", times=1)
    with pytest.raises(SubmitRefused):
        site.submit()

    (record,) = site.client.retry([site.only_job])

    assert JobState.QUEUED is record.state
    assert JobState.COMPLETED is site.wait().state
    assert 1 == site.runs


def test_job_that_was_never_sent_can_be_tried_again(site: Site) -> None:
    site.link.cut()
    site.link.fail_next(1)
    with pytest.raises(TransportError):
        site.submit()
    assert JobState.FAILED is site.only_job.state

    site.client.retry([site.only_job])

    assert JobState.COMPLETED is site.wait().state
    assert 1 == site.runs


def test_two_that_try_again_at_once_start_one_run(site: Site) -> None:
    job = site.submit("[ $JOBFERRY_RUN -gt 1 ]")
    job.wait()
    clients = [site.other_client() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda client: client.retry([job.record]), clients))

    assert JobState.COMPLETED is site.wait().state
    assert 2 == site.runs


# -- warned, saved, started again


def test_job_that_is_warned_saves_its_work_and_goes_on(make_site: Sites) -> None:
    site = make_site(autostart=True)
    script = (
        "trap 'echo saved >checkpoint; exit 9' USR2; [ -f checkpoint ] && exit 0; while :; do sleep 0.1; done"
    )
    site.submit(script, time="10m", signal="USR2@120", retry="TIMEOUT:2:same")
    site.cluster.wait_for(lambda cluster: site.runs == 1)

    site.cluster.warn("1")
    site.cluster.wait_for(lambda cluster: site.runs == 2)
    site.cluster.wait_for_jobs("COMPLETED")

    record = site.look(after=AN_INTERVAL)
    assert JobState.COMPLETED is record.state
    assert (1, 1) == (record.status.restarts, len(site.cluster.jobs))


def test_job_that_is_warned_and_done_is_not_started_again(make_site: Sites) -> None:
    site = make_site(autostart=True)
    site.submit(
        "trap 'exit 0' USR2; while :; do sleep 0.1; done",
        time="10m",
        signal="USR2@120",
        retry="TIMEOUT:2:same",
    )
    site.cluster.wait_for(lambda cluster: site.runs == 1)

    site.cluster.warn("1")
    site.cluster.wait_for_jobs("COMPLETED")

    assert JobState.COMPLETED is site.look(after=AN_INTERVAL).state
    assert 1 == site.runs


def test_retry_in_a_folder_that_is_gone_is_refused_at_once(site: Site) -> None:
    job = site.submit("exit 3")
    site.wait()
    shutil.rmtree(in_folder(site.only_job.root, job.id))

    with pytest.raises(TransferError, match="is gone") as caught:
        job.retry()

    assert "submit it anew" in str(caught.value.hint)
    record = site.client.store.resolve(job.id)
    # it stays as it had ended
    assert (JobState.FAILED, Failure.EXIT_CODE, 3) == (
        record.state,
        record.status.failure,
        record.status.exit_code,
    )
