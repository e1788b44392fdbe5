"""The Slurm rig is what it claims to be: real, private, and gone when it stops."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from tests.rigs.daemons import RigError, alive, process_state, processes_with, read_pid, wait_until
from tests.rigs.slurm import SlurmRig, missing
from tests.rigs.slurm_cluster import MARK
from tests.rigs.slurm_conf import CGROUPS

pytestmark = pytest.mark.live

_EATS_MEMORY = "head -c 400000000 /dev/zero | tail -c 400000000 >/dev/null; true"


@pytest.fixture
def own_rig() -> Iterator[SlurmRig]:
    """A rig that the test may break."""
    if reason := missing():
        pytest.skip(reason)
    with SlurmRig() as rig:
        yield rig


def test_job_completes(slurm: SlurmRig) -> None:
    native_id = slurm.submit("--wrap", "echo $SLURM_CLUSTER_NAME")

    ended = slurm.wait_for_state(native_id, "COMPLETED")

    assert ended["ExitCode"] == "0:0"
    assert (slurm.work / f"slurm-{native_id}.out").read_text() == f"{slurm.cluster}\n"


def test_job_above_its_memory_ends_out_of_memory(slurm: SlurmRig) -> None:
    if not slurm.real_out_of_memory:
        pytest.skip("real OUT_OF_MEMORY needs root and version 1 cgroups")

    native_id = slurm.submit("--mem=50", "--wrap", _EATS_MEMORY)

    assert slurm.wait_for_state(native_id, "OUT_OF_MEMORY")["ExitCode"] == "0:125"


def test_array_runs_every_task(slurm: SlurmRig) -> None:
    native_id = slurm.submit("--array=1-3", "--output=task-%A-%a", "--wrap", "echo $SLURM_ARRAY_TASK_ID")

    for task in ("1", "2", "3"):
        slurm.wait_for_state(f"{native_id}_{task}", "COMPLETED")
        assert (slurm.work / f"task-{native_id}-{task}").read_text() == f"{task}\n"


def test_cancelled_job_is_cancelled(slurm: SlurmRig) -> None:
    native_id = slurm.submit("--wrap", "exec sleep 600")
    slurm.wait_for_state(native_id, "RUNNING")

    cancelled = slurm.run("scancel", native_id)

    assert cancelled.returncode == 0
    slurm.wait_for_state(native_id, "CANCELLED")


def test_partition_short_refuses_more_than_its_limit(slurm: SlurmRig) -> None:
    refused = slurm.run("sbatch", "--partition=short", "--time=10", "--wrap", "true")

    assert refused.returncode == 1
    assert "time limit" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can submit as another user")
def test_another_user_can_submit(slurm: SlurmRig) -> None:
    native_id = slurm.submit("--output=by-nobody", "--wrap", "id -un", user="nobody")

    slurm.wait_for_state(native_id, "COMPLETED")

    assert (slurm.work / "by-nobody").read_text() == "nobody\n"


def test_accounting_remembers_the_job(slurm_dbd: SlurmRig) -> None:
    native_id = slurm_dbd.submit("--wrap", "exit 3")
    slurm_dbd.wait_for_state(native_id, "FAILED")
    fields = ("sacct", "-n", "-X", "-P", "-o", "State,ExitCode,Account", "-j", native_id)

    wait_until(
        lambda: slurm_dbd.run(*fields).stdout == "FAILED|3:0|lab\n", limit=15, what="the job in accounting"
    )


def test_munge_key_is_its_owners_alone(slurm: SlurmRig) -> None:
    key = slurm.layout.directory / "munge" / "munge.key"

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_uid == os.geteuid()


def test_credential_of_another_rig_is_refused(slurm: SlurmRig, own_rig: SlurmRig) -> None:
    here, there = slurm.layout.munge_socket, own_rig.layout.munge_socket

    accepted = slurm.run("sh", "-c", f"munge -n -S {here} | unmunge -S {here}")
    refused = slurm.run("sh", "-c", f"munge -n -S {there} | unmunge -S {here}")

    assert accepted.returncode == 0
    assert refused.returncode != 0


def test_two_rigs_share_nothing(slurm: SlurmRig, own_rig: SlurmRig) -> None:
    assert slurm.cluster != own_rig.cluster
    assert set(slurm.nodes).isdisjoint(own_rig.nodes)
    assert own_rig.run("squeue", "-h", "-t", "all").stdout == ""


def test_stop_leaves_nothing_behind(own_rig: SlurmRig) -> None:
    layout = own_rig.layout
    own_rig.submit("--wrap", "sleep 601 & touch started; sleep 602")
    wait_until((own_rig.work / "started").exists, limit=15, what="the job's start")
    daemons = processes_with(f"{MARK}={layout.directory}\0")
    jobs = processes_with(f"SLURM_CONF={layout.conf}\0", "SLURM_JOB_ID=")

    own_rig.stop()

    assert len(daemons) >= 4
    assert jobs
    assert [pid for pid in (*daemons, *jobs) if alive(pid)] == []
    assert not layout.directory.exists()
    assert [found for node in layout.nodes for found in CGROUPS.glob(f"*/slurm_{node}")] == []


def test_stop_of_a_broken_rig_does_not_fail(own_rig: SlurmRig) -> None:
    daemons = processes_with(f"{MARK}={own_rig.layout.directory}\0")
    own_rig.freeze_controller()
    own_rig.kill_slurmd(own_rig.nodes[0])

    own_rig.stop()
    own_rig.stop()

    assert [pid for pid in daemons if alive(pid)] == []
    with pytest.raises(RigError):
        own_rig.environment  # noqa: B018


def test_frozen_controller_answers_again_after_thaw(own_rig: SlurmRig) -> None:
    pid = read_pid(own_rig.layout.pid_file("slurmctld"))
    assert pid is not None

    own_rig.freeze_controller()
    frozen = process_state(pid)
    own_rig.thaw()

    assert frozen == "T"
    assert own_rig.run("squeue").returncode == 0


def test_stopped_controller_can_be_started_again(own_rig: SlurmRig) -> None:
    native_id = own_rig.submit("--hold", "--wrap", "true")

    own_rig.stop_controller()
    own_rig.start_controller()

    assert own_rig.job(native_id)["JobState"] == "PENDING"


def test_killed_slurmd_comes_back(own_rig: SlurmRig) -> None:
    node = own_rig.nodes[0]
    killed = read_pid(own_rig.layout.pid_file(node))
    assert killed is not None

    own_rig.kill_slurmd(node)
    dead = not alive(killed)
    own_rig.start_slurmd(node)
    native_id = own_rig.submit(f"--nodelist={node}", "--wrap", "true")

    assert dead
    own_rig.wait_for_state(native_id, "COMPLETED")


def test_drained_node_takes_no_job_until_it_is_resumed(own_rig: SlurmRig) -> None:
    node = own_rig.nodes[0]

    own_rig.set_node(node, "drain")
    drained = own_rig.run("sinfo", "-h", "-n", node, "-p", "debug", "-o", "%t").stdout
    own_rig.set_node(node, "resume")

    assert drained == "drain\n"
    wait_until(own_rig.idle, limit=10, what="idle nodes")


def test_drained_node_is_given_back_when_the_rig_recovers(own_rig: SlurmRig) -> None:
    own_rig.set_node(own_rig.nodes[0], "drain")

    own_rig.recover()

    assert own_rig.idle()


def test_finished_job_is_purged_after_its_age() -> None:
    if reason := missing():
        pytest.skip(reason)
    with SlurmRig(nodes=1, min_job_age=2) as rig:
        native_id = rig.submit("--wrap", "true")
        rig.wait_for_state(native_id, "COMPLETED")

        rig.purge_wait(native_id)

        assert "Invalid job id" in rig.run("squeue", "-j", native_id).stderr
