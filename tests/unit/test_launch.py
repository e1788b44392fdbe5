"""What every job runs inside of: records, signals, limits, arrays, under each shell that may be sh."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from jobferry.data import read
from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine
from jobferry.model.spec import JobSpec, Resources, parse_array
from jobferry.model.warning import WarningSignal
from jobferry.schedulers.slurm import Slurm
from tests.unit.launching import SHELLS, Launch, end_group, is_alive, need, needs_proc, wait_for
from tests.unit.records import NOW

Make = Callable[..., Launch]
# bash is the default for a job's own lines; the others stand in where there is none
FOREVER = "exec sleep 600"


@pytest.fixture(params=SHELLS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make jobs whose launch script is read by one of the shells."""
    shell = need(request.param)
    ids = iter(mint_ids(NOW, 10))

    def make(spec: JobSpec, **options: object) -> Launch:
        return Launch(tmp_path, spec, shell=shell, id=next(ids), **options).lay_out()  # type: ignore[arg-type]

    return make


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start launch scripts that are ended with the test."""
    processes = []

    def start(launch: Launch, *words: str, **options: dict[str, str]) -> subprocess.Popen[bytes]:
        process = launch.start(*words, **options)
        processes.append(process)
        return process

    yield start
    for process in processes:
        end_group(process)
        process.wait(30)


Started = Callable[..., subprocess.Popen[bytes]]


def script(text: str, **fields: object) -> JobSpec:
    return JobSpec(script=text, **fields)  # type: ignore[arg-type]


def limited(seconds: float, text: str, **fields: object) -> JobSpec:
    return script(text, resources=Resources(time=timedelta(seconds=seconds)), **fields)


def slurm(**variables: object) -> dict[str, str]:
    """What Slurm sets for the batch step, as far as we look at it."""
    return {f"SLURM_{name}": str(value) for name, value in variables.items()}


def pids_in(path: Path, count: int) -> list[int]:
    """Wait until a job has written its processes' numbers."""
    wait_for(lambda: path.exists() and len(path.read_text().split()) >= count, f"{count} numbers in {path}")
    return [int(word) for word in path.read_text().split()]


# -- how a job ends


def test_success(make: Make) -> None:
    launch = make(script("echo out; echo err >&2"))

    assert launch.run() == 0

    records = launch.records()
    assert (records.finished[None].exit_code, records.finished[None].signal) == (0, None)
    assert records.finished[None].cause is None
    assert records.started[None].native_id == records.finished[None].native_id
    assert (launch.stdout(), launch.stderr(), launch.said()) == ("out\n", "err\n", "")


@pytest.mark.parametrize("code", [1, 3, 125, 127, 255])
def test_exit_code_is_the_commands(make: Make, code: int) -> None:
    launch = make(script(f"exit {code}"))

    assert launch.run() == code
    assert launch.records().finished[None].exit_code == code


def test_death_by_signal(make: Make) -> None:
    launch = make(script("kill -SEGV $$"))

    assert launch.run() == 128 + signal.SIGSEGV
    finished = launch.records().finished[None]
    assert (finished.exit_code, finished.signal, finished.stopped) == (None, signal.SIGSEGV, None)


def test_command_that_is_not_there(make: Make) -> None:
    launch = make(JobSpec(command=("jobferry-no-such-program",)))

    assert launch.run() == 127
    assert "jobferry-no-such-program" in launch.stderr()


def test_command_runs_in_its_work_folder(make: Make) -> None:
    launch = make(JobSpec(command=("pwd",)))

    assert launch.run() == 0
    assert launch.stdout() == f"{launch.folder}/work\n"


def test_folder_that_is_not_there_fails_the_job(make: Make, tmp_path: Path) -> None:
    launch = make(JobSpec(command=("echo", "ran"), directory=PurePosixPath(tmp_path / "no such")))

    assert launch.run() == 125
    assert launch.stdout() == ""
    assert "no such" in launch.stderr()


def test_input_is_empty(make: Make) -> None:
    assert make(JobSpec(command=("cat",))).run() == 0


def test_records_are_whole_and_nothing_else_is_left(make: Make) -> None:
    launch = make(script("ls ../state >seen"))

    launch.run()

    record = r"[a-z]+ v=1 job=\S+ .* \.\n"
    # the second line: the shell came to the job's own lines
    assert re.fullmatch(record + "begun\n", (launch.state / "job.started").read_text())
    assert re.fullmatch(record, (launch.state / "job.finished").read_text())
    kept = {"job.claim", "job.started", "job.finished", "submit"}
    assert {path.name for path in launch.state.iterdir()} == kept
    assert "job.started" in (launch.folder / "work" / "seen").read_text().split()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_takes_no_record_leaves_none_that_counts(make: Make) -> None:
    launch = make(script("echo ran"))
    (launch.state / "job.finished").symlink_to("/dev/full")

    assert launch.run() == 0
    assert launch.stdout() == "ran\n"
    assert (launch.state / "job.finished").stat().st_size == 0


@needs_proc
def test_a_task_of_an_array_takes_one_process_besides_its_own(make: Make) -> None:
    launch = make(JobSpec(command=("true",), array=parse_array("0-1")), scheduler=Slurm())
    folder, log = launch.root / "shims", launch.root / "log"
    folder.mkdir()
    for name in ("cat", "chmod", "date", "ln", "mkdir", "mv", "rm", "sed", "sleep", "touch", "true", "uname"):
        real = shutil.which(name)
        (folder / name).write_text(f'#!/bin/sh\necho {name} >>"{log}"\nexec "{real}" "$@"\n')
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    for task in range(2):
        variables = slurm(ARRAY_JOB_ID=7, JOB_ID=8 + task, ARRAY_TASK_ID=task)
        assert launch.run(environment={**variables, "SLURMD_NODENAME": "n1", "PATH": path}) == 0

    # the second knows from the first when the machine was started
    assert log.read_text().split() == ["date", "true", "true"]
    first, second = (launch.records().finished[task] for task in range(2))
    assert first.started_at is not None
    assert second.started_at is not None
    assert timedelta(0) <= second.started_at - first.started_at < timedelta(seconds=30)


def test_nothing_runs_beside_a_launcher_that_does_not_begin_it(make: Make) -> None:
    # cut short, or of another release that has placed the folder
    launch = make(script("echo ran"))
    (launch.folder / "launcher.sh").write_text("jobferry_begin() { :; }\n")

    assert launch.run() == 125
    assert "ran" not in launch.stdout() + launch.said()


def other_boot(up: int, boot_id: str) -> str:
    return f"4200 {up} 00000000-0000-0000-0000-000000000000 .\n"


def an_hour_ago(up: int, boot_id: str) -> str:
    return f"4200 {up - 360_000} {boot_id} .\n"


def later_than_now(up: int, boot_id: str) -> str:
    return f"4200 {up + 6_000_000} {boot_id} .\n"


def half_written(up: int, boot_id: str) -> str:
    return f"4200 {up} {boot_id}"


@needs_proc
@pytest.mark.parametrize("noted", [other_boot, an_hour_ago, later_than_now, half_written])
def test_old_note_of_when_the_machine_began_is_not_believed(
    make: Make, noted: Callable[[int, str], str]
) -> None:
    launch = make(JobSpec(command=("true",), array=parse_array("0-1")), scheduler=Slurm())
    up = round(100 * float(Path("/proc/uptime").read_text().split()[0]))
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (launch.state / "boot.n1").write_text(noted(up, boot_id))

    variables = slurm(ARRAY_JOB_ID=7, JOB_ID=8, ARRAY_TASK_ID=0)
    assert launch.run(environment={**variables, "SLURMD_NODENAME": "n1"}) == 0

    started_at = launch.records().finished[0].started_at
    assert started_at is not None
    assert abs(started_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_outputs_are_listed_before_the_last_record(make: Make) -> None:
    launch = make(script("mkdir d; echo x >d/a; echo y >'b c'", outputs=("d", "b*", "none")))

    assert launch.run() == 0
    assert launch.records().finished[None].has_outputs
    listed = (launch.state / "job.outputs").read_text()
    assert [line.split("./")[1] for line in sorted(listed.splitlines(), key=lambda line: line[-3:])]
    assert all(name in listed for name in ("./d\n", "./d/a\n", "./b c\n"))
    assert "none" not in listed


# -- the lines around the command


def test_setup_lines_shape_the_command(make: Make) -> None:
    launch = make(
        script("echo $A $B", setup=("export A=1", "B=two; export B")),
        machine=Machine(name="m", setup=("A=0",)),
    )

    assert launch.run() == 0
    assert launch.stdout() == "1 two\n"


def test_failed_setup_line_ends_the_job_by_name(make: Make) -> None:
    launch = make(script("echo ran", setup=("true", "sh -c 'exit 7'", "echo later"), teardown=("echo down",)))

    assert launch.run() == 7
    assert launch.stdout() == ""
    assert "a setup line failed with 7: sh -c 'exit 7'" in launch.stderr()


def test_teardown_follows_failure_and_keeps_the_code(make: Make) -> None:
    launch = make(script("exit 3", teardown=("echo down", "false")))

    assert launch.run() == 3
    assert launch.stdout() == "down\n"


def test_teardown_follows_a_signal(make: Make, started: Started) -> None:
    launch = make(script(f"echo $$ >pid; {FOREVER}", teardown=("echo down",)), scheduler=Slurm())
    process = started(launch, environment=slurm(JOB_ID=7))
    pids_in(launch.folder / "work" / "pid", 1)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 128 + signal.SIGTERM
    assert launch.stdout() == "down\n"
    assert launch.records().finished[None].stopped == "TERM"


def test_shell_that_ends_in_its_start_up_file_is_a_failed_launch(make: Make) -> None:
    launch = make(script("echo ran"), lines=("sh", "-c", "'echo noise; exit 0'"))

    assert launch.run() == 125
    finished = launch.records().finished[None]
    assert (finished.cause, finished.exit_code) == ("LAUNCH", 125)
    assert (launch.stdout(), launch.said()) == ("", "noise\n")


def test_login_shell_reads_its_start_up_file(make: Make) -> None:
    launch = make(script('echo "$FROM_PROFILE"'), machine=Machine(name="far", host="far"))
    (launch.root / ".bash_profile").write_text("export FROM_PROFILE=yes\necho welcome\n")

    assert launch.run() == 0
    assert launch.stdout() == "yes\n"


@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_without_bash_the_lines_run_in_sh(shell: str, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("uname", "date", "cat", "mkdir", "mv", "rm", "sed", "grep", "sleep", "setsid", "getconf"):
        (few / name).symlink_to(shutil.which(name) or name)
    launch = Launch(tmp_path, script("echo ${BASH-none}"), shell=need(shell)).lay_out()

    assert launch.run(environment={"PATH": str(few)}) == 0
    assert launch.stdout().endswith("\n")


# -- once, and once only


def test_finished_job_that_is_started_again_leaves_with_its_code(make: Make) -> None:
    launch = make(script("echo ran; exit 4"), scheduler=Slurm())
    assert launch.run(environment=slurm(JOB_ID=7)) == 4
    before = (launch.state / "job.finished").read_bytes()

    assert launch.run(environment=slurm(JOB_ID=7, RESTART_COUNT=1)) == 4

    assert launch.stdout() == "ran\n"
    # the record is that of the run that counts, which added nothing to it
    assert before.replace(b"restarts=0", b"restarts=1") == (launch.state / "job.finished").read_bytes()


@pytest.mark.parametrize(("code", "runs"), [(87, 2), (88, 1), (90, 2), (91, 2), (92, 1), (0, 1)])
def test_job_that_the_site_starts_again_for_its_exit_code_runs_again(
    make: Make, tmp_path: Path, code: int, runs: int
) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(
        "#!/bin/sh\necho 'RequeueExit             = 87'\necho 'RequeueExitHold         = 5,90-91'\n"
        "echo 'ResumeTimeout           = 88 sec'\n"
    )
    scontrol.chmod(0o755)
    path = {"PATH": f"{scontrol.parent}{os.pathsep}{os.environ['PATH']}"}
    launch = make(script(f"echo ran; exit {code}"), scheduler=Slurm())
    assert launch.run(environment=path | slurm(JOB_ID=7)) == code

    assert launch.run(environment=path | slurm(JOB_ID=7, RESTART_COUNT=1)) == code

    assert "ran\n" * runs == launch.stdout()
    assert 1 == launch.records().finished[None].restarts


def test_stopped_job_that_is_started_again_runs_again(make: Make, started: Started) -> None:
    launch = make(
        script(f"echo run; [ $JOBFERRY_RESTARTS -gt 0 ] || {{ : >here; {FOREVER}; }}"), scheduler=Slurm()
    )
    process = started(launch, environment=slurm(JOB_ID=7))
    wait_for((launch.folder / "work" / "here").exists, "the job's start", process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM

    assert launch.run(environment=slurm(JOB_ID=7, RESTART_COUNT=1)) == 0

    assert launch.stdout() == "run\nrun\n"
    assert launch.records().finished[None].restarts == 1
    assert (launch.state / "job.finished.0").exists()


def test_killed_job_that_is_started_again_runs_again(make: Make, started: Started) -> None:
    launch = make(
        script(f"echo run; [ $JOBFERRY_RESTARTS -gt 0 ] || {{ : >here; {FOREVER}; }}"), scheduler=Slurm()
    )
    process = started(launch, environment=slurm(JOB_ID=7))
    wait_for((launch.folder / "work" / "here").exists, "the job's start", process)
    end_group(process)
    process.wait(30)

    assert launch.run(environment=slurm(JOB_ID=7, RESTART_COUNT=1)) == 0
    assert launch.stdout() == "run\nrun\n"


def test_second_native_job_leaves_the_task_to_the_first(make: Make) -> None:
    launch = make(script("echo ran; exit 4"), scheduler=Slurm())
    assert launch.run(environment=slurm(JOB_ID=7)) == 4

    # as the task has ended
    assert launch.run(environment=slurm(JOB_ID=8)) == 4

    assert launch.stdout() == "ran\n"
    assert launch.records().finished[None].native_id == "7"
    assert "8 leaves: job of job" in launch.said()


def test_two_that_start_at_once_run_it_once(make: Make, started: Started) -> None:
    launch = make(script("echo ran"), scheduler=Slurm())

    processes = [started(launch, environment=slurm(JOB_ID=number)) for number in range(4)]

    codes = [process.wait(30) for process in processes]
    # who leaves before the end is known leaves without success
    assert {0} <= set(codes) <= {0, 118}
    assert launch.stdout() == "ran\n"


def test_tasks_of_a_native_array_are_apart(make: Make) -> None:
    launch = make(script("echo $JOBFERRY_ARRAY_INDEX; exit $JOBFERRY_ARRAY_INDEX", array=parse_array("3-4")))
    launch = launch.again(scheduler=Slurm()).lay_out()

    codes = [
        launch.run(environment=slurm(JOB_ID=number, ARRAY_JOB_ID=7, ARRAY_TASK_ID=number))
        for number in (3, 4)
    ]

    assert codes == [3, 4]
    records = launch.records()
    assert {3: 3, 4: 4} == {task: finished.exit_code for task, finished in records.finished.items()}
    assert {"7"} == {finished.native_id for finished in records.finished.values()}
    assert [launch.stdout(3), launch.stdout(4)] == ["3\n", "4\n"]


def test_job_cancelled_before_its_start_never_begins(make: Make) -> None:
    launch = make(script("echo ran"))
    (launch.state / "cancel").touch()

    assert launch.run() == 128 + signal.SIGTERM
    finished = launch.records().finished[None]
    assert (finished.started_at, finished.stopped) == (None, "TERM")
    assert launch.stdout() == ""


# -- signals and limits


@pytest.mark.parametrize("name", ["USR1", "USR2"])
def test_warning_reaches_the_command_and_ends_nothing(make: Make, started: Started, name: str) -> None:
    text = f"trap 'echo warned; exit 6' {name}; : >here; while :; do sleep 0.05; done"
    launch = make(script(f"#!/bin/sh\n{text}\n"), scheduler=Slurm())
    process = started(launch, environment=slurm(JOB_ID=7))
    wait_for((launch.folder / "work" / "here").exists, "the job's start", process)

    process.send_signal(getattr(signal, f"SIG{name}"))

    assert process.wait(30) == 6
    assert launch.stdout() == "warned\n"
    assert launch.records().finished[None].stopped is None


def test_time_limit_is_kept(make: Make) -> None:
    launch = make(limited(1, FOREVER))

    assert launch.run() == 128 + signal.SIGTERM
    finished = launch.records().finished[None]
    assert (finished.cause, finished.signal) == ("TIMEOUT", signal.SIGTERM)
    assert not (launch.state / "job.overtime").exists()


def test_job_within_its_limit_is_not_held_up_by_it(make: Make) -> None:
    launch = make(limited(600, "exit 5"))

    assert launch.run() == 5
    assert launch.records().finished[None].cause is None


@needs_proc
def test_limit_of_a_job_whose_launch_script_was_killed_ends_it(make: Make, started: Started) -> None:
    launch = make(limited(2, f"echo $$ >pids; {FOREVER}"))
    process = started(launch)
    body = pids_in(launch.folder / "work" / "pids", 1)
    process.kill()
    process.wait(30)

    wait_for(lambda: not any(map(is_alive, body)), "the job's end")


def test_process_that_has_the_number_of_a_killed_launch_script_is_not_signalled(make: Make) -> None:
    launch = make(script("true"))
    tell = "trap 'echo told' USR1; jobferry_tell_launcher USR1; echo $?"
    lines = f"jobferry_born=0; {tell}; jobferry_born=$(jf_start_time $$); {tell}"

    done = launch.direct("eval", f"{read('launch_direct.sh')}\n{lines}")

    assert "1\ntold\n0\n" == done.stdout


def test_warning_comes_before_the_limit(make: Make) -> None:
    warning = WarningSignal(name="USR1", before=timedelta(seconds=599))
    text = "#!/bin/sh\ntrap 'echo warned; exit 6' USR1; while :; do sleep 0.05; done\n"
    launch = make(limited(600, text, signal=warning))

    assert launch.run() == 6
    assert launch.stdout() == "warned\n"


@needs_proc
def test_cancel_ends_the_whole_tree_even_what_left_the_session(make: Make, started: Started) -> None:
    text = "(sleep 601 & echo $! >>pids; wait) & setsid sh -c 'echo $$ >>pids; exec sleep 602' & sleep 603 & "
    launch = make(script(f"{text} echo $! >>pids; echo $$ >>pids; wait"))
    process = started(launch)
    native_id = launch.native_id(process)
    pids = pids_in(launch.folder / "work" / "pids", 4)
    assert launch.direct("jf_direct_status", native_id).stdout == f"{native_id} R\n"

    cancelled = launch.direct("jf_direct_cancel", native_id)

    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    assert process.wait(30) == 128 + signal.SIGTERM
    wait_for(lambda: not any(map(is_alive, pids)), "the end of the tree")
    finished = launch.records().finished[None]
    assert (finished.stopped, finished.signal) == ("TERM", signal.SIGTERM)
    assert launch.direct("jf_direct_status", native_id).stdout == f"{native_id} gone\n"


@needs_proc
def test_what_the_command_leaves_behind_is_ended(make: Make) -> None:
    launch = make(script("setsid sleep 601 & echo $! >pids; exit 0"))

    assert launch.run() == 0
    wait_for(lambda: not any(map(is_alive, pids_in(launch.folder / "work" / "pids", 1))), "the orphan's end")


@needs_proc
def test_job_whose_launch_script_was_killed_is_ended_by_cancel(make: Make, started: Started) -> None:
    launch = make(script(f"echo $$ >pids; {FOREVER}"))
    process = started(launch)
    native_id = launch.native_id(process)
    pids = pids_in(launch.folder / "work" / "pids", 1)
    process.kill()
    process.wait(30)

    launch.direct("jf_direct_cancel", native_id)

    wait_for(lambda: not any(map(is_alive, pids)), "the job's end")


@needs_proc
def test_command_that_ignores_term_is_killed_in_the_end(make: Make, started: Started) -> None:
    launch = make(script("#!/bin/sh\ntrap '' TERM; echo $$ >pids; while :; do sleep 0.1; done\n"))
    process = started(launch, environment={"jobferry_grace": "1"})
    pids_in(launch.folder / "work" / "pids", 1)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 128 + signal.SIGKILL
    finished = launch.records().finished[None]
    assert (finished.stopped, finished.signal) == ("TERM", signal.SIGKILL)


# -- arrays without a batch system


def test_array_runs_every_task(make: Make) -> None:
    launch = make(
        script("echo $JOBFERRY_ARRAY_INDEX; exit $JOBFERRY_ARRAY_INDEX", array=parse_array("0-2,5"))
    )

    assert launch.run() == 5
    records = launch.records()
    assert {0: 0, 1: 1, 2: 2, 5: 5, None: 5} == {
        task: end.exit_code for task, end in records.finished.items()
    }
    assert ["0\n", "1\n", "2\n", "5\n"] == [launch.stdout(task) for task in (0, 1, 2, 5)]
    assert len({end.native_id for end in records.finished.values()}) == 1


def test_array_keeps_its_limit(make: Make) -> None:
    text = "n=now.$JOBFERRY_ARRAY_INDEX; mkdir $n; ls -d now.* | wc -l >>most; sleep 0.1; rmdir $n"
    launch = make(script(text, array=parse_array("0-7%2")))

    assert launch.run() == 0
    most = [int(word) for word in (launch.folder / "work" / "most").read_text().split()]
    assert len(most) == 8
    assert max(most) == 2


@needs_proc
def test_cancelled_array_ends_its_tasks_and_begins_no_other(make: Make, started: Started) -> None:
    launch = make(script(f"echo $$ >pid.$JOBFERRY_ARRAY_INDEX; {FOREVER}", array=parse_array("0-9%1")))
    process = started(launch)
    native_id = launch.native_id(process)
    pids = pids_in(launch.folder / "work" / "pid.0", 1)

    launch.direct("jf_direct_cancel", native_id)

    assert process.wait(30) == 128 + signal.SIGTERM
    assert not any(map(is_alive, pids))
    finished = launch.records().finished
    assert {0, None} == set(finished)
    assert ("TERM", "TERM") == (finished[0].stopped, finished[None].stopped)


def test_time_limit_is_each_tasks_own(make: Make) -> None:
    launch = make(limited(1, f"[ $JOBFERRY_ARRAY_INDEX = 1 ] || {FOREVER}", array=parse_array("0-1")))

    assert launch.run() == 128 + signal.SIGTERM
    finished = launch.records().finished
    assert ("TIMEOUT", None) == (finished[0].cause, finished[1].cause)


# -- dependencies without a batch system


@pytest.mark.parametrize(
    ("kind", "code", "runs"),
    [
        ("afterok", 0, True),
        ("afterok", 3, False),
        ("afternotok", 3, True),
        ("afternotok", 0, False),
        ("afterany", 3, True),
    ],
)
def test_job_waits_for_another(make: Make, started: Started, kind: str, code: int, runs: bool) -> None:
    first = make(script(f"until [ -f go ]; do sleep 0.02; done; exit {code}"))
    second = make(script("echo ran"))
    process = started(first)
    native_id = first.native_id(process)

    waiting = started(second, f"{kind}:{native_id}")
    second.native_id(waiting)
    assert second.records().started == {}
    (first.folder / "work" / "go").touch()

    assert (waiting.wait(30) == 0) == runs
    assert second.stdout() == ("ran\n" if runs else "")
    assert (second.records().finished[None].cause == "DEPENDENCY") == (not runs)


@needs_proc
def test_job_that_waits_for_one_that_died_without_a_word(make: Make, started: Started) -> None:
    first, second = make(script(FOREVER)), make(script("echo ran"))
    process = started(first)
    native_id = first.native_id(process)
    end_group(process)
    process.wait(30)

    assert second.run(f"afterok:{native_id}") != 0
    assert second.records().finished[None].cause == "DEPENDENCY"
    first.direct("jf_direct_cancel", native_id)


def test_job_that_waits_can_be_cancelled(make: Make, started: Started) -> None:
    first, second = make(script(FOREVER)), make(script("echo ran"))
    native_id = first.native_id(started(first))
    waiting = started(second, f"afterok:{native_id}")
    second_id = second.native_id(waiting)
    (second.state / "cancel").touch()

    second.direct("jf_direct_cancel", second_id)

    waiting.wait(30)
    assert second.records().finished[None].stopped == "TERM"
    assert os.path.exists(first.state / "job.claim")
