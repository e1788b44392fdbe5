"""A job's records: late, spoilt, of somebody else, or gone with the job's folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.errors import TransferError
from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from tests.faults.bench import AFTER_SETTLING, Bench
from tests.faults.test_cut_cancel import Running

pytestmark = pytest.mark.timeout(120)

WHOLE = (
    "finished v=1 job={id} task=job native={native} host=n1 restarts=0 started=1 ended=2 status=0 stopped= "
    "cause= oom=0 used= warned= outputs= ."
)
OTHER = "0123456789ab"


def folder_of(bench: Bench, record: JobRecord) -> Path:
    return bench.cluster.folder / "root" / "jobs" / record.id


def look(bench: Bench, seconds: float = 0.0) -> JobRecord:
    """Let time pass, and look at the one job with a new client."""
    bench.hang_up()
    bench.clock.advance(seconds)
    client, _ = bench.connect()
    (record,) = client.refresh(client.store.find(), force=True)
    bench.note_final()
    return record


# -- spoilt


def half(line: str) -> bytes:
    return line.encode()[: len(line) // 2]


SPOILT: dict[str, Callable[[str], bytes]] = {
    "empty": lambda line: b"",
    "half": half,
    "all but the dot": lambda line: line.encode()[:-1],
    "huge": lambda line: line.encode()[:-1] + b"x" * 300_000 + b" .\n",
    "huge and without end": lambda line: b"finished " + b"\0" * 300_000,
    "junk": lambda line: bytes(range(256)) * 16,
    "junk in a line": lambda line: bytes(set(range(256)) - {10, 13}) + b" .\n",
    "of another job": lambda line: line.replace("job=", f"job={OTHER}x", 1).encode() + b"\n",
    "not ours": lambda line: b"rsync: connection unexpectedly closed\n",
    "of a future version": lambda line: line.replace("v=1", "v=2").replace("status=0", "outcome=0").encode(),
    "marks of our own": lambda line: b"jf-0123456789abcdef end 0\n" * 20,
}
# whole lines of ours whose exit code cannot be one
NO_CODE = ["done", "9" * 500, "-1", ""]


def spoil(bench: Bench, name: str, data: bytes) -> None:
    (record,) = bench.find()
    state = folder_of(bench, record) / "state"
    (state / "spoilt.new").write_bytes(data)
    (state / "spoilt.new").rename(state / name)


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_record_of_an_end_is_no_end(bench: Bench, kind: str) -> None:
    bench.figures.points += 1
    running = Running(bench, 1)
    (job,) = running.jobs
    line = WHOLE.format(id=job.id, native=job.native_id)
    spoil(bench, "job.finished", SPOILT[kind](line))

    seen = [look(bench, seconds).state for seconds in (0, 1, AFTER_SETTLING)]
    # the job writes its own record over it
    running.gate.touch()
    bench.carry_on()
    bench.judge()

    assert [JobState.RUNNING] * 3 == seen
    assert {} == bench.figures.faults


@pytest.mark.parametrize(
    "code",
    NO_CODE,
)
def test_record_without_an_exit_code_is_no_success(bench: Bench, code: str) -> None:
    bench.figures.points += 1
    (job,) = Running(bench, 1).jobs
    line = WHOLE.format(id=job.id, native=job.native_id).replace("status=0", f"status={code}")
    spoil(bench, "job.finished", line.encode() + b"\n")

    look(bench)

    assert look(bench, 1).state is not JobState.COMPLETED


def test_record_of_ten_megabytes_is_passed_over(bench: Bench) -> None:
    bench.figures.points += 1
    Running(bench, 1)
    spoil(bench, "job.finished", b"finished v=1 " + b"x" * 10_000_000)

    assert look(bench).state is JobState.RUNNING


@pytest.mark.parametrize("kind", SPOILT)
def test_job_that_ran_well_and_whose_record_was_spoilt_is_not_called_failed(bench: Bench, kind: str) -> None:
    bench.figures.points += 1
    _, machine = bench.connect()
    job = machine.submit(bench.counted("k0000"), name="k0000")
    bench.cluster.wait_for_jobs("COMPLETED")
    line = WHOLE.format(id=job.id, native=job.native_id)
    spoil(bench, "job.finished", SPOILT[kind](line))

    bench.carry_on()
    bench.judge()

    # accounting knows how it ended
    assert {} == bench.figures.faults


def test_spoilt_record_of_one_job_does_not_touch_its_neighbours(bench: Bench) -> None:
    bench.figures.points += 1
    running = Running(bench, len(SPOILT) + 1)
    for job, kind in zip(running.jobs[1:], SPOILT, strict=True):
        line = WHOLE.format(id=job.id, native=job.native_id)
        state = folder_of(bench, job) / "state"
        (state / "aside").write_bytes(SPOILT[kind](line))
        (state / "aside").rename(state / "job.finished")

    client, _ = bench.connect()
    seen = {record.spec.name: record.state for record in client.refresh(client.store.find(), force=True)}
    running.gate.touch()
    bench.carry_on()
    bench.judge()

    assert {JobState.RUNNING} == set(seen.values())
    assert {} == bench.figures.faults


# -- late


@pytest.mark.parametrize("seconds", [0.0, 10.0, 29.0])
def test_records_that_are_seen_late_are_waited_for(bench: Bench, seconds: float) -> None:
    bench.figures.points += 1
    bench.cluster.set_accounting("off")
    running = Running(bench, 1)
    state = folder_of(bench, running.jobs[0]) / "state"
    running.gate.touch()
    bench.cluster.wait_for_jobs("COMPLETED")
    hidden = [path.rename(path.with_name(f"{path.name}.late")) for path in state.glob("job.*ed")]
    bench.cluster.forget(running.jobs[0].native_id or "")

    seen = [look(bench).state, look(bench, seconds).state]
    for path in hidden:
        path.rename(path.with_name(path.name.removesuffix(".late")))
    bench.carry_on()
    bench.judge()

    assert not any(state.final for state in seen)
    assert {} == bench.figures.faults


def test_record_that_never_comes_is_lost_and_not_done(bench: Bench) -> None:
    bench.figures.points += 1
    bench.cluster.set_accounting("off")
    running = Running(bench, 1)
    running.gate.touch()
    bench.cluster.wait_for_jobs("COMPLETED")
    for path in (folder_of(bench, running.jobs[0]) / "state").glob("job.*ed"):
        path.unlink()
    bench.cluster.forget(running.jobs[0].native_id or "")

    bench.carry_on()

    assert JobState.LOST is bench.find()[0].state


# -- gone


def test_folder_deleted_while_the_job_runs_ends_in_no_success(bench: Bench) -> None:
    bench.figures.points += 1
    running = Running(bench, 1)
    shutil.rmtree(folder_of(bench, running.jobs[0]))
    running.gate.touch()

    bench.carry_on()

    (record,) = bench.find()
    assert 1 == bench.runs("k0000")
    # its launch script could not write down how it ended; only accounting may call it done
    words = {job.state for job in bench.cluster.jobs}
    assert record.state.final
    assert (record.state is JobState.COMPLETED) == (words == {"COMPLETED"})


def test_folder_deleted_while_the_job_waits_is_a_failure_and_runs_nothing(idle_bench: Bench) -> None:
    bench = idle_bench
    bench.figures.points += 1
    _, machine = bench.connect()
    job = machine.submit(bench.counted("k0000"), name="k0000")
    shutil.rmtree(folder_of(bench, job.record))

    bench.cluster.start_jobs()
    bench.carry_on()

    (record,) = bench.find()
    assert 0 == bench.runs("k0000")
    assert record.state in (JobState.FAILED, JobState.LOST)


def test_folder_deleted_before_anybody_looked_is_not_called_done_without_accounting(bench: Bench) -> None:
    bench.figures.points += 1
    bench.cluster.set_accounting("off")
    _, machine = bench.connect()
    job = machine.submit(bench.counted("k0000"), name="k0000")
    bench.cluster.wait_for_jobs("COMPLETED")
    shutil.rmtree(folder_of(bench, job.record))
    bench.cluster.forget(job.native_id or "")

    bench.carry_on()

    assert JobState.LOST is bench.find()[0].state


def test_folder_deleted_after_the_end_changes_no_verdict_and_fails_a_fetch(bench: Bench) -> None:
    bench.figures.points += 1
    _, machine = bench.connect()
    job = machine.submit(bench.counted("k0000", "echo 1 >a.txt"), name="k0000", outputs=["a.txt"])
    job.wait()
    bench.note_final()
    shutil.rmtree(folder_of(bench, job.record))

    with pytest.raises(TransferError, match="is gone"):
        job.fetch(bench.folder / "home")
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    assert [] == [path for path in (bench.folder / "home").rglob("*") if path.is_file()]
