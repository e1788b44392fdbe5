"""The main job, end to end: from here to a machine and back, for real."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.errors import JobFailed, SpecError, TransferError, WaitTimeout
from jobferry.machine_handle import Machine
from jobferry.model.status import Failure, JobState
from tests.rigs.fixtures_cluster import Cluster, MakeMachine
from tests.rigs.sshd import poll_until

pytestmark = pytest.mark.live

KINDS = ["slurm", "direct"]


@pytest.fixture(params=KINDS)
def machine(request: pytest.FixtureRequest) -> Machine:
    """A Slurm over ssh, and this computer."""
    if request.param == "direct":
        here: Machine = request.getfixturevalue("here")
        return here
    make: MakeMachine = request.getfixturevalue("over_there")
    return make()


def until_running(state: Callable[[], JobState]) -> None:
    poll_until(lambda: state() is JobState.RUNNING, limit=30, what="running")


def test_job_goes_there_and_its_result_comes_home(machine: Machine, tmp_path: Path) -> None:
    job = machine.submit(
        ["sh", "-c", "echo out; echo err >&2; echo 42 >result.txt"],
        nodes=1,
        ntasks=1,
        time="10m",
        outputs=["result.txt"],
    )

    assert job.wait(60) is JobState.COMPLETED
    assert ("out\n", "err\n", 0) == (job.stdout(), job.stderr(), job.exit_code)
    assert [tmp_path / "home" / "result.txt"] == job.fetch(tmp_path / "home")
    assert (tmp_path / "home" / "result.txt").read_text() == "42\n"
    assert job.status.started_at is not None
    assert job.status.ended_at is not None


def test_exit_code_is_the_commands_own(machine: Machine) -> None:
    job = machine.submit("exit 42", time="5m")

    assert job.wait(60) is JobState.FAILED
    assert (42, Failure.EXIT_CODE) == (job.exit_code, job.status.failure)
    with pytest.raises(JobFailed, match="exit code 42") as raised:
        job.check()
    assert raised.value.code == 42


def test_signal_is_told_from_an_exit_code(machine: Machine) -> None:
    job = machine.submit("kill -SEGV $$", time="5m")

    assert job.wait(60) is JobState.FAILED
    assert (None, 11, Failure.SIGNAL) == (job.exit_code, job.status.signal, job.status.failure)


def test_cancel_ends_a_running_job(machine: Machine) -> None:
    job = machine.submit("sleep 300", time="10m")
    until_running(lambda: job.state)

    job.cancel()

    assert job.wait(60) is JobState.CANCELLED
    assert job.cancel() is JobState.CANCELLED


def test_array_runs_every_task_once_with_logs_of_its_own(machine: Machine) -> None:
    job = machine.submit(
        'echo "task $JOBFERRY_ARRAY_INDEX"; [ "$JOBFERRY_ARRAY_INDEX" != 3 ] || exit 42',
        array="1-4%2",
        time="5m",
    )

    assert job.wait(120) is JobState.FAILED
    assert "task 1\ntask 2\ntask 3\ntask 4\n" == job.stdout()
    assert "task 2\n" == job.stdout(2)
    assert 42 == job.exit_code
    states = {task: status.state for task, status in job.tasks.items()}
    assert {1: JobState.COMPLETED, 2: JobState.COMPLETED, 3: JobState.FAILED, 4: JobState.COMPLETED} == states


def test_dependent_job_waits_and_a_failed_one_stops_it(machine: Machine) -> None:
    first = machine.submit("sleep 1; exit 1", time="5m")
    after_ok = machine.submit("echo never", after=f"{first.id}:afterok", time="5m")
    after_any = machine.submit("echo then", after=f"{first.id}:afterany", time="5m")

    assert after_any.wait(60) is JobState.COMPLETED
    assert after_ok.wait(120) is JobState.FAILED
    assert after_ok.status.failure is Failure.DEPENDENCY
    assert after_ok.stdout() == ""


def test_inputs_with_awkward_names_arrive_as_they_are(machine: Machine, tmp_path: Path) -> None:
    names = ["a b.txt", "it's.txt", 'say "hi"', "line\nbreak", "grüße", "-dash", "$HOME", "back\\slash"]
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    for name in names:
        (tree / name).write_text(name)
    (tree / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("a b.txt")
    inputs = [*(f"{tree / name}:{name}" for name in names if ":" not in name), f"{tree}:whole"]

    job = machine.submit(
        ["sh", "-c", "cp -R whole back && whole/run.sh && cat './$HOME'"], inputs=inputs, outputs=["back"]
    )

    assert job.wait(60) is JobState.COMPLETED, job.stderr()
    assert "ran\n$HOME" == job.stdout()
    job.fetch(tmp_path / "home")
    back = tmp_path / "home" / "back"
    assert names == [(back / name).read_text() for name in names]
    assert (back / "empty").is_dir()
    assert (back / "link").is_symlink()
    assert (back / "run.sh").stat().st_mode & 0o111


def test_script_file_is_run_as_it_is_with_its_own_directives(machine: Machine, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    directives = "#SBATCH --time=00:05:00 -n 1\n#SBATCH --job-name=named\n"
    script.write_text(f"#!/bin/bash\n{directives}echo $0 ${{BASH_VERSION:+bash}} $1\n")

    job = machine.submit(script, arguments=["a word"])

    assert job.wait(60) is JobState.COMPLETED
    assert job.stdout().endswith("bash a word\n")
    assert "named" == job.name


def test_environment_setup_and_teardown(machine: Machine) -> None:
    job = machine.submit(
        ["sh", "-c", 'echo "$GREETING $FROM_SETUP"; exit 5'],
        env={"GREETING": "it's $HOME\nand more"},
        setup=["export FROM_SETUP=set"],
        teardown=["echo torn down"],
    )

    assert job.wait(60) is JobState.FAILED
    assert "it's $HOME\nand more set\ntorn down\n" == job.stdout()
    assert 5 == job.exit_code


def test_setup_line_that_fails_fails_the_job(machine: Machine) -> None:
    job = machine.submit(["echo", "never"], setup=["ls /nonexistent"])

    assert job.wait(60) is JobState.FAILED
    assert "" == job.stdout()
    assert "a setup line failed with 2: ls /nonexistent" in job.stderr()


def test_another_client_goes_on_from_the_store(machine: Machine, client: Client) -> None:
    job = machine.submit("sleep 1; echo done", time="5m")
    client.close()

    again = Client(config=client.config, store=client.store)
    (seen,) = again.wait([again.store.resolve(job.id[:11])])

    assert seen.state is JobState.COMPLETED
    again.close()


def test_logs_are_followed_while_the_job_runs(machine: Machine) -> None:
    job = machine.submit("for i in 1 2 3; do echo $i; sleep 0.3; done; echo end >&2", time="5m")
    heard: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def write(file: object, piece: bytes) -> None:
        heard[getattr(file, "stream")] += piece  # noqa: B009

    assert job.follow(write, streams=("stdout", "stderr")) is JobState.COMPLETED
    assert {"stdout": b"1\n2\n3\n", "stderr": b"end\n"} == heard


def test_waiting_can_end_before_the_job_does(machine: Machine) -> None:
    job = machine.submit("sleep 60", time="5m")

    with pytest.raises(WaitTimeout, match=job.id):
        job.wait(0.5)

    job.cancel()
    job.wait(60)


def test_removed_job_is_gone_here_and_there(machine: Machine, client: Client) -> None:
    job = machine.submit("until [ -e gate ]; do sleep 0.1; done", time="5m")
    with pytest.raises(SpecError, match="not ended"):
        job.remove()
    folder = f"{job.record.root}/jobs/{job.id}"
    machine.exec(["touch", f"{folder}/work/gate"])
    job.wait(60)
    assert machine.exec(["ls", folder]).exit_code == 0

    job.remove(remote=True)

    assert machine.exec(["ls", folder]).exit_code != 0
    assert client.store.find() == []


@pytest.mark.parametrize("user", ["jf-alice", "jf-nora", "jf-tina", "jf-finn"])
def test_any_login_shell_will_do(over_there: MakeMachine, user: str, tmp_path: Path) -> None:
    machine = over_there(user, "nosftp")

    job = machine.submit("echo out; echo x >o.txt", outputs=["*.txt"], time="5m")

    assert job.wait(60) is JobState.COMPLETED
    assert "out\n" == job.stdout()
    assert [tmp_path / "o.txt"] == job.fetch(tmp_path)


def test_root_may_name_a_variable_that_only_login_shells_have(
    over_there: MakeMachine, cluster: Cluster
) -> None:
    plain = over_there()
    line = "export JF_SCRATCH=~/scratch"
    plain.exec(f"mkdir -p scratch; grep -q JF_SCRATCH ~/.profile || echo '{line}' >>~/.profile")

    machine = over_there(root="$JF_SCRATCH/jobs")
    job = machine.submit(["true"], time="5m")

    assert job.wait(60) is JobState.COMPLETED
    assert job.record.root.endswith("/scratch/jobs")


def test_held_job_starts_when_it_is_released(over_there: MakeMachine) -> None:
    machine = over_there()
    job = machine.submit(["true"], native=["--hold"], time="5m")
    assert job.state is JobState.HELD

    job.release()

    assert job.wait(60) is JobState.COMPLETED


def test_time_limit_is_kept_without_a_batch_system(here: Machine) -> None:
    job = here.submit("trap 'echo asked' TERM; sleep 300 & wait; sleep 300", time="00:00:01")

    assert job.wait(60) is JobState.FAILED
    assert (Failure.TIMEOUT, "asked\n") == (job.status.failure, job.stdout())


def test_cancel_kills_the_whole_tree_even_what_hid_in_a_session(here: Machine) -> None:
    job = here.submit("setsid sleep 301 & sleep 302 & wait")
    until_running(lambda: job.state)
    poll_until(lambda: count("sleep 30[12]") == 2, what="children")

    job.cancel()
    job.wait(60)

    assert 0 == count("sleep 30[12]")


def count(pattern: str) -> int:
    return len(subprocess.run(["pgrep", "-f", f"^{pattern}$"], capture_output=True).stdout.split())


def test_out_of_memory_is_told_even_when_the_script_goes_on(
    over_there: MakeMachine, cluster: Cluster
) -> None:
    if not cluster.slurm.real_out_of_memory:
        pytest.skip("no memory cgroup here: Slurm cannot tell")
    eat = "python3 -c 'b = bytearray(400 * 1024 * 1024)'; exit 0"

    job = over_there().submit(eat, mem="50M", time="5m")

    assert job.wait(60) is JobState.FAILED
    assert job.status.failure is Failure.OUT_OF_MEMORY


def test_link_that_leads_out_does_not_hold_up_the_rest(machine: Machine, tmp_path: Path) -> None:
    job = machine.submit(
        'mkdir ck; echo 1 >ck/1.pt; ln -s "$PWD/ck/1.pt" ck/latest', outputs=["ck/*"], time="5m"
    )
    job.wait(60)

    with pytest.raises(TransferError, match="latest"):
        job.fetch(tmp_path / "home")

    assert ["1.pt"] == [path.name for path in (tmp_path / "home" / "ck").iterdir()]


def test_many_outputs_and_odd_ones_come_home(machine: Machine, tmp_path: Path) -> None:
    job = machine.submit(
        "for i in $(seq 3000); do : >$i.dat; done; touch 'out\\n' outb; head -c 2000000 /dev/zero >big.dat",
        outputs=["*.dat", "out*", "missing*"],
        time="5m",
    )
    job.wait(60)

    assert 3003 == len(job.fetch(tmp_path / "home"))


def test_fetching_what_was_deleted_over_there_says_so(machine: Machine, tmp_path: Path) -> None:
    job = machine.submit("echo 1 >o", outputs=["o"], time="5m")
    job.wait(60)
    machine.exec(["rm", "-rf", f"{job.record.root}/jobs/{job.id}"])

    with pytest.raises(TransferError, match="is gone"):
        job.fetch(tmp_path)
