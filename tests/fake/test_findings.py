"""What a hostile reading of submissions, backlog, retry and rebuild has found, each as small as it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError, SchedulerBusy, SpecError, TransferError
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import Resources
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Submission
from jobferry.parts import end_parts, unsuccessful
from jobferry.rebuilding import rebuild
from jobferry.retrying import retry_now
from jobferry.store import Store
from jobferry.testing import FakeCluster, Fault
from tests.fake.conftest import Site, Sites
from tests.fake.test_rebuild import Elsewhere
from tests.faults.breaks import Side
from tests.faults.link import BreakingLink
from tests.rigs.sshd import poll_until

AN_INTERVAL = 31.0
SECOND_TIME = "[ $JOBFERRY_RUN -gt 1 ]"


def quiet(cluster: FakeCluster) -> bool:
    return not any(job.state in ("RUNNING", "COMPLETING") for job in cluster.jobs)


def go_on(site: Site, times: int = 1) -> None:
    """Let what can start run to its end, and look, so many times."""
    for _ in range(times):
        site.cluster.start_jobs()
        site.cluster.wait_for(quiet)
        site.look_at_all(after=AN_INTERVAL)


def as_stored(site: Site, job: Job) -> JobRecord:
    return site.client.store.get(job.id)


# -- stuck for ever


def test_job_that_follows_an_array_which_is_tried_again_does_not_keep_it_from_being_sent(idle: Site) -> None:
    script = f"[ $JOBFERRY_ARRAY_INDEX -eq 0 ] || {SECOND_TIME}"
    first = idle.submit(script, array="0-1", retry="EXIT_CODE", name="first")
    second = idle.submit(after=first, name="second")

    go_on(idle, 8)

    assert [JobState.COMPLETED] * 2 == [as_stored(idle, job).state for job in (first, second)]


def test_array_in_parts_waits_for_the_job_that_is_tried_again(make_site: Sites) -> None:
    site = make_site(max_array_size=3, autostart=False)
    first = site.machine.submit(SECOND_TIME, retry="EXIT_CODE", name="first")
    second = site.submit(after=first, array="0-5", name="second")

    go_on(site, 8)

    assert JobState.COMPLETED is as_stored(site, second).state
    assert 6 == site.runs


def test_job_that_follows_an_array_which_is_tried_again_is_not_submitted_at_each_poll(idle: Site) -> None:
    script = f"[ $JOBFERRY_ARRAY_INDEX -eq 0 ] || {SECOND_TIME}"
    first = idle.submit(script, array="0-1", retry="EXIT_CODE", name="first")
    go_on(idle)
    idle.look_at_all(after=AN_INTERVAL)
    idle.submit(after=first, name="second")

    for _ in range(8):
        idle.look_at_all(after=AN_INTERVAL)

    # the array, its second attempt, and what follows it once or twice
    assert len(idle.cluster.called("sbatch")) <= 4


# -- a plain machine


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    client = Client(store=Store(tmp_path / "plain.db"), config=Config())

    def make(max_jobs: int | None = None) -> Machine:
        root = str(tmp_path / "root")
        plain = Machine(name="plain", client=client, scheduler="direct", root=root, transport="local")
        return replace(plain, max_jobs=max_jobs)

    yield make
    client.close()


def test_array_that_is_divided_on_a_plain_machine_runs_each_task(
    plain: Callable[..., Machine], tmp_path: Path
) -> None:
    machine = plain(max_jobs=2)
    client = machine.client
    assert client is not None
    job = machine.submit(f"echo $JOBFERRY_ARRAY_INDEX >>'{tmp_path}/runs'", array="0-3")

    with suppress(JobferryError):
        client.wait([job.record], timedelta(seconds=8))

    assert ["0", "1", "2", "3"] == sorted((tmp_path / "runs").read_text().split())
    assert JobState.COMPLETED is client.store.get(job.id).state


def test_job_on_a_plain_machine_follows_all_runs_of_an_array(
    plain: Callable[..., Machine], tmp_path: Path
) -> None:
    machine = plain()
    client = machine.client
    assert client is not None
    hold = tmp_path / "hold"
    hold.touch()
    script = f"""case $JOBFERRY_ARRAY_INDEX in
        0) {SECOND_TIME} ;;
        1) while [ -e '{hold}' ]; do sleep 0.1; done ;;
    esac"""
    first = machine.submit(script, array="0-1", retry="EXIT_CODE:1")
    poll_until(lambda: _has_sent(client, first, 2), what="the second attempt")
    poll_until(lambda: any(tmp_path.glob("root/jobs/*/runs/2/state/job.finished")), what="its end")
    second = machine.submit(f"[ ! -e '{hold}' ]", after=first)

    with suppress(JobferryError):
        client.wait([second.record], timedelta(seconds=4))
    hold.unlink()
    (ended,) = client.wait([second.record], timedelta(seconds=20))

    assert JobState.COMPLETED is ended.state


def _has_sent(client: Client, job: Job, count: int) -> bool:
    (record,) = client.refresh([client.store.get(job.id)])
    return len(record.native_ids) == count


# -- twice


def test_cancelled_job_that_shows_up_after_it_was_tried_again_runs_once(idle: Site) -> None:
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    with pytest.raises(SchedulerBusy):
        idle.submit()
    # it was taken, and shows up only much later
    idle.cluster.forget("1", accounting=True)
    idle.client.cancel([idle.only_job])
    assert JobState.CANCELLED is idle.look(after=AN_INTERVAL).state

    idle.client.retry([idle.only_job])
    go_on(idle, 3)

    assert JobState.COMPLETED is idle.only_job.state
    assert 1 == idle.runs


def test_job_that_has_used_up_its_retries_is_not_run_again_by_a_rebuild(site: Site) -> None:
    site.submit("exit 1", retry="EXIT_CODE:1").wait()

    elsewhere = Elsewhere(site)
    elsewhere.rebuild()
    elsewhere.wait()

    assert 2 == site.runs


def test_signal_that_is_not_the_warning_starts_nothing_again(site: Site) -> None:
    site.submit("sleep 60", time="10m", signal="USR2@120", retry="TIMEOUT:2:same")
    site.cluster.wait_for(lambda _: site.runs == 1)
    record = site.look()
    started = (Path(record.root) / "jobs" / record.id / "state" / "job.started").read_text()
    pid = started.partition(" pid=")[2].split()[0]

    site.machine.exec(f"kill -USR1 {pid}")
    site.cluster.wait_for(lambda cluster: site.runs > 1 or cluster.jobs[0].state == "FAILED")

    assert 1 == site.runs


# -- never, or failed without need


@pytest.mark.parametrize("name", ["TERM", "HUP", "XCPU"])
def test_warning_that_could_be_the_end_is_refused_beside_a_retry(site: Site, name: str) -> None:
    with pytest.raises(SpecError, match=f"warned by {name}"):
        site.submit(time="10m", signal=f"{name}@120", retry="TIMEOUT:2:same")


def test_job_is_tried_again_though_the_one_it_followed_was_removed(site: Site) -> None:
    first = site.submit("true")
    first.wait()
    second = site.submit(SECOND_TIME, after=f"{first.id}:afterany", retry="EXIT_CODE")
    site.client.remove([first.record], remote=False)

    assert JobState.COMPLETED is second.wait()


def test_job_that_follows_one_with_a_twin_runs(idle: Site) -> None:
    hold = idle.folder / "hold"
    hold.touch()
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=1, taken=True)
    with pytest.raises(SchedulerBusy):
        idle.submit(f"while [ -e '{hold}' ]; do sleep 0.05; done", name="first")
    # it shows up after it was handed over once more
    idle.cluster.forget("1", accounting=True)
    first = idle.look(after=AN_INTERVAL)
    idle.cluster.start_jobs("1")
    idle.cluster.wait_for(lambda _: idle.runs == 1)
    idle.look(after=1)
    second = idle.submit(after=first.id, name="second")
    # the twin finds the task taken, and leaves
    idle.cluster.start_jobs()
    idle.cluster.wait_for(lambda cluster: cluster.jobs[1].state == "FAILED")
    hold.unlink()

    go_on(idle, 4)

    assert JobState.COMPLETED is as_stored(idle, second).state


def test_array_of_which_a_part_waits_here_is_not_held_in_part(make_site: Sites) -> None:
    site = make_site(max_jobs=2, autostart=False)
    job = site.submit(array="0-3")

    with pytest.raises(SpecError, match="part of"):
        job.hold()

    assert ["scontrol", "hold"] not in [call[:2] for call in site.cluster.called("scontrol")]
    assert JobState.HELD is not site.look(after=AN_INTERVAL).state


def test_job_that_comes_back_by_a_rebuild_is_tried_again_on_the_account_of_the_machine(site: Site) -> None:
    site.submit("exit 1", account="prof").wait()
    elsewhere = Elsewhere(site)
    machine = site.cluster.machine(elsewhere.client, account="prof")
    (record,) = rebuild(elsewhere.client, machine).added

    elsewhere.client.retry([record])

    assert ["prof", "prof"] == [job.asked.get("account") for job in site.cluster.jobs]


def test_outputs_of_many_tasks_that_were_tried_again_are_checked(make_site: Sites) -> None:
    site = make_site(max_array_size=10_001, autostart=False)
    job = site.submit("echo whole >out.$JOBFERRY_ARRAY_INDEX", array="0-2999", outputs=["out.*"])
    site.cluster.set_state("1", "CANCELLED")
    for _ in range(3):
        site.look(after=AN_INTERVAL)
    job.retry()
    site.cluster.start_jobs(f"{site.only_job.native_id}_7")
    site.cluster.wait_for(lambda cluster: site.runs == 1 and quiet(cluster))
    (Path(site.only_job.root) / "jobs" / job.id / "work" / "out.7").write_text("wh")

    with pytest.raises(TransferError):
        job.fetch(site.folder / "home")


# -- one job's trouble


class BusyStore(Store):
    """A store in which another process is faster, once."""

    def __init__(self, path: Path, before: Callable[[], None]) -> None:
        super().__init__(path)
        self._before: list[Callable[[], None]] = [before]

    def update_all(self, *what: Any, **how: Any) -> list[JobRecord]:
        while self._before:
            self._before.pop()()
        return super().update_all(*what, **how)


def test_job_that_another_process_removes_meanwhile_stops_no_look(site: Site) -> None:
    running = site.submit("sleep 60")
    done = site.submit()
    site.cluster.wait_for(lambda cluster: [job.state for job in cluster.jobs] == ["RUNNING", "COMPLETED"])

    def remove() -> None:
        other = site.other_client()
        for _ in range(2):
            (ended,) = other.refresh([other.store.get(done.id)], force=True)
            site.clock.advance(1)
        other.remove([ended], remote=False)

    client = Client(store=BusyStore(site.folder / "jobs.db", remove), clock=site.clock, config=Config())
    site.clients.append(client)
    site.cluster.machine(client)
    (seen,) = client.refresh([client.store.get(running.id)], force=True)

    assert JobState.RUNNING is seen.state


# -- too much


def test_many_jobs_that_follow_one_are_submitted_in_few_requests(idle: Site) -> None:
    first = idle.submit()
    link = BreakingLink(idle.cluster.environment)
    client = idle.new_client()
    machine = idle.cluster.machine(client, transport=link)

    machine.submit_all([idle.counted()] * 20, after=first)

    client.close()
    link.settle()
    sent = b"".join(bytes(traffic.sides[Side.IN]) for traffic in link.traffic)
    assert sent.count(b"JF_MARK=jf-") <= 3


def test_many_jobs_in_doubt_cost_few_calls(idle: Site) -> None:
    idle.cluster.inject(Fault.TIMED_OUT, "sbatch", times=20, taken=True)
    with suppress(JobferryError):
        idle.machine.submit_all([idle.counted()] * 20)
    before = len(idle.cluster.calls)

    idle.look_at_all(after=AN_INTERVAL)

    assert len(idle.cluster.calls) - before <= 6


def test_large_array_is_put_back_in_steps_that_do_not_grow_with_its_size(
    idle: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = _count_passes(monkeypatch)
    passes = []
    for count in (1000, 4000):
        looked.clear()
        _put_back_twice(idle, count)
        passes.append(len(looked))

    assert passes[0] == passes[1]


def test_large_array_is_ended_in_steps_that_do_not_grow_with_its_size(
    idle: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _put_back_twice(idle, 4000)
    last = record.submissions[-1].number
    looked = _count_passes(monkeypatch)

    ended = end_parts(record, {last: JobStatus(state=JobState.FAILED, reason="refused")}, idle.clock.now())

    assert {Failure.EXIT_CODE} == {status.failure for status in ended.tasks.values()}
    assert len(looked) < 5


def _count_passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each pass over all tasks or all past runs of a job."""
    looked: list[str] = []
    for name in ("covering", "past"):
        plain = getattr(JobRecord, name)

        def noted(self: JobRecord, *args: Any, name: str = name, plain: Callable[..., Any] = plain) -> Any:
            looked.append(name)
            return plain(self, *args)

        monkeypatch.setattr(JobRecord, name, noted)
    return looked


def _put_back_twice(site: Site, count: int) -> JobRecord:
    drafted = site.client.draft(site.machine, "true", {"array": f"0-{count - 1}"})
    failed = JobStatus(state=JobState.FAILED, failure=Failure.EXIT_CODE, exit_code=1)
    tasks = dict.fromkeys(range(count), failed)
    record = replace(drafted, tasks=tasks, status=failed, submissions=(Submission(native_id="5", sent=True),))
    for _ in range(2):
        record = retry_now(record, unsuccessful(record), Resources(), site.clock.now())
        record = replace(record, tasks=tasks)
    return replace(record, tasks={})
