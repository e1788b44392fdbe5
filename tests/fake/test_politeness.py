"""How often a machine is asked: as seldom as promised, whatever the number of jobs and of processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from jobferry.errors import JobNotFound, SchedulerBusy
from jobferry.model.status import JobState
from jobferry.testing import Fault
from tests.fake.conftest import Site, Sites

INTERVAL = 30.0


def asked(site: Site) -> int:
    """How many times the queue was asked."""
    return len(site.cluster.called("squeue"))


def lose_first_watch(site: Site) -> None:
    """Let the wait over there break off at once, so that the test need not wait for its end."""
    site.link.cut_after(0, count=2)


def test_one_process_asks_for_all(idle: Site) -> None:
    jobs = [idle.submit() for _ in range(6)]
    clients = [idle.other_client() for _ in range(3)]
    idle.clock.advance(INTERVAL + 1)
    before = asked(idle)
    idle.cluster.set_state("5", "SUSPENDED")

    for number, client in enumerate(clients):
        client.refresh([jobs[2 * number].record, jobs[2 * number + 1].record])

    assert before + 1 == asked(idle)
    # the first client asked, and not for its own jobs alone
    assert JobState.SUSPENDED is idle.client.store.get(jobs[4].id).state


def test_processes_that_look_at_the_same_moment_ask_once(idle: Site) -> None:
    job = idle.submit()
    clients = [idle.other_client() for _ in range(6)]
    idle.clock.advance(INTERVAL + 1)
    before = asked(idle)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda client: client.refresh([job.record]), clients))

    assert before + 1 == asked(idle)


def test_many_looks_in_an_interval_ask_once(idle: Site) -> None:
    idle.submit()
    idle.clock.advance(INTERVAL + 1)
    before = asked(idle)

    for _ in range(29):
        idle.clock.advance(1)
        idle.client.refresh(idle.client.store.find())

    assert before + 1 == asked(idle)


def test_end_is_told_without_asking_the_batch_system(site: Site) -> None:
    before = asked(site)

    site.submit("exit 3").wait()

    # the first look may fall into the job's life; its end is told by its record
    assert asked(site) - before <= 1
    assert 0 == len(site.cluster.called("sacct"))


def test_batch_system_that_does_not_answer_is_asked_less_and_less(idle: Site) -> None:
    idle.submit()
    idle.cluster.inject(Fault.RATE_LIMITED, "squeue")
    before = asked(idle)

    for _ in range(1200):
        idle.clock.advance(3)
        idle.client.refresh(idle.client.store.find())

    # every 30 s would be 120 times
    assert 4 <= asked(idle) - before <= 12
    trouble = idle.client.store.machines.trouble("fake")
    assert trouble is not None
    assert "slurm" in trouble.words


def test_batch_system_that_answers_again_is_asked_as_before(idle: Site) -> None:
    idle.submit()
    idle.cluster.inject(Fault.RATE_LIMITED, "squeue")
    for _ in range(60):
        idle.clock.advance(INTERVAL)
        idle.client.refresh(idle.client.store.find())
    idle.cluster.clear()
    idle.clock.advance(timedelta(minutes=11))
    idle.client.refresh(idle.client.store.find())
    before = asked(idle)

    for _ in range(10):
        idle.clock.advance(INTERVAL)
        idle.client.refresh(idle.client.store.find())

    assert before + 10 == asked(idle)
    assert idle.client.store.machines.trouble("fake") is None


def test_site_that_grants_few_calls_is_never_hit(make_site: Sites) -> None:
    site = make_site(rate=(40, 4), autostart=False)
    jobs = site.machine.submit_all([site.counted()] * 20)
    for minute in range(30):
        site.cluster.grant(4)
        if minute == 5:
            site.cluster.start_jobs()
            site.cluster.wait_for_jobs("COMPLETED")
        for _ in range(60):
            site.clock.advance(1)
            site.client.refresh([job.record for job in jobs])

    assert 0 == site.cluster.refused
    assert {JobState.COMPLETED} == {record.state for record in site.client.store.find()}


def test_machine_that_is_down_for_a_day_is_waited_for(idle: Site) -> None:
    job = idle.submit()
    now = idle.clock.now()
    idle.link.down(now + timedelta(seconds=0.5), now + timedelta(days=1))
    lose_first_watch(idle)
    idle.clock.at(now + timedelta(hours=3), idle.cluster.start_jobs)
    notices: list[str] = []

    (ended,) = idle.client.wait([job.record], notice=notices.append)

    assert JobState.COMPLETED is ended.state
    assert idle.clock.now() >= now + timedelta(days=1)
    assert 1 == len(notices)
    assert "trying again" in notices[0]
    # a machine that does not answer is not hammered
    assert len(idle.link.commands) < 24 * 60 * 2


def test_machine_that_wants_a_person_is_left_alone_until_somebody_logs_in(idle: Site) -> None:
    job = idle.submit()
    now = idle.clock.now()
    idle.clock.at(now + timedelta(seconds=0.5), idle.link.want_login)
    lose_first_watch(idle)
    idle.clock.at(now + timedelta(hours=5), idle.cluster.start_jobs)
    idle.clock.at(now + timedelta(hours=6), idle.link.login)
    notices: list[str] = []
    tries: list[int] = []
    idle.clock.at(now + timedelta(hours=6), lambda: tries.append(len(idle.link.commands)))

    (ended,) = idle.client.wait([job.record], notice=notices.append)

    assert JobState.COMPLETED is ended.state
    assert idle.clock.now() < now + timedelta(hours=6, minutes=2)
    assert "needs login" == notices[-1].split(":")[0]
    assert "jobferry login" in notices[-1]
    assert len(notices) < 3
    # one try in ten minutes, after those of the beginning
    assert tries[0] < 60


def test_many_in_doubt_are_looked_up_with_one_question(idle: Site) -> None:
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=10, taken=True)
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=10)
    with suppress(SchedulerBusy):
        idle.machine.submit_all([idle.counted()] * 20)
    before = (asked(idle), len(idle.cluster.called("sacct")))

    idle.look_at_all(after=INTERVAL + 1)

    # one for those in doubt, and one for those that are there
    assert (before[0] + 2, before[1] + 1) == (asked(idle), len(idle.cluster.called("sacct")))
    assert 20 == len(idle.cluster.jobs)
    assert 20 == sum(record.native_id is not None for record in idle.client.store.find())


def test_job_removed_by_another_process_keeps_no_other_from_being_looked_at(idle: Site) -> None:
    first, second = idle.submit(), idle.submit()
    record = first.record
    first.cancel()
    idle.look_at_all(after=INTERVAL + 1)
    idle.client.store.remove([first.id])

    with pytest.raises(JobNotFound, match="removed meanwhile"):
        idle.client.refresh([record])
    assert JobState.QUEUED is idle.client.refresh([second.record])[0].state
