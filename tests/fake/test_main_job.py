"""The life of jobs from submission to results, on a batch system that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobferry.errors import JobFailed, WaitTimeout
from jobferry.model.status import Failure, JobState
from tests.fake.conftest import Site


def test_job_is_submitted_waited_for_read_and_fetched(site: Site, tmp_path: Path) -> None:
    job = site.submit("echo hello; echo oops >&2; echo 42 >result.txt", outputs=["*.txt"])

    assert job.wait() is JobState.COMPLETED
    assert (job.stdout(), job.stderr(), job.exit_code) == ("hello\n", "oops\n", 0)
    assert job.fetch(tmp_path / "here") == [tmp_path / "here" / "result.txt"]
    assert (tmp_path / "here" / "result.txt").read_text() == "42\n"
    assert site.runs == 1


def test_inputs_are_there_when_the_job_runs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "question.txt").write_text("6*7")

    job = site.submit("cat question.txt", inputs=[str(tmp_path / "question.txt")])
    job.wait()

    assert job.stdout() == "6*7"


def test_short_job_costs_at_most_one_question_to_the_queue(site: Site) -> None:
    probed = len(site.cluster.calls)

    site.submit().wait()

    asked = [call[0] for call in site.cluster.calls[probed:]]
    assert asked.count("sbatch") == 1
    assert asked.count("squeue") <= 1
    assert len(asked) <= 2


def test_twenty_jobs_are_one_request_and_one_question_to_the_queue(site: Site) -> None:
    jobs = site.machine.submit_all([site.counted(f"echo {number}") for number in range(20)])
    requests = site.client.open(site.machine).connection.requests

    ended = site.client.wait([job.record for job in jobs])

    assert {record.state for record in ended} == {JobState.COMPLETED}
    assert site.runs == 20
    assert requests == 2  # the probe and the submission
    assert len(site.cluster.called("squeue")) <= 1


def test_queue_is_asked_again_only_when_its_time_has_come(idle: Site) -> None:
    job = idle.submit()

    states = [job.state for _ in range(5)]
    idle.clock.advance(29)
    states.append(job.state)

    assert set(states) == {JobState.QUEUED}
    assert len(idle.cluster.called("squeue")) == 1

    idle.clock.advance(1)
    assert job.state is JobState.QUEUED
    assert len(idle.cluster.called("squeue")) == 2


def test_failed_job_keeps_its_own_exit_code(site: Site) -> None:
    job = site.submit("exit 3")

    assert job.wait() is JobState.FAILED
    assert (job.status.failure, job.exit_code) == (Failure.EXIT_CODE, 3)
    with pytest.raises(JobFailed, match="exit code 3"):
        job.check()


def test_job_ended_by_a_signal_of_its_own_names_it(site: Site) -> None:
    job = site.submit("kill -KILL $$")

    assert job.wait() is JobState.FAILED
    assert (job.status.failure, job.status.signal) == (Failure.SIGNAL, 9)


def test_waiting_job_is_queued_until_it_is_started(idle: Site) -> None:
    job = idle.submit()
    assert job.state is JobState.QUEUED
    assert idle.runs == 0

    idle.cluster.start_jobs()

    assert job.wait() is JobState.COMPLETED
    assert idle.runs == 1


def test_waiting_no_longer_than_asked_leaves_the_job_alone(idle: Site) -> None:
    job = idle.submit()

    with pytest.raises(WaitTimeout):
        job.wait(timeout=0)

    idle.cluster.start_jobs()
    assert job.wait() is JobState.COMPLETED


def test_cancelled_before_its_start_never_runs(idle: Site) -> None:
    job = idle.submit()

    job.cancel()
    idle.cluster.start_jobs()

    assert idle.look(after=31).state is JobState.CANCELLED
    assert idle.runs == 0


def test_cancelled_while_it_runs_is_cancelled(site: Site) -> None:
    job = site.submit("sleep 60")
    site.cluster.wait_for(lambda _: site.runs == 1)

    job.cancel()
    site.cluster.wait_for_jobs("CANCELLED")

    assert job.wait() is JobState.CANCELLED
    assert site.runs == 1


def test_cancelling_an_ended_job_changes_nothing(site: Site) -> None:
    job = site.submit()
    job.wait()

    assert job.cancel() is JobState.COMPLETED
    assert site.cluster.called("scancel") == []


def test_held_job_waits_until_it_is_released(idle: Site) -> None:
    job = idle.submit()
    job.hold()
    idle.cluster.start_jobs()

    assert idle.look().state is JobState.HELD
    assert idle.runs == 0

    job.release()
    assert job.wait() is JobState.COMPLETED
    assert idle.runs == 1


def test_each_task_of_an_array_runs_once(site: Site) -> None:
    job = site.submit("echo task $JOBFERRY_ARRAY_INDEX", array="0-4%2")

    assert job.wait() is JobState.COMPLETED
    assert site.runs == 5
    assert [job.stdout(task) for task in range(5)] == [f"task {task}\n" for task in range(5)]
    assert {status.state for status in job.tasks.values()} == {JobState.COMPLETED}


def test_array_with_one_failed_task_has_failed(site: Site) -> None:
    job = site.submit("exit $((JOBFERRY_ARRAY_INDEX == 1))", array="0-2")

    assert job.wait() is JobState.FAILED
    assert [job.tasks[task].state for task in range(3)] == [
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.COMPLETED,
    ]


def test_waiting_array_is_one_row_of_the_queue(idle: Site) -> None:
    job = idle.submit(array="0-2,5-6%1")

    assert job.state is JobState.QUEUED
    assert set(job.tasks) == {0, 1, 2, 5, 6}


def test_dependent_job_runs_after_the_other(idle: Site) -> None:
    first = idle.submit()
    second = idle.machine.submit(f"cat {idle.counter}", after=first)
    idle.cluster.start_jobs(second.native_id or "")
    assert {job.state for job in idle.cluster.jobs} == {"PENDING"}

    idle.cluster.start_jobs()

    assert [job.wait() for job in (first, second)] == [JobState.COMPLETED, JobState.COMPLETED]
    assert second.stdout() == "ran\n"


def test_job_that_depends_on_a_failed_one_never_runs(idle: Site) -> None:
    first = idle.machine.submit("exit 1")
    second = idle.submit(after=first)
    idle.cluster.start_jobs()
    idle.cluster.wait_for(lambda cluster: [job.state for job in cluster.jobs] == ["FAILED", "CANCELLED"])

    assert first.wait() is JobState.FAILED
    idle.clock.advance(31)
    assert (second.state, second.status.failure) == (JobState.FAILED, Failure.DEPENDENCY)
    assert idle.runs == 0


def test_requeued_job_runs_again_and_counts_it(site: Site) -> None:
    job = site.submit('[ "$JOBFERRY_RESTARTS" -eq 1 ] || sleep 60')
    site.cluster.wait_for(lambda _: site.runs == 1)

    site.cluster.requeue(job.native_id or "")

    assert job.wait() is JobState.COMPLETED
    assert job.status.restarts == 1
    assert site.runs == 2


def test_finished_job_that_is_started_again_does_nothing_twice(site: Site) -> None:
    job = site.submit()
    job.wait()

    site.cluster.requeue(job.native_id or "")
    site.cluster.wait_for_jobs("COMPLETED")

    assert site.runs == 1
    assert site.cluster.jobs[0].restarts == 1


def test_job_is_known_to_a_client_that_comes_later(site: Site) -> None:
    site.submit()
    later = site.other_client()

    (record,) = later.wait(later.store.find())

    assert record.state is JobState.COMPLETED
    assert site.runs == 1
