"""Several processes at once on one store."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest

from jobferry.model.record import JobRecord
from jobferry.model.status import JobState
from tests.faults.bench import Bench
from tests.faults.test_cut_cancel import Running
from tests.faults.test_cut_fetch import SMALL, Outputs
from tests.faults.test_kill import doubted_and_not_taken, doubted_and_taken, never_sent

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]


def all_at_once(bench: Bench, *calls: tuple[str, str]) -> list[tuple[int, str]]:
    """Start a process for each verb and name, let all begin together; return exit codes and words."""
    bench.figures.points += len(calls)
    pipe = subprocess.PIPE
    words = [sys.executable, "-m", "tests.faults.companion"]
    processes = [
        subprocess.Popen(
            [*words, verb, str(bench.folder), name], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        for verb, name in calls
    ]
    for process in processes:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def test_twenty_processes_that_submit_at_once_run_twenty_jobs(bench: Bench) -> None:
    names = [f"k{number:04}" for number in range(20)]

    ends = all_at_once(bench, *(("submit", name) for name in names))
    bench.carry_on()
    bench.judge()

    assert [(0, "")] * 20 == ends
    assert {} == bench.figures.faults
    assert 20 == bench.figures.jobs == len(bench.cluster.called("sbatch"))


@pytest.mark.parametrize("count", [2, 6])
def test_submissions_that_several_processes_go_on_with_run_once(bench: Bench, count: int) -> None:
    # in doubt since months ago, by the clock of the world
    for number in range(4):
        never_sent(bench, f"n{number}")
        doubted_and_taken(bench, f"t{number}")
        doubted_and_not_taken(bench, f"d{number}")
    bench.disown()

    ends = all_at_once(bench, *[("go_on", "")] * count)
    bench.carry_on()
    bench.judge()

    assert {} == bench.figures.faults
    assert [0] * count == [code for code, _ in ends], ends


def test_client_that_waits_sees_that_another_one_has_submitted(bench: Bench) -> None:
    never_sent(bench, "k0000")
    bench.disown()
    first, _ = bench.connect()
    second, _ = bench.connect()
    seen_before = second.store.find()

    first.refresh(first.store.find())
    (seen,) = second.refresh(seen_before, force=True)

    assert seen.state.submitted


def test_processes_that_wait_for_the_same_jobs_all_see_the_end(bench: Bench) -> None:
    running = Running(bench, 5)
    running.gate.touch()

    ends = all_at_once(bench, *[("wait", "")] * 4)
    bench.note_final()
    bench.judge()

    assert [(0, "")] * 4 == ends
    assert {} == bench.figures.faults


def test_processes_that_cancel_the_same_jobs_at_once_end_them(bench: Bench) -> None:
    Running(bench, 5)

    ends = all_at_once(bench, *[("cancel", "")] * 3, ("wait", ""))
    bench.carry_on()
    bench.judge(JobState.CANCELLED)

    assert [0] * 4 == [code for code, _ in ends], ends
    assert {} == bench.figures.faults


def test_processes_that_fetch_to_the_same_folder_at_once_bring_whole_files(bench: Bench) -> None:
    outputs = Outputs(bench, SMALL)
    found = []
    for _ in range(4):
        all_at_once(bench, *[("fetch", "")] * 3)
        found += outputs.spoilt(bench.folder / "home", all_of_it=False)
    bench.figures.spoilt += found

    assert {} == bench.figures.faults


def test_client_closed_while_a_thread_writes_loses_nothing(bench: Bench) -> None:
    job_id = never_sent(bench, "k0000")
    client, _ = bench.connect()
    begun, go_on = threading.Event(), threading.Event()

    def change(record: JobRecord) -> JobRecord:
        begun.set()
        go_on.wait(10)
        return replace(record, root="/seven")

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(client.store.update_all, [job_id], change)
        begun.wait(10)
        closing = pool.submit(client.close)
        wait([closing], timeout=0.5)
        go_on.set()
        closing.result(10)

        assert ["/seven"] == [record.root for record in writing.result(10)]
