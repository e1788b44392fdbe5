"""Jobs that end while the client is away, on Slurms that soon forget them: what is said of them later.

One batch for all: accounting off, on, and on but killed while the jobs end, and back after a first look.
What takes long (a time limit, the death of a node) takes it once, on all three rigs at the same time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobferry.job_handle import Job
from jobferry.model.status import Failure, JobState, JobStatus
from tests.live.states import ALIVE, EATS_MEMORY, FOREVER, SETTLED, Site
from tests.rigs.daemons import wait_until
from tests.rigs.slurm import Accounting, SlurmRig, missing

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

Told = tuple[JobState, Failure | None, int | None, int | None]
"""State, failure, exit code, signal."""

WATCHED = ("timeout", "node-fail")
MODES = ("off", "on", "killed")
# by the job's own record, whatever there is besides
BY_RECORD: Mapping[str, Told] = {
    "completed": (JobState.COMPLETED, None, 0, None),
    "failed": (JobState.FAILED, Failure.EXIT_CODE, 3, None),
    "signal": (JobState.FAILED, Failure.SIGNAL, None, 11),
    "out-of-memory": (JobState.FAILED, Failure.OUT_OF_MEMORY, 0, None),
    "cancelled-by-us": (JobState.CANCELLED, None, None, 15),
}
# what only accounting can know
BY_ACCOUNTING: Mapping[str, Told] = {
    "scancel": (JobState.CANCELLED, None, None, 15),
    "timeout": (JobState.FAILED, Failure.TIMEOUT, None, 15),
    "preempted": (JobState.FAILED, Failure.PREEMPTED, None, 15),
    "scancel-held": (JobState.CANCELLED, None, None, None),
    "launch": (JobState.FAILED, Failure.LAUNCH, None, None),
    "launcher-killed": (JobState.FAILED, Failure.SIGNAL, None, 9),
    "node-fail": (JobState.FAILED, Failure.NODE_FAIL, None, None),
}
# and what is left without it: a record that says only what signal came, or none
STOPPED: Told = (JobState.FAILED, Failure.SIGNAL, None, 15)
LOST: Told = (JobState.LOST, None, None, None)
WITHOUT: Mapping[str, Told] = {
    "scancel": STOPPED,
    "timeout": STOPPED,
    "preempted": STOPPED,
    "scancel-held": LOST,
    "launch": LOST,
    "launcher-killed": LOST,
    "node-fail": LOST,
}


@dataclass
class Batch:
    """All jobs of one mode, and what was said of them."""

    site: Site
    jobs: dict[str, Job] = field(default_factory=dict)
    in_between: dict[str, JobStatus] = field(default_factory=dict)
    told: dict[str, JobStatus] = field(default_factory=dict)
    watched: dict[str, JobStatus] = field(default_factory=dict)

    def begin(self) -> None:
        site, jobs = self.site, self.jobs
        general, mortal, last = site.rig.nodes
        on_first = [f"--nodelist={general}"]
        for name in ("timeout", "timeout-watched", "scancel", "cancelled-by-us"):
            jobs[name] = site.start(FOREVER, native=on_first)
        for name in ("node-fail", "node-fail-watched"):
            jobs[name] = site.start(FOREVER, native=["--no-requeue", f"--nodelist={mortal}"])
        jobs["preempted"] = site.start(FOREVER, partition="low", exclusive=True)
        jobs["scancel-held"] = site.submit(native=["--hold"])
        jobs["launch"] = site.submit("true", native=["--hold"])
        shutil.rmtree(site.folder_of(jobs["launch"]) / "out")
        assert last != mortal

    def bring_to_an_end(self) -> None:
        site, rig = self.site, self.site.rig
        ids = {name: str(job.native_id) for name, job in self.jobs.items()}
        rig.kill_slurmd(rig.nodes[1])
        for name in ("timeout", "timeout-watched"):
            site.scontrol("update", f"JobId={ids[name]}", "EndTime=now+2")
        rig.run("scancel", ids["scancel"], ids["scancel-held"])
        self.jobs["cancelled-by-us"].cancel()
        site.scontrol("release", ids["launch"])
        rig.submit("--partition=high", "--exclusive", "--wrap", "true")
        on_first = [f"--nodelist={rig.nodes[0]}"]
        for name, script in {
            "completed": "true",
            "failed": "exit 3",
            "signal": "kill -SEGV $$",
            "launcher-killed": "kill -9 $PPID; sleep 600",
        }.items():
            self.jobs[name] = site.submit(script, native=on_first)
        self.jobs["out-of-memory"] = site.submit(f"{EATS_MEMORY}; exit 0", mem="50M", native=on_first)

    def watch(self) -> bool:
        """See the ends of some while Slurm still remembers them; say whether all have been seen."""
        for name in WATCHED:
            job = self.jobs[f"{name}-watched"]
            if name not in self.watched and self.has_ended(job):
                self.watched[name] = self.site.settle(job)
        return len(WATCHED) == len(self.watched)

    def has_ended(self, job: Job) -> bool:
        said = self.site.look(job, SETTLED)
        # asked after we have judged: what Slurm still shows alive we must not have called ended
        alive = self.site.rig.job(str(job.native_id)).get("JobState") in ALIVE
        assert not (alive and said.state.final), said
        return not alive

    def is_forgotten(self) -> bool:
        return not self.site.rig.run("squeue", "-h", "-t", "all").stdout

    def look(self) -> dict[str, JobStatus]:
        return {name: self.site.settle(job) for name, job in self.jobs.items() if "-watched" not in name}


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Batch]]:
    with ExitStack() as stack:
        made = {mode: Batch(make_site(stack, mode, tmp_path_factory.mktemp(mode))) for mode in MODES}
        for batch in made.values():
            batch.begin()
        made["killed"].site.rig.kill_accounting()
        for batch in made.values():
            batch.bring_to_an_end()
        wait_until(
            lambda: {batch.watch() for batch in made.values()} == {True},
            limit=90,
            what="slow ends",
            every=0.1,
        )
        for batch in made.values():
            wait_until(batch.is_forgotten, limit=60, what="an empty queue", every=0.1)
        killed = made["killed"]
        killed.in_between = killed.look()
        killed.site.rig.start_accounting()
        for batch in (made["on"], killed):
            wait_until(lambda b=batch: all_accounted(b), limit=60, what="accounting")  # type: ignore[misc]
        for batch in made.values():
            batch.told = batch.look()
        yield made


def make_site(stack: ExitStack, mode: str, folder: Path) -> Site:
    accounting: Accounting = "none" if mode == "off" else "dbd"
    if reason := missing(accounting):
        pytest.skip(reason)
    site = Site(stack.enter_context(SlurmRig(nodes=3, accounting=accounting, min_job_age=2)), folder)
    stack.callback(site.client.close)
    return site


def all_accounted(batch: Batch) -> bool:
    return all(batch.site.is_over(job) for job in batch.jobs.values())


def told(status: JobStatus) -> Told:
    return (status.state, status.failure, status.exit_code, status.signal)


@pytest.mark.parametrize("name", BY_RECORD)
@pytest.mark.parametrize("mode", MODES)
def test_record_of_its_end_is_enough(batches: Mapping[str, Batch], mode: str, name: str) -> None:
    batch = batches[mode]
    if name == "out-of-memory" and not batch.site.rig.real_out_of_memory:
        pytest.skip("real OUT_OF_MEMORY needs root and version 1 cgroups")

    assert BY_RECORD[name] == told(batch.told[name])


@pytest.mark.parametrize("name", BY_ACCOUNTING)
def test_accounting_tells_the_cause(batches: Mapping[str, Batch], name: str) -> None:
    state, failure, _, signal = told(batches["on"].told[name])

    assert BY_ACCOUNTING[name] == (state, failure, None, signal)


@pytest.mark.parametrize("name", ["scancel-held", "node-fail"])
def test_no_exit_code_is_told_of_a_command_that_did_not_end_by_itself(
    batches: Mapping[str, Batch], name: str
) -> None:
    assert batches["on"].told[name].exit_code is None


@pytest.mark.parametrize("name", WITHOUT)
def test_without_accounting_it_is_stopped_or_lost_but_never_done(
    batches: Mapping[str, Batch], name: str
) -> None:
    assert WITHOUT[name] == told(batches["off"].told[name])


@pytest.mark.parametrize("name", BY_ACCOUNTING)
def test_accounting_that_does_not_answer_is_waited_for(batches: Mapping[str, Batch], name: str) -> None:
    killed = batches["killed"]

    assert not killed.in_between[name].state.final
    state, failure, _, signal = told(killed.told[name])
    assert BY_ACCOUNTING[name] == (state, failure, None, signal)


@pytest.mark.parametrize("name", BY_ACCOUNTING)
def test_job_is_never_done_because_accounting_does_not_answer(
    batches: Mapping[str, Batch], name: str
) -> None:
    killed = batches["killed"]

    assert JobState.COMPLETED not in (killed.in_between[name].state, killed.told[name].state)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WATCHED)
def test_queue_that_remembers_tells_the_cause(batches: Mapping[str, Batch], mode: str, name: str) -> None:
    state, failure, _, _ = BY_ACCOUNTING[name]

    assert (state, failure) == told(batches[mode].watched[name])[:2]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["failed", "timeout", "scancel-held", "node-fail"])
def test_what_was_forgotten_is_still_explained(batches: Mapping[str, Batch], mode: str, name: str) -> None:
    batch = batches[mode]

    explained = batch.site.why(batch.jobs[name])

    said = dict(explained.evidence)
    assert "knows nothing of it" == said["queue"]
    assert (
        "knows nothing of it" == said["the batch system's memory" if mode == "off" else "accounting"]
    ) == (mode == "off")
    assert explained.words[0]


def test_lost_job_says_what_was_asked_in_vain(batches: Mapping[str, Batch]) -> None:
    batch = batches["off"]

    words = " ".join(batch.site.why(batch.jobs["node-fail"]).words)

    assert "nothing is known of its end" in words
    assert "it began on" in words
