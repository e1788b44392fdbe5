"""Every end a job can come to while the client looks on: on a real Slurm, with accounting and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jobferry.job_handle import Job
from jobferry.model.status import Failure, JobState
from tests.live.states import EATS_MEMORY, Site

pytestmark = pytest.mark.live


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a job is brought to its end, and what must be said of it.

    Attributes:
        words: a part of the first sentence of `why`.
        says: parts of what queue and records say.
    """

    bring: Callable[[Site], Job]
    state: JobState
    failure: Failure | None = None
    exit_code: int | None = None
    signal: int | None = None
    words: str
    says: tuple[str, str]


def exit_with(code: int) -> Callable[[Site], Job]:
    return lambda site: site.submit(f"exit {code}")


def kill_itself(name: str) -> Callable[[Site], Job]:
    return lambda site: site.submit(f"kill -{name} $$")


def signal_from_outside(site: Site) -> Job:
    job = site.start()
    site.rig.run("scancel", "--signal=USR2", "--batch", str(job.native_id))
    return job


def cancel_running(site: Site) -> Job:
    job = site.start()
    job.cancel()
    return job


def cancel_pending(site: Site) -> Job:
    job = site.submit(partition="down")
    site.until(job, JobState.QUEUED)
    job.cancel()
    return job


def scancel_running(site: Site) -> Job:
    job = site.start()
    site.rig.run("scancel", str(job.native_id))
    return job


def scancel_pending(site: Site) -> Job:
    job = site.submit(partition="down")
    site.rig.run("scancel", str(job.native_id))
    return job


def scancel_polite(site: Site) -> Job:
    job = site.start("trap 'exit 0' TERM; sleep 600 & wait")
    site.rig.run("scancel", str(job.native_id))
    return job


def eat_memory(script: str) -> Callable[[Site], Job]:
    def bring(site: Site) -> Job:
        if not site.rig.real_out_of_memory:
            pytest.skip("real OUT_OF_MEMORY needs root and version 1 cgroups")
        return site.submit(script, mem="50M")

    return bring


def node_down(site: Site) -> Job:
    node = site.rig.nodes[0]
    job = site.start(native=["--no-requeue", f"--nodelist={node}"])
    site.rig.set_node(node, "down")
    return job


def preempt(site: Site) -> Job:
    job = site.start(partition="low", exclusive=True)
    site.rig.submit("--partition=high", "--exclusive", "--wrap", "true")
    return job


def depend_on_a_failure(site: Site) -> Job:
    first = site.submit("exit 1")
    return site.submit("true", after=f"{first.id}:afterok")


ENDS = {
    "completed": End(
        bring=exit_with(0),
        state=JobState.COMPLETED,
        exit_code=0,
        words="it ended as it should",
        says=("COMPLETED", "exit code 0"),
    ),
    "failed": End(
        bring=exit_with(3),
        state=JobState.FAILED,
        failure=Failure.EXIT_CODE,
        exit_code=3,
        words="its command ended with exit code 3",
        says=("FAILED, NonZeroExitCode", "exit code 3"),
    ),
    "failed-255": End(
        bring=exit_with(255),
        state=JobState.FAILED,
        failure=Failure.EXIT_CODE,
        exit_code=255,
        words="its command ended with exit code 255",
        says=("FAILED", "exit code 255"),
    ),
    "segv": End(
        bring=kill_itself("SEGV"),
        state=JobState.FAILED,
        failure=Failure.SIGNAL,
        signal=11,
        words="signal 11 ended it",
        says=("FAILED", "signal 11"),
    ),
    "kill": End(
        bring=kill_itself("KILL"),
        state=JobState.FAILED,
        failure=Failure.SIGNAL,
        signal=9,
        words="signal 9 ended it",
        says=("FAILED", "signal 9"),
    ),
    "usr2": End(
        bring=signal_from_outside,
        state=JobState.FAILED,
        failure=Failure.SIGNAL,
        signal=12,
        words="signal 12 ended it",
        says=("FAILED", "signal 12"),
    ),
    "out-of-memory": End(
        bring=eat_memory(EATS_MEMORY),
        state=JobState.FAILED,
        failure=Failure.OUT_OF_MEMORY,
        signal=9,
        words="it used more memory than it had",
        says=("OUT_OF_MEMORY", "killed for memory"),
    ),
    "out-of-memory-and-goes-on": End(
        bring=eat_memory(f"{EATS_MEMORY}; exit 0"),
        state=JobState.FAILED,
        failure=Failure.OUT_OF_MEMORY,
        exit_code=0,
        words="it used more memory than it had",
        says=("OUT_OF_MEMORY", "killed for memory"),
    ),
    "node-fail": End(
        bring=node_down,
        state=JobState.FAILED,
        failure=Failure.NODE_FAIL,
        words="a node it ran on failed",
        says=("NODE_FAIL, NodeDown", "o"),
    ),
    "preempted": End(
        bring=preempt,
        state=JobState.FAILED,
        failure=Failure.PREEMPTED,
        signal=15,
        words="a job of higher rank took its place",
        says=("PREEMPTED", "stopped by TERM"),
    ),
    "cancelled-by-us": End(
        bring=cancel_running,
        state=JobState.CANCELLED,
        signal=15,
        words="it was cancelled",
        says=("CANCELLED", "a cancel was asked for"),
    ),
    "cancelled-by-us-pending": End(
        bring=cancel_pending,
        state=JobState.CANCELLED,
        words="it was cancelled",
        says=("CANCELLED", "a cancel was asked for"),
    ),
    "scancel": End(
        bring=scancel_running,
        state=JobState.CANCELLED,
        signal=15,
        words="it was cancelled",
        says=("CANCELLED", "stopped by TERM"),
    ),
    "scancel-pending": End(
        bring=scancel_pending,
        state=JobState.CANCELLED,
        words="it was cancelled",
        says=("CANCELLED", "none yet"),
    ),
    # the job's status is its command's: it was asked to stop, and stopped as it should
    "scancel-of-one-that-ends-well": End(
        bring=scancel_polite,
        state=JobState.COMPLETED,
        exit_code=0,
        words="it ended as it should",
        says=("CANCELLED", "exit code 0, stopped by TERM"),
    ),
    "dependency": End(
        bring=depend_on_a_failure,
        state=JobState.FAILED,
        failure=Failure.DEPENDENCY,
        words="a job it depends on did not end as it should",
        says=("CANCELLED, DependencyNeverSatisfied", "none yet"),
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_end_is_told_with_its_cause(site_on_slurm: Site, name: str) -> None:
    site, expected = site_on_slurm, ENDS[name]

    job = expected.bring(site)
    status = site.end(job)

    assert (expected.state, expected.failure) == (status.state, status.failure)
    if expected.failure is not Failure.NODE_FAIL:
        # what a node that dies leaves of its jobs' records is a matter of luck
        assert (expected.exit_code, expected.signal) == (status.exit_code, status.signal)
    assert 0 == status.restarts
    told = site.why(job)
    said = dict(told.evidence)
    assert expected.words in told.words[0]
    assert expected.says[0] in said["queue"]
    assert expected.says[1] in said["its records"]


@pytest.mark.parametrize("name", ["failed", "cancelled-by-us", "scancel"])
def test_end_is_told_in_the_terminal(site_on_slurm: Site, name: str) -> None:
    job = ENDS[name].bring(site_on_slurm)
    site_on_slurm.end(job)

    told = site_on_slurm.why_in_the_terminal(job)

    assert ENDS[name].words in told
    memory = "accounting" if site_on_slurm.rig.layout.accounting else "the batch system's memory"
    for witness in ("queue", memory, "its records"):
        assert witness in told


def test_every_cause_is_covered() -> None:
    elsewhere = {Failure.TIMEOUT, Failure.LAUNCH, Failure.REJECTED}

    assert set(Failure) - elsewhere == {end.failure for end in ENDS.values()} - {None}
