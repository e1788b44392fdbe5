"""What the fake batch system knows of a job's wishes, and how it starts jobs again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.testing import FakeCluster
from tests.unit.fake_programs import call, squeue, submit, write_script

# asks for a new run the first time, by an id that is made of its own variables
REQUEUES_ITSELF = """
echo "run ${SLURM_RESTART_COUNT-0} of $SLURM_JOB_ID"
trap 'echo asked to end; exit 3' TERM
[ -z "$SLURM_RESTART_COUNT" ] || exit 0
scontrol requeue %s
echo "scontrol: $?"
sleep 60 & wait
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", nodes=("fake1", "fake2", "fake3")) as cluster:
        yield cluster


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", autostart=False, nodes=("fake1", "fake2")) as cluster:
        yield cluster


def shown(cluster: FakeCluster, native_id: str) -> dict[str, str]:
    said = call(cluster, "scontrol", "show", "job", "-o", native_id)[1]
    return dict(word.split("=", 1) for word in said.split())


def log_of(cluster: FakeCluster, name: str = "log") -> str:
    path = cluster.folder / name
    return path.read_text() if path.exists() else ""


# -- what is asked for


def test_what_was_asked_for_is_remembered_and_shown(idle: FakeCluster) -> None:
    submit(
        idle,
        "#SBATCH --mem=2048 --time=90 --requeue\n#SBATCH --signal=B:USR1@60",
        *("--no-requeue", "--exclude=fake1", "--comment=two words"),
    )

    assert {
        "mem": "2048",
        "time": "90",
        "no-requeue": "",
        "signal": "B:USR1@60",
        "exclude": "fake1",
        "comment": "two words",
    } == idle.jobs[0].asked
    fields = shown(idle, "1")
    assert ("2G", "01:30:00", "0") == (fields["MinMemoryNode"], fields["TimeLimit"], fields["Requeue"])
    assert ("(null)", "fake1") == (fields["ReqNodeList"], fields["ExcNodeList"])


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ("1", "00:01:00"),
        ("1:30", "00:01:30"),
        ("2:00:05", "02:00:05"),
        ("1-2", "1-02:00:00"),
        ("1-2:3", "1-02:03:00"),
        ("2000", "1-09:20:00"),
    ],
)
def test_time_is_read_as_sbatch_reads_it(idle: FakeCluster, asked: str, limit: str) -> None:
    submit(idle, "true", f"--time={asked}")

    assert limit == shown(idle, "1")["TimeLimit"]


@pytest.mark.parametrize(
    ("asked", "memory"), [("50", "50M"), ("1500M", "1500M"), ("4G", "4G"), ("2048K", "2M"), ("0", "0")]
)
def test_memory_is_read_as_sbatch_reads_it(idle: FakeCluster, asked: str, memory: str) -> None:
    submit(idle, "true", f"--mem={asked}")

    assert memory == shown(idle, "1")["MinMemoryNode"]


@pytest.mark.parametrize("option", ["--time=soon", "--mem=much", "--mem-per-cpu=2X", "--signal=WAKEUP@60"])
def test_wish_that_cannot_be_read_is_no_submission(idle: FakeCluster, option: str) -> None:
    write_script(idle, "true")
    name = option.partition("=")[0]

    assert (255, "", f"sbatch: error: Invalid {name} specification\n") == call(
        idle, "sbatch", option, "job.sh"
    )


# -- nodes


def test_job_gets_the_first_node_it_may_have(cluster: FakeCluster) -> None:
    submit(cluster, "echo $SLURM_JOB_NODELIST", "--exclude=fake[1-2]", "--output=log")
    submit(cluster, "true", "-w", "fake2")
    submit(cluster, "true", "-x", "fake2")
    cluster.wait_for_jobs("COMPLETED")

    assert ["fake3", "fake2", "fake1"] == [job.node for job in cluster.jobs]
    assert ["fake3", "fake2", "fake1"] == squeue(cluster, "%N", "--states=all")
    assert "1|fake3\n2|fake2\n3|fake1\n" == call(cluster, "sacct", "-nPX", "--format=JobID,NodeList")[1]
    assert "fake3\n" == log_of(cluster)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--exclude=fake9",), "Invalid node name specified"),
        (("--nodelist=fake2", "--exclude=fake2"), "Invalid node name specified"),
        (("--exclude=fake[1-3]",), "Requested node configuration is not available"),
    ],
)
def test_job_that_can_never_have_a_node_is_refused(
    cluster: FakeCluster, options: tuple[str, ...], words: str
) -> None:
    write_script(cluster, "true")

    assert (1, "", f"sbatch: error: Batch job submission failed: {words}\n") == call(
        cluster, "sbatch", *options, "job.sh"
    )


def test_job_whose_nodes_are_down_waits_until_one_is_up(cluster: FakeCluster) -> None:
    cluster.set_node("fake2", up=False)
    submit(cluster, "true", "--exclude=fake1,fake3")
    assert ["1 PENDING ReqNodeNotAvail, UnavailableNodes:fake2"] == squeue(cluster)

    cluster.set_node("fake2", up=True)

    cluster.wait_for_jobs("COMPLETED")
    assert "fake2" == cluster.jobs[0].node


# -- starting again


def test_job_requeues_itself_and_counts_its_starts(cluster: FakeCluster) -> None:
    submit(cluster, REQUEUES_ITSELF % "$SLURM_JOB_ID", "--output=log")

    cluster.wait_for_jobs("COMPLETED")

    assert ("1", 1) == (cluster.jobs[0].native_id, cluster.jobs[0].restarts)
    assert ["run 0 of 1", "asked to end", "run 1 of 1"] == [
        # whether scontrol lives to be heard is a matter of moments, in Slurm too
        line
        for line in log_of(cluster).splitlines()
        if line.startswith(("run", "asked"))
    ]


@pytest.mark.parametrize("own_id", ["$SLURM_JOB_ID", "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"])
def test_task_requeues_itself_and_no_other(cluster: FakeCluster, own_id: str) -> None:
    script = f'if [ "$SLURM_ARRAY_TASK_ID" = 4 ]; then {REQUEUES_ITSELF % own_id}\nfi'
    submit(cluster, script, "--array=3-5", "--output=log.%a")

    cluster.wait_for_jobs("COMPLETED")

    assert [("1_3", 0), ("1_4", 1), ("1_5", 0)] == [(job.native_id, job.restarts) for job in cluster.jobs]
    assert "run 0 of 3" in log_of(cluster, "log.4")
    assert "run 1 of 3" in log_of(cluster, "log.4")


def test_last_task_has_the_number_of_the_array_as_in_slurm(cluster: FakeCluster) -> None:
    submit(cluster, 'echo "$SLURM_JOB_ID"; sleep 60', "--array=1,2", "--output=log.%a")
    cluster.wait_for(lambda _: log_of(cluster, "log.1") != "" and log_of(cluster, "log.2") != "")

    assert ("2\n", "1\n") == (log_of(cluster, "log.1"), log_of(cluster, "log.2"))
    assert (0, "", "") == call(cluster, "scontrol", "requeue", "1")
    cluster.wait_for(lambda _: [1, 1] == [job.restarts for job in cluster.jobs])


def test_requeued_job_waits_without_a_node(idle: FakeCluster) -> None:
    submit(idle, "sleep 60", "--array=1-3")
    idle.start_jobs("1_1", "1_2")

    assert (0, "", "") == call(idle, "scontrol", "requeue", "1_2")
    idle.wait_for(lambda _: "PENDING" == idle.jobs[1].state)

    assert [
        "1_1|RUNNING|None|fake1",
        "1_2|PENDING|BeginTime|",
        "1_[3]|PENDING|Resources|",
    ] == squeue(idle, "%i|%T|%r|%N")
    assert (
        "1_2|PENDING|Unknown|None assigned\n"
        == (call(idle, "sacct", "-nPX", "--jobs=1_2", "--format=JobID,State,Start,NodeList")[1])
    )
    assert ("1", "1_2") == (shown(idle, "1_2")["Restarts"], squeue(idle, "%i", "--jobs=1_2")[0])


@pytest.mark.parametrize(
    ("native_id", "words"),
    [
        ("99", "Invalid job id specified for job 99"),
        ("1_9", "1_9: Invalid job id specified"),
        ("x", "Invalid job id specified for job x"),
        ("1", "1_0-1: Job is pending execution"),
        ("1_1", "1_1: Job is pending execution"),
        ("3", "Job is pending execution for job 3"),
        ("4", "Requested operation is presently disabled for job 4"),
        ("5", "5_1-3: Requested operation is presently disabled"),
        ("5_2", "5_2: Requested operation is presently disabled"),
    ],
)
def test_requeue_that_cannot_be_is_refused_in_slurms_words(
    idle: FakeCluster, native_id: str, words: str
) -> None:
    submit(idle, "true", "--array=0-1")
    submit(idle, "true")
    submit(idle, "sleep 60", "--no-requeue")
    submit(idle, "sleep 60", "--no-requeue", "--array=1-3")
    idle.start_jobs("4", "5")

    assert (1, "", f"{words}\n") == call(idle, "scontrol", "requeue", native_id)


def test_job_that_may_not_be_requeued_goes_on(cluster: FakeCluster) -> None:
    submit(cluster, "scontrol requeue $SLURM_JOB_ID; echo $?", "--no-requeue", "--output=log")

    cluster.wait_for_jobs("COMPLETED")

    assert "Requested operation is presently disabled for job 1\n1\n" == log_of(cluster)
    assert 0 == cluster.jobs[0].restarts


def test_cancel_of_a_job_that_is_being_requeued_counts(cluster: FakeCluster) -> None:
    submit(
        cluster, "trap 'while [ ! -e go ]; do sleep 0.01; done' TERM; echo up; sleep 60 & wait", "-o", "log"
    )
    cluster.wait_for(lambda _: "up\n" == log_of(cluster))

    call(cluster, "scontrol", "requeue", "1")
    assert ["1 COMPLETING"] == squeue(cluster, "%i %T")
    assert (1, "", "Job is pending execution for job 1\n") == call(cluster, "scontrol", "requeue", "1")
    call(cluster, "scancel", "1")
    (cluster.folder / "go").touch()

    cluster.wait_for_jobs("CANCELLED")
    assert 0 == cluster.jobs[0].restarts


# -- warnings and ends from outside


def test_warning_reaches_the_batch_shell_alone(cluster: FakeCluster) -> None:
    submit(
        cluster,
        "trap 'echo warned; exit 0' USR1\n(trap 'echo wrong' USR1; sleep 60) &\necho up; wait",
        *("--signal=B:USR1@60", "--output=log"),
    )
    cluster.wait_for(lambda _: "up\n" == log_of(cluster))

    cluster.warn("1")

    cluster.wait_for_jobs("COMPLETED")
    assert "up\nwarned\n" == log_of(cluster)


def test_one_task_is_warned_alone(cluster: FakeCluster) -> None:
    submit(
        cluster,
        "trap 'exit 9' TERM; echo up; sleep 60 & wait",
        *("--signal=B:SIGTERM@60", "--array=3,4", "--output=log.%a"),
    )
    cluster.wait_for(lambda _: "up\nup\n" == log_of(cluster, "log.3") + log_of(cluster, "log.4"))

    cluster.warn("1_3")

    cluster.wait_for(lambda _: "FAILED" == cluster.jobs[0].state)
    assert "RUNNING" == cluster.jobs[1].state


@pytest.mark.parametrize("options", [(), ("--signal=USR1@60",), ("--signal=B:USR1@60", "--hold")])
def test_job_that_is_owed_no_warning_gets_none(cluster: FakeCluster, options: tuple[str, ...]) -> None:
    submit(cluster, "sleep 60", *options)

    with pytest.raises(ValueError, match="no running job 1 asked"):
        cluster.warn("1")


@pytest.mark.parametrize("word", ["TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"])
def test_one_task_ends_for_a_cause(cluster: FakeCluster, word: str) -> None:
    submit(cluster, "trap 'echo bye; exit 0' TERM; echo up; sleep 60 & wait", "--array=2,3", "-o", "log.%a")
    cluster.wait_for(lambda _: "up\nup\n" == log_of(cluster, "log.2") + log_of(cluster, "log.3"))

    cluster.set_state("1_3", word)

    cluster.wait_for(lambda _: word == cluster.jobs[1].state)
    assert ["1_2 RUNNING", f"1_3 {word}"] == squeue(cluster, "%i %T", "--states=all")
    assert f"1_3|{word}" in call(cluster, "sacct", "-nPX", "--format=JobID,State")[1]
    last = "up\nbye\n" if word in ("TIMEOUT", "PREEMPTED") else "up\n"
    assert last == log_of(cluster, "log.3")
