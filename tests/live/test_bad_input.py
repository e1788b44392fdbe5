"""What can be wrong with a machine or a job: one sentence, the other side's words, a hint, no harm done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobferry.client import Client
from jobferry.errors import (
    AuthError,
    ConnectError,
    HostKeyError,
    JobferryError,
    SchedulerError,
    SpecError,
    SubmitRefused,
    TransferError,
)
from jobferry.machine_handle import Machine
from jobferry.model.status import Failure, JobState
from tests.rigs.fixtures_cluster import Cluster, MakeMachine

pytestmark = pytest.mark.live


def refused(machine: Machine, error: type[JobferryError], words: str, **options: Any) -> JobferryError:
    """Submit, and return the error that came; it must be one sentence with a hint."""
    with pytest.raises(error, match=words) as raised:
        machine.submit(["true"], **options)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value


def test_partition_that_slurm_refuses(over_there: MakeMachine, client: Client) -> None:
    error = refused(over_there(), SubmitRefused, "Invalid partition name", partition="nonsense")

    assert error.exit_code == 4
    assert error.job_id is not None
    record = client.store.get(error.job_id)
    assert (JobState.FAILED, Failure.REJECTED) == (record.state, record.status.failure)


def test_memory_that_no_node_has(over_there: MakeMachine) -> None:
    refused(over_there(), SubmitRefused, "Requested node configuration is not available", mem="4T")


def test_time_above_the_partitions_limit(over_there: MakeMachine) -> None:
    refused(over_there(), SubmitRefused, "time limit", partition="short", time="1h")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "soon"}, "not a time: 'soon'"),
        ({"mem": "lots"}, "not an amount of memory: 'lots'"),
        ({"tiem": "1h"}, "did you mean 'time'"),
        ({"nodes": "two"}, "whole number"),
        ({"array": "9-1"}, "not an array"),
        ({"name": "two\nlines"}, "newlines"),
        ({"inputs": ["/nonexistent/file"]}, "no such input: /nonexistent/file"),
        ({"outputs": ["../out"]}, "not inside the job's folder"),
        ({"env": ["nonsense"]}, "NAME=VALUE"),
    ],
)
def test_bad_job_is_refused_before_anything_is_stored(
    here: Machine, client: Client, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words) as raised:
        here.submit(["true"], **options)

    assert raised.value.exit_code == 2
    assert client.store.find() == []


def test_what_a_machine_without_batch_system_cannot_honour_is_refused(here: Machine) -> None:
    refused(here, SpecError, "cannot honour partition", partition="debug")


def test_unreachable_host_leaves_no_job_that_comes_back(over_there: MakeMachine, client: Client) -> None:
    machine = over_there()
    machine.submit(["true"]).wait(60)
    gone = over_there(name="gone", ssh=f"{machine.ssh} -o Port=1")

    with pytest.raises(ConnectError, match="Connection refused") as raised:
        gone.submit(["true"])

    assert (3, "gone") == (raised.value.exit_code, raised.value.machine)
    states = [record.state for record in client.store.find(machine="gone")]
    assert all(state is JobState.FAILED for state in states)


def test_wrong_key(over_there: MakeMachine) -> None:
    machine = over_there(temper="refusing")

    with pytest.raises(AuthError, match="Permission denied") as raised:
        machine.exec("true")

    assert raised.value.hint is not None
    assert "jobferry login rig" in raised.value.hint


def test_changed_host_key(over_there: MakeMachine, cluster: Cluster, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    hosts = (cluster.sshd.folder / "known_hosts").read_text().splitlines()
    other = key.with_suffix(".pub").read_text().split()[1]
    known.write_text("".join(f"{line.split()[0]} ssh-ed25519 {other}\n" for line in hosts))

    machine = over_there(ssh=f"{cluster.ssh} -o UserKnownHostsFile={known}")

    with pytest.raises(HostKeyError, match=r"(?i)host key|identification") as raised:
        machine.submit(["true"])
    assert raised.value.hint


def test_root_that_cannot_be_written(over_there: MakeMachine, client: Client) -> None:
    error = refused(over_there(root="/proc/nothing"), TransferError, "root cannot be used")

    assert error.exit_code == 3
    assert all(record.state.final for record in client.store.find())


def test_root_that_means_nothing(over_there: MakeMachine) -> None:
    with pytest.raises(JobferryError, match="NO_SUCH_VARIABLE") as raised:
        over_there(root="$NO_SUCH_VARIABLE/jobs").submit(["true"])
    assert raised.value.exit_code == 2


def test_no_slurm_where_one_was_promised(tmp_path: Path, client: Client) -> None:
    machine = Machine(name="bare", scheduler="slurm", root=str(tmp_path), ssh="ssh", client=client)

    with pytest.raises(SchedulerError, match=r"(?i)slurm|sbatch|resolve|config") as raised:
        machine.submit(["true"])

    assert raised.value.exit_code == 4
    assert raised.value.hint


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_over_there(tiny_disk: Path, tmp_path: Path, client: Client) -> None:
    machine = Machine(name="tiny", scheduler="direct", root=str(tiny_disk), client=client)
    machine.exec(["sh", "-c", f"head -c 60000 /dev/zero >{tiny_disk}/fill"])
    large = tmp_path / "large"
    large.write_bytes(bytes(20_000))

    error = refused(machine, TransferError, "(?i)no space left", inputs=[str(large)])

    assert error.exit_code == 3
    (record,) = client.store.find()
    assert (JobState.FAILED, Failure.REJECTED) == (record.state, record.status.failure)
    (tiny_disk / "fill").unlink()
    assert machine.submit(["true"], inputs=[str(large)]).wait(30) is JobState.COMPLETED
