"""A sweep in one file, and back in another list of jobs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobferry as jf
from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState
from jobferry.store import Store


@pytest.fixture
def another(here: Machine, tmp_path: Path) -> Iterator[Client]:
    """A client with a list of jobs of its own: another computer's."""
    client = Client(config=here.opened_client.config, store=Store(tmp_path / "another" / "jobs.db"))
    yield client
    client.close()


def inverse(x: int) -> float:
    print(f"1 over {x}")
    Path(f"out-{x}.txt").write_text(str(x))
    return 1 / x


def root_of(here: Machine) -> Path:
    return Path(here.jobs()[0].record.root)


def test_sweep_goes_into_a_file_and_comes_back_elsewhere(
    here: Machine, another: Client, tmp_path: Path
) -> None:
    sweep = here.sweep(inverse, jf.grid(x=[4, 0, 2]), name="inverses", outputs="out-{x}.txt").wait(60)

    path = jf.backup(sweep, tmp_path / "inverses.zip")
    # the other computer may not reach the machine any more
    shutil.rmtree(root_of(here))
    back = jf.restore(path, tmp_path / "files", client=another)

    assert 0o600 == path.stat().st_mode & 0o777
    assert [0.25, ZeroDivisionError, 0.5] == [
        type(value) if isinstance(value, Exception) else value
        for value in back.results(return_exceptions=True)
    ]
    assert [{"x": 4}, {"x": 0}, {"x": 2}] == [task.params for task in back.tasks]
    assert ("inverses", here.name) == (back.name, back.machine.name)
    assert "1 over 0\n" == (tmp_path / "files/logs/1-x=0.stdout").read_text()
    assert "ZeroDivisionError" in (tmp_path / "files/logs/1-x=0.stderr").read_text()
    assert "4" == (tmp_path / "files/outputs/out-4.txt").read_text()
    assert [job.record for job in sweep.jobs] == [
        dataclasses.replace(job.record, revision=sweep.jobs[0].record.revision) for job in back.jobs
    ]


def test_sweep_that_came_back_is_found_by_its_name_and_goes_on(
    here: Machine, another: Client, tmp_path: Path
) -> None:
    path = jf.backup(here.sweep(inverse, jf.grid(x=[1, 2]), name="s").wait(60), tmp_path / "s.zip")
    jf.restore(path, client=another)

    there = dataclasses.replace(here, client=another)
    sweep = there.sweep(inverse, jf.grid(x=[1, 2, 4]), name="s")

    assert [1.0, 0.5, 0.25] == sweep.results(60)
    assert 2 == len(sweep.jobs)


def test_what_is_here_already_is_left_alone(here: Machine, tmp_path: Path) -> None:
    sweep = here.sweep(inverse, jf.grid(x=[1, 2]), name="s").wait(60)
    path = jf.backup(sweep, tmp_path / "s.zip")
    sweep.remove(sweep.tasks[0])
    sweep.add(x=4).submit().wait(60)

    back = jf.restore(path, client=here.opened_client)

    assert [0.5, 0.25, 1.0] == back.results(60)
    assert 2 == len(here.jobs())


def test_tasks_that_go_on_are_followed_where_they_come_back(
    here: Machine, another: Client, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def waits(x: int) -> int:
        import os
        import time

        while not os.path.exists(gate):
            time.sleep(0.02)
        return x

    sweep = here.sweep(waits, jf.grid(x=[1, 2]), name="w")
    path = jf.backup(sweep, tmp_path / "w.zip")
    back = jf.restore(path, client=another)
    gate.touch()

    assert [1, 2] == back.results(60)
    assert [1, 2] == sweep.results(60)


def test_commands_and_many_tasks_in_one_element(here: Machine, another: Client, tmp_path: Path) -> None:
    sweep = here.sweep(["echo", "{word}"], jf.grid(word=["a", "b", "c"]), name="c", tasks_per_job=2).wait(60)

    back = jf.restore(jf.backup(sweep, tmp_path / "c.zip"), tmp_path / "files", client=another)

    assert ["a\n", "b\n", "c\n"] == back.results(60)
    job = sweep.jobs[0].id
    assert {f"{job}-0.stdout", "2-word=c.stdout"} <= {
        path.name for path in (tmp_path / "files/logs").iterdir()
    }


def test_without_the_folder_over_there_what_is_here_is_kept(
    here: Machine, another: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = here.sweep(inverse, jf.grid(x=[1, 2]), name="s", outputs="out-{x}.txt")
    sweep.results(60)
    shutil.rmtree(root_of(here) / "jobs" / sweep.jobs[0].id)

    back = jf.restore(jf.backup(sweep, tmp_path / "s.zip"), client=another)

    assert [1.0, 0.5] == back.results(60)
    assert "not all of it is in the backup" in caplog.text


def test_what_cannot_be_put_away_is_said(here: Machine, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nothing of the sweep none was submitted"):
        jf.backup(here.sweep(inverse, name="none"), tmp_path / "none.zip")
    assert [] == list(tmp_path.glob("*none*"))


def test_sweep_of_that_name_that_has_no_tasks_becomes_this_one(
    here: Machine, another: Client, tmp_path: Path
) -> None:
    path = jf.backup(here.sweep(inverse, jf.grid(x=[1]), name="s").wait(60), tmp_path / "s.zip")
    dataclasses.replace(here, client=another).sweep(["echo", "{x}"], name="s")

    assert [1.0] == jf.restore(path, client=another).results()


def test_sweep_of_that_name_that_runs_something_else_stays(
    here: Machine, another: Client, tmp_path: Path
) -> None:
    path = jf.backup(here.sweep(inverse, jf.grid(x=[1]), name="s").wait(60), tmp_path / "s.zip")
    dataclasses.replace(here, client=another).sweep(["echo", "{x}"], jf.grid(x=[1]), name="s").wait(60)

    with pytest.raises(SpecError, match="runs something else here: echo"):
        jf.restore(path, client=another)


@pytest.mark.parametrize("damage", ["no zip", "another zip", "cut", "newer", "climbs"])
def test_what_is_no_backup_is_refused_and_changes_nothing(
    here: Machine, another: Client, tmp_path: Path, damage: str
) -> None:
    path = jf.backup(here.sweep(inverse, jf.grid(x=[1]), name="s").wait(60), tmp_path / "s.zip")
    content = path.read_bytes()
    if damage in ("no zip", "cut"):
        path.write_bytes(b"nothing" if damage == "no zip" else content[: len(content) // 2])
    else:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        job = next(name for name in files if name.startswith("jobs/"))
        record = json.loads(files[job])
        record["spec"]["function"]["payload"] = "../../climbs"
        if damage == "climbs":
            files[job] = json.dumps(record).encode()
        else:
            files["sweep.json"] = files["sweep.json"].replace(b"jobferry sweep 1", b"jobferry sweep 2")
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                if damage != "another zip" or not name.endswith(".json"):
                    archive.writestr(name, text)

    with pytest.raises(SpecError, match="is no backup of a sweep"):
        jf.restore(path, client=another)
    assert [] == another.store.find()
    assert JobState.COMPLETED is here.jobs()[0].state
