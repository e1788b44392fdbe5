"""The command line against a real Slurm behind a real sshd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rigs.fixtures_cluster import Cluster
from tests.unit.cli_runner import Home

pytestmark = pytest.mark.live

KILL_OUR_SSHD = """
p=$$
until [ "$(cat /proc/$p/comm)" = sshd ]; do p=$(cut -d ' ' -f 4 /proc/$p/stat); done
kill -9 $p
sleep 5
"""


@pytest.fixture
def home(cluster: Cluster, tmp_path: Path) -> Home:
    """A home whose default machine is the cluster."""
    home = Home(tmp_path)
    host, root = cluster.sshd.host("plain", "jf-alice"), f"jobs/cli-{tmp_path.name}"
    home.ok("machine", "add", "rig", host, "--scheduler", "slurm", "--ssh", cluster.ssh, "--root", root)
    (tmp_path / "config.toml").write_text(
        f'default_machine = "rig"\n{(tmp_path / "config.toml").read_text()}'
    )
    return home


def test_run_brings_output_and_exit_code_from_a_cluster(home: Home) -> None:
    done = home.run(
        "run", "--output", "*.txt", "--time", "5m", "--", "sh", "-c", "echo 42 | tee a.txt; exit 3"
    )

    assert (3, b"42\n") == (done.returncode, done.stdout)
    assert "42\n" == (home.path / "a.txt").read_text()


def test_a_held_job_says_so_and_starts_when_released(home: Home) -> None:
    job_id = home.ok("submit", "--native=--hold", "--time", "5m", "--", "true").strip()

    assert "it is held" in home.ok("why", job_id)
    home.ok("release", job_id)
    home.ok("wait", job_id)


def test_a_cancelled_job_says_what_the_queue_says(home: Home) -> None:
    job_id = home.ok("submit", "--time", "5m", "--", "sleep", "300").strip()

    home.ok("cancel", job_id)
    home.run("wait", job_id)

    told = home.ok("why", job_id)
    assert "it was cancelled" in told
    assert re.search(r"queue +\S", told)


def test_check_finds_the_batch_system(home: Home) -> None:
    told = home.ok("check")

    assert re.search(r"batch system +ok +slurm", told)


@pytest.mark.parametrize("code", [0, 3, 254, 255])
def test_exec_ends_as_the_command_ends(home: Home, code: int) -> None:
    done = home.run("exec", "rig", "--", "sh", "-c", f"cat; printf err >&2; exit {code}", stdin=b"\xff\0")

    assert (code, b"\xff\0", b"err") == (done.returncode, done.stdout, done.stderr)


def test_exec_over_a_lost_link_is_an_error_of_the_road(home: Home) -> None:
    done = home.run("exec", "rig", "--", "sh", "-c", KILL_OUR_SSHD)

    assert 3 == done.returncode, done.stderr
    assert b"whether the command ran to its end is not known" in done.stderr


def test_put_and_get_carry_files_over_ssh(home: Home) -> None:
    (home.path / "a b").write_text("1")

    home.ok("put", "rig", "a b", f"{home.path.name}/")
    home.ok("get", "rig", f"{home.path.name}/a b", "back/")

    assert "1" == (home.path / "back/a b").read_text()
