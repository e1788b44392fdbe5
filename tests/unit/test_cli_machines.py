"""The commands about machines and the configuration, as processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli_runner import Home

BROKEN = '[machines.gaia]\nhost = "gaia"\nscheduler = "slrum"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def config(home: Home) -> Path:
    return home.path / "config.toml"


# -- machines


def test_add_writes_every_key_and_tells_the_file(home: Home) -> None:
    options = "--scheduler slurm --root $SCRATCH/jobs --account a --partition p --qos q --python python3.12"
    more = (
        "--ssh",
        "ssh -F x",
        "--poll-interval",
        "10s",
        "--transport",
        "openssh",
        "--setup",
        "module load b",
    )

    done = home.run(
        "machine", "add", "gaia", "me@gaia", *options.split(), *more, "--default", "time=1h", "--default",
        "exclusive=true",
    )  # fmt: skip

    assert f"wrote [machines.gaia] to {config(home)}\n" == done.stderr.decode()
    assert {
        "name": "gaia",
        "host": "me@gaia",
        "scheduler": "slurm",
        "transport": "openssh",
        "root": "$SCRATCH/jobs",
        "account": "a",
        "partition": "p",
        "qos": "q",
        "setup": ["module load b"],
        "python": "python3.12",
        "ssh": "ssh -F x",
        "poll_interval": "10s",
        "defaults": {"time": "01:00:00", "exclusive": True},
    } == home.json("machine", "show", "gaia")["machine"]


def test_dry_run_of_add_writes_nothing_but_finds_mistakes(home: Home) -> None:
    fine = home.run("machine", "add", "gaia", "gaia", "--dry-run")
    wrong = home.run("machine", "add", "gaia", "gaia", "--scheduler", "slrum", "--dry-run")

    assert (0, 2) == (fine.returncode, wrong.returncode)
    assert b"did you mean 'slurm'" in wrong.stderr
    assert set() == home.files()


def test_remove_takes_a_machine_out(home: Home) -> None:
    home.ok("machine", "add", "gaia", "gaia")
    written = config(home).read_text()

    home.ok("machine", "remove", "gaia", "--dry-run")
    assert written == config(home).read_text()

    home.ok("machine", "remove", "gaia")
    assert "local\n" == home.ok("machine", "list", "--format", "ids")


def test_the_machine_that_is_always_there_cannot_be_removed(home: Home) -> None:
    assert 2 == home.run("machine", "remove", "local").returncode


def test_an_unknown_machine_is_the_users_mistake(home: Home) -> None:
    done = home.run("submit", "-m", "gaia", "--", "true")

    assert 2 == done.returncode
    assert b"jobferry: no machine 'gaia'" in done.stderr


def test_edit_opens_a_broken_file_and_tells_what_is_wrong_still(home: Home) -> None:
    config(home).write_text(BROKEN)

    still = home.run("machine", "edit", "gaia", EDITOR="true")
    mended = home.run("machine", "edit", "gaia", EDITOR="sed -i s/slrum/slurm/")

    assert 2 == still.returncode
    assert f"jobferry: {config(home)}:3: " in still.stderr.decode()
    assert (0, b"") == (mended.returncode, mended.stderr)


# -- configuration


def test_show_tells_values_and_origins(home: Home) -> None:
    home.ok("machine", "add", "gaia", "gaia")

    told = home.json("config", "show", "--origin")["config"]

    assert {"key": "machines.gaia.host", "value": "gaia", "origin": f"{config(home)}:2"} in told


def test_path_is_the_users_file(home: Home) -> None:
    assert f"{config(home)}\n" == home.ok("config", "path")


# -- looking things over


def test_check_of_this_machine_finds_nothing_bad(home: Home) -> None:
    told = home.json("check")

    assert {"subject", "grade", "value", "advice"} == {*told["findings"][0]}
    assert "bad" not in {finding["grade"] for finding in told["findings"]}


def test_check_of_a_machine_that_is_not_reached_is_exit_3(home: Home) -> None:
    home.ok("machine", "add", "gone", "gone", "--ssh", "/nowhere/ssh")

    done = home.run("check", "gone", "--format", "json")

    assert 3 == done.returncode
    assert "bad" == json.loads(done.stdout)["findings"][-1]["grade"]


def test_check_of_a_missing_batch_system_is_exit_4(home: Home) -> None:
    home.ok("machine", "add", "here", "--scheduler", "slurm")
    (home.path / "bin").mkdir()
    for name in ("sh", "bash", "env", "mkdir", "cat", "sed", "tr", "rm", "printenv"):
        (home.path / "bin" / name).symlink_to(f"/bin/{name}")

    done = home.run("check", "here", PATH=str(home.path / "bin"))

    assert 4 == done.returncode, done.stderr


def test_doctor_tells_the_problems_of_a_broken_configuration(home: Home) -> None:
    config(home).write_text(BROKEN)

    done = home.run("doctor", "--format", "json")

    assert 2 == done.returncode
    bad = [finding for finding in json.loads(done.stdout)["findings"] if finding["grade"] == "bad"]
    assert ["config"] == [finding["subject"] for finding in bad]


def test_doctor_tells_a_store_that_cannot_be_opened(home: Home) -> None:
    (home.path / "jobs.db").write_text("this is no database" * 100)

    assert 6 == home.run("doctor").returncode


# -- files and commands


def test_exec_passes_streams_and_exit_code_through(home: Home) -> None:
    done = home.run("exec", "local", "--", "sh", "-c", "cat; printf err >&2; exit 3", stdin=b"\xff\0in")

    assert (3, b"\xff\0in", b"err") == (done.returncode, done.stdout, done.stderr)


def test_exec_ends_though_its_input_does_not(home: Home) -> None:
    import subprocess

    child = subprocess.Popen(
        [sys.executable, "-m", "jobferry", "exec", "local", "--", "true"],
        stdin=subprocess.PIPE,
        env=home.environment,
        cwd=home.path,
    )

    with child:
        assert 0 == child.wait(30)


def test_exec_passes_much_through(home: Home) -> None:
    done = home.run(
        "exec", "local", "--", "sh", "-c", "cat; head -c 3000000 /dev/zero >&2", stdin=b"x" * 3_000_000
    )

    assert (3_000_000, 3_000_000) == (len(done.stdout), len(done.stderr))


def test_put_and_get_carry_files(home: Home) -> None:
    (home.path / "data").mkdir()
    (home.path / "data/keep").write_text("1")
    (home.path / "data/drop.tmp").write_text("2")

    home.ok("put", "local", "data", "there/", "--exclude", "*.tmp")
    home.ok("get", "local", "there/data/", "back")

    assert ["keep"] == [path.name for path in (home.path / "back").iterdir()]


@pytest.mark.parametrize("verb", ["put", "get"])
def test_dry_run_of_a_copy_copies_nothing(home: Home, verb: str) -> None:
    (home.path / "a").write_text("1")

    done = home.run(verb, "local", "a", "b", "--dry-run")

    assert b"would copy" in done.stderr
    assert {"a"} == home.files()


def test_login_to_this_computer_is_nothing(home: Home) -> None:
    assert 0 == home.run("login", "local").returncode
    assert b"would connect" in home.run("login", "local", "--dry-run").stderr
