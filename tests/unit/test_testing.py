"""The public fakes: a clock, a transport, a batch system."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobferry.conformance.transports import TransportSuite
from jobferry.errors import AuthError, ConnectError, TransportError
from jobferry.model.command import Command, CommandResult
from jobferry.testing import FakeClock, FakeCluster, FakeTransport, Fault
from jobferry.transports.connection import Connection
from jobferry.transports.local import LocalTransport
from tests.unit.fake_programs import call, submit

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HELLO = CommandResult(exit_code=0, stdout=b"hello\n")


# -- the clock


def test_clock_stands_still_by_itself() -> None:
    clock = FakeClock(NOON)

    assert [clock.now(), clock.now()] == [NOON, NOON]


def test_sleep_lets_time_pass_at_once() -> None:
    clock = FakeClock(NOON)

    clock.sleep(90)
    clock.advance(timedelta(hours=1))

    assert clock.now() == NOON + timedelta(hours=1, seconds=90)
    assert clock.monotonic() == 3690
    assert clock.slept == [90]


def test_clock_goes_only_forward() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        FakeClock().sleep(-1)


def test_planned_calls_come_in_the_order_of_their_moments() -> None:
    clock = FakeClock(NOON)
    seen: list[tuple[str, datetime]] = []
    clock.after(20, lambda: seen.append(("second", clock.now())))
    clock.at(NOON + timedelta(seconds=10), lambda: seen.append(("first", clock.now())))
    clock.after(60, lambda: seen.append(("never", clock.now())))

    clock.sleep(30)

    assert seen == [("first", NOON + timedelta(seconds=10)), ("second", NOON + timedelta(seconds=20))]
    assert clock.now() == NOON + timedelta(seconds=30)


def test_planned_call_may_plan_another_and_sleep() -> None:
    clock = FakeClock(NOON)
    seen: list[float] = []

    def again() -> None:
        seen.append(clock.monotonic())
        clock.sleep(1)
        clock.after(1, again)

    clock.after(0, again)
    clock.advance(5)

    assert seen == [0, 2, 4]


def test_sleeps_of_many_threads_add_up() -> None:
    clock = FakeClock()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(clock.sleep, [0.5] * 200))

    assert clock.monotonic() == 100


# -- the transport


class TestFakeTransportOverAnother(TransportSuite):
    """Without faults it is as good as what is under it."""

    @pytest.fixture
    def transport(self) -> Iterator[FakeTransport]:
        transport = FakeTransport(over=LocalTransport())
        yield transport
        transport.close()


@pytest.fixture
def over_local() -> FakeTransport:
    return FakeTransport(over=LocalTransport())


def command(*argv: str) -> Command:
    return Command(argv=argv)


def test_answer_is_given_and_the_command_noted() -> None:
    transport = FakeTransport()
    transport.answer(("hostname",), HELLO)

    assert transport.run(command("hostname", "-f")) == HELLO
    assert transport.commands == [command("hostname", "-f")]


def test_the_answer_given_last_counts() -> None:
    transport = FakeTransport()
    transport.answer(lambda _: True, HELLO)
    transport.answer(("date",), CommandResult(exit_code=1), times=1)

    codes = [transport.run(command("date")).exit_code for _ in range(2)]

    assert codes == [1, 0]


def test_answer_may_be_made_of_command_and_input() -> None:
    transport = FakeTransport()
    transport.answer(
        ("cat",), lambda asked, data: CommandResult(exit_code=len(asked.argv), stdout=data.upper())
    )

    assert transport.run(command("cat"), stdin=b"quiet").stdout == b"QUIET"
    assert transport.run(command("cat"), stdin=iter([b"a", b"b"])).stdout == b"AB"


def test_answer_may_be_an_error() -> None:
    transport = FakeTransport()
    transport.answer(("id",), AuthError("who are you"))

    with pytest.raises(AuthError, match="who are you"):
        transport.run(command("id"))


def test_command_without_an_answer_is_a_mistake_in_the_test() -> None:
    with pytest.raises(LookupError, match="no answer for: ls -l"):
        FakeTransport().run(command("ls", "-l"))


def test_stream_yields_an_answer_and_raises_a_failure() -> None:
    transport = FakeTransport()
    transport.answer(("good",), HELLO)
    transport.answer(("bad",), CommandResult(exit_code=2, stderr=b"it broke"))

    assert b"".join(transport.stream(command("good"))) == b"hello\n"
    with pytest.raises(TransportError, match="it broke"):
        list(transport.stream(command("bad")))


def test_scripted_process_waits_for_its_input() -> None:
    transport = FakeTransport()
    transport.answer(("wc",), lambda _, data: CommandResult(exit_code=0, stdout=str(len(data)).encode()))

    process = transport.start(command("wc"))
    process.stdin.write(b"four")
    assert process.poll() is None
    process.stdin.close()

    assert (process.wait(), process.stdout.read()) == (0, b"4")


def test_killed_scripted_process_has_ended() -> None:
    transport = FakeTransport()
    transport.answer(("wc",), lambda _, data: HELLO)

    process = transport.start(command("wc"))
    process.kill()

    assert (process.wait(), process.stdout.read()) == (137, b"")


def test_next_starts_fail_as_told(over_local: FakeTransport) -> None:
    over_local.fail_next(2, ConnectError("no route to host"))

    for _ in range(2):
        with pytest.raises(ConnectError, match="no route to host"):
            over_local.run(command("true"))
    assert over_local.run(command("true")).exit_code == 0
    assert len(over_local.commands) == 3


@pytest.mark.parametrize("size", [0, 1, 5, 9])
def test_output_is_cut_after_so_many_bytes(over_local: FakeTransport, size: int) -> None:
    over_local.cut_after(size)
    with pytest.raises(ConnectError, match="lost"):
        over_local.run(command("printf", "0123456789"))

    over_local.cut_after(size)
    process = over_local.start(command("printf", "0123456789"))
    assert b"".join(iter(lambda: process.stdout.read(3), b"")) == b"0123456789"[:size]
    assert process.wait() == 255
    process.stdout.close()
    process.stderr.close()


def test_scripted_output_is_cut_too() -> None:
    transport = FakeTransport()
    transport.answer(lambda _: True, HELLO)
    transport.cut_after(3)

    stream = transport.stream(command("x"))
    assert next(stream) == b"hel"
    with pytest.raises(ConnectError, match="lost"):
        next(stream)


def test_cut_is_heard_at_once_and_what_runs_goes_on(over_local: FakeTransport, tmp_path: Path) -> None:
    # it waits for a line that never comes, so it ends only by losing its input
    script = 'echo here; read line; echo more; : >"$1/done"'
    process = over_local.start(command("sh", "-c", script, "sh", str(tmp_path)))
    assert process.stdout.read(5) == b"here\n"

    over_local.cut()

    assert process.stdout.read(5) == b""
    assert (process.poll(), process.wait()) == (255, 255)
    process.stdout.close()
    process.stderr.close()
    FakeCluster(tmp_path).wait_for(lambda _: (tmp_path / "done").exists())


def test_machine_is_down_between_two_moments() -> None:
    clock = FakeClock(NOON)
    transport = FakeTransport(over=LocalTransport(), clock=clock)
    transport.down(NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))
    process = transport.start(command("cat"))

    clock.advance(60)
    with pytest.raises(ConnectError, match="out of reach"):
        transport.run(command("true"))
    assert process.wait() == 255
    process.stdout.close()
    process.stderr.close()

    clock.advance(60)
    assert transport.run(command("true")).exit_code == 0


def test_outage_needs_a_clock(over_local: FakeTransport) -> None:
    with pytest.raises(ValueError, match="clock"):
        over_local.down(NOON, NOON)


def test_held_open_shell_is_replaced_after_a_cut(over_local: FakeTransport) -> None:
    with Connection(over_local, clock=FakeClock()) as connection:
        assert connection.request("echo one").stdout == b"one\n"
        over_local.cut()
        assert connection.request("echo two").stdout == b"two\n"

    assert [asked.argv for asked in over_local.commands] == [("/bin/sh",)] * 2


def test_environment_is_added_to_what_is_passed_on() -> None:
    transport = FakeTransport(over=LocalTransport(), environment={"WHO": "fake", "WHAT": "x"})
    asked = Command(argv=("sh", "-c", 'echo "$WHO $WHAT"'), environment={"WHAT": "mine"})

    assert transport.run(asked).stdout == b"fake mine\n"
    assert transport.commands == [asked]


# -- the batch system, as its programs show it


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", autostart=False) as cluster:
        yield cluster


def test_script_and_command_line_both_give_options(cluster: FakeCluster) -> None:
    submit(cluster, '#SBATCH --job-name="from script" -p gpu', "-J", "mine", "--hold")

    assert call(cluster, "squeue", "-h", "--format=%i|%j|%T|%r") == (0, "1|mine|PENDING|JobHeldUser\n", "")
    cluster.start_jobs()
    assert [job.state for job in cluster.jobs] == ["PENDING"]


def test_job_runs_with_the_variables_of_its_kind(cluster: FakeCluster) -> None:
    submit(
        cluster,
        'echo "$SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_SUBMIT_DIR ${SLURM_RESTART_COUNT-none}"',
        "--array=3,5",
        "--output=log.%A.%a",
    )

    cluster.start_jobs()
    cluster.wait_for_jobs("COMPLETED")

    said = (cluster.folder / "log.1.5").read_text()
    assert said == f"1 5 {cluster.folder} none\n"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("sbatch", "-p", "nowhere", "job.sh"), 1, "Invalid partition name specified"),
        (("sbatch", "--array=0-1001", "job.sh"), 1, "Invalid job array specification"),
        (("sbatch", "--dependency=afterok:x", "job.sh"), 1, "Job dependency problem"),
        (("sbatch", "--nonsense", "job.sh"), 255, "unrecognized option"),
        (("sbatch", "missing.sh"), 255, "Unable to open file"),
        (("squeue", "--jobs=99"), 1, "Invalid job id specified"),
        (("scontrol", "show", "job", "99"), 1, "Invalid job id specified"),
        (("scontrol", "hold", "99"), 1, "Invalid job id specified"),
    ],
)
def test_wrong_is_refused_in_slurms_words(
    cluster: FakeCluster, argv: tuple[str, ...], code: int, words: str
) -> None:
    (cluster.folder / "job.sh").write_text("#!/bin/sh\n")

    found, _, errors = call(cluster, *argv)

    assert found == code
    assert words in errors
    assert cluster.jobs == []


def test_two_unknown_ids_are_no_error_as_in_slurm(cluster: FakeCluster) -> None:
    assert call(cluster, "squeue", "-h", "--jobs=98,99") == (0, "", "")


def test_waiting_array_is_one_row_and_started_tasks_have_their_own(cluster: FakeCluster) -> None:
    submit(cluster, "sleep 60", "--array=0-2,7%2")
    assert call(cluster, "squeue", "-h", "--format=%i %T")[1] == "1_[0-2,7%2] PENDING\n"

    cluster.start_jobs()

    rows = call(cluster, "squeue", "-h", "--format=%i %T %r")[1].splitlines()
    assert rows == [
        "1_0 RUNNING None",
        "1_1 RUNNING None",
        "1_[2,7%2] PENDING JobArrayTaskLimit",
    ]


def test_queue_forgets_and_accounting_does_not(cluster: FakeCluster) -> None:
    submit(cluster, "exit 3")
    cluster.start_jobs()
    cluster.wait_for_jobs("FAILED")
    assert call(cluster, "squeue", "-h", "--states=all", "--format=%i %T")[1] == "1 FAILED\n"

    cluster.forget("1")

    assert call(cluster, "squeue", "-h", "--states=all")[1] == ""
    assert call(cluster, "sacct", "-nPX", "--jobs=1", "--format=JobID,State,ExitCode")[1] == "1|FAILED|3:0\n"


def test_cancelled_job_may_say_its_last_words(cluster: FakeCluster) -> None:
    submit(cluster, "trap 'echo bye; exit 0' TERM; echo up; sleep 60 & wait", "--output=log")
    cluster.start_jobs()
    log = cluster.folder / "log"
    cluster.wait_for(lambda _: log.exists() and log.read_text() == "up\n")

    assert call(cluster, "scancel", "1") == (0, "", "")
    cluster.wait_for_jobs("CANCELLED")

    assert log.read_text() == "up\nbye\n"


def test_job_dies_with_its_node_without_a_word(cluster: FakeCluster) -> None:
    submit(cluster, "trap 'echo bye' TERM EXIT; echo up; sleep 60 & wait", "--output=log")
    cluster.start_jobs()
    log = cluster.folder / "log"
    cluster.wait_for(lambda _: log.exists() and log.read_text() == "up\n")

    cluster.set_state("1", "NODE_FAIL")

    assert [job.state for job in cluster.jobs] == ["NODE_FAIL"]
    assert log.read_text() == "up\n"


def test_requeued_job_keeps_its_id_and_counts(cluster: FakeCluster) -> None:
    submit(
        cluster, 'echo ${SLURM_RESTART_COUNT-0}; [ -n "$SLURM_RESTART_COUNT" ] || sleep 60', "--output=log"
    )
    cluster.start_jobs()
    cluster.wait_for(lambda _: (cluster.folder / "log").exists())

    cluster.requeue("1")
    cluster.wait_for_jobs("PENDING")
    cluster.start_jobs()
    cluster.wait_for_jobs("COMPLETED")

    assert (cluster.jobs[0].native_id, cluster.jobs[0].restarts) == ("1", 1)
    assert (cluster.folder / "log").read_text() == "0\n1\n"


def test_used_id_means_the_newer_job(cluster: FakeCluster) -> None:
    submit(cluster, "true", "-J", "old")
    cluster.reuse_id("1")

    assert submit(cluster, "true", "-J", "new") == "1"
    assert call(cluster, "squeue", "-h", "--jobs=1", "--format=%j")[1] == "new\n"


def test_word_is_shown_in_the_place_of_the_truth(cluster: FakeCluster) -> None:
    submit(cluster, "true")

    cluster.set_state("1", "QUANTUM_LEAP")
    assert call(cluster, "squeue", "-h", "--jobs=1", "--format=%T")[1] == "QUANTUM_LEAP\n"

    cluster.set_state("1", "")
    assert call(cluster, "squeue", "-h", "--jobs=1", "--format=%T")[1] == "PENDING\n"


def test_fault_lasts_so_many_calls(cluster: FakeCluster) -> None:
    cluster.inject(Fault.TIMED_OUT, "squeue", times=2)

    codes = [call(cluster, "squeue")[0] for _ in range(3)]

    assert codes == [1, 1, 0]


def test_fault_lasts_until_it_is_cleared(cluster: FakeCluster) -> None:
    cluster.inject(Fault.DOWN)
    assert call(cluster, "sinfo")[0] == 1

    cluster.clear(Fault.DOWN)
    assert call(cluster, "sinfo")[0] == 0


def test_failure_that_was_none_leaves_a_job(cluster: FakeCluster) -> None:
    (cluster.folder / "job.sh").write_text("#!/bin/sh\n")
    cluster.inject(Fault.ACCEPTED_THEN_FAILED)

    code, said, errors = call(cluster, "sbatch", "job.sh")

    assert (code, said) == (1, "")
    assert "Zero Bytes were transmitted" in errors
    assert len(cluster.jobs) == 1


def test_program_that_hangs_goes_on_when_cleared(cluster: FakeCluster) -> None:
    cluster.inject(Fault.HANG, "sinfo")

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, cluster, "sinfo", "-h", "-o", "%P")
        cluster.wait_for(lambda _: cluster.called("sinfo") != [] and cluster.hung == 1)
        assert not asked.done()
        cluster.clear()

        assert asked.result() == (0, "cpu*\ngpu\n", "")


def test_accounting_may_be_off_or_down(cluster: FakeCluster) -> None:
    cluster.set_accounting("off")
    assert "accounting_storage/none" in call(cluster, "scontrol", "show", "config")[1]
    assert call(cluster, "sacct") == (1, "", "Slurm accounting storage is disabled\n")

    cluster.set_accounting("down")
    assert "accounting_storage/slurmdbd" in call(cluster, "scontrol", "show", "config")[1]
    assert call(cluster, "sacct")[0] == 1


def test_accounting_that_lags_knows_nothing_new(cluster: FakeCluster) -> None:
    submit(cluster, "true")
    cluster.inject(Fault.ACCOUNTING_LAGS)
    submit(cluster, "true")
    cluster.start_jobs()
    cluster.wait_for_jobs("COMPLETED")

    assert call(cluster, "sacct", "-nPX", "--format=JobID,State")[1] == "1|PENDING\n"


def test_calls_are_written_down_word_for_word(cluster: FakeCluster) -> None:
    call(cluster, "sbatch", "--version")
    call(cluster, "squeue", "--name=two words\n")

    assert cluster.calls == [["sbatch", "--version"], ["squeue", "--name=two words\n"]]
    assert cluster.called("sbatch") == []


def test_leaving_ends_what_still_runs(tmp_path: Path) -> None:
    with FakeCluster(tmp_path) as cluster:
        submit(cluster, f"trap 'echo end >{tmp_path}/end' EXIT; echo up >{tmp_path}/up; sleep 60 & wait")
        cluster.wait_for(lambda _: (tmp_path / "up").exists())

    assert [job.state for job in cluster.jobs] == ["CANCELLED"]
    assert not (tmp_path / "end").exists()


def test_twenty_submissions_at_once_are_twenty_jobs(cluster: FakeCluster) -> None:
    (cluster.folder / "job.sh").write_text("#!/bin/sh\n")

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: call(cluster, "sbatch", "--parsable", "job.sh")[1], range(20)))

    assert sorted(int(native_id) for native_id in said) == list(range(1, 21))
