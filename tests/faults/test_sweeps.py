"""A named sweep in many processes, some of them killed: each task runs exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

SCRIPT = """
    import sys
    import jobferry as jf

    log, root, first, last = sys.argv[1:]

    def noted(x):
        with open(log, "a") as file:
            file.write(f"{x}\\n")
        return -x

    machine = jf.Machine(name="here", scheduler="direct", root=root)
    points = jf.grid(x=range(int(first), int(last)))
    print("begin", flush=True)
    sweep = machine.sweep(noted, points, name="shared")
    print(sweep.results(120)[: len(points)] == [-point["x"] for point in points])
    """


class Scene:
    """A script, its home, and the log that its tasks write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.script = folder / "script.py"
        self.script.write_text(textwrap.dedent(SCRIPT))
        self.log.touch()

    def start(self, first: int, last: int) -> subprocess.Popen[str]:
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        environment["JOBFERRY_STORE"] = str(self.folder / "jobs.db")
        words = [sys.executable, self.script, self.log, self.folder / "root", str(first), str(last)]
        return subprocess.Popen(
            list(map(str, words)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def runs(self) -> list[int]:
        return sorted(map(int, self.log.read_text().split()))


def end_of(process: subprocess.Popen[str]) -> str:
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    return said.split()[-1]


def test_many_processes_submit_one_sweep(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    # some of them know of more parameters than others
    processes = [scene.start(0, 10 + 2 * (number % 3)) for number in range(8)]

    assert ["True"] * 8 == [end_of(process) for process in processes]
    assert list(range(14)) == scene.runs()


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_and_run_again(tmp_path: Path, seed: int) -> None:
    scene = Scene(tmp_path)
    chances = random.Random(seed)
    end_of(scene.start(0, 1))

    for number in range(2, 8):
        process = scene.start(0, number)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chances.uniform(0, 0.4))
        process.kill()
        process.communicate()

    assert "True" == end_of(scene.start(0, 8))
    assert list(range(8)) == scene.runs()
