"""Waiting on a real Slurm behind a real sshd: being told, asking little, and through broken links."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from jobferry.client import Client
from jobferry.config import Config
from jobferry.machine_handle import Machine
from jobferry.model.status import JobState
from jobferry.store import Store
from tests.live.openssh import cut_connections, needs_root
from tests.rigs.fixtures_cluster import Cluster, MakeMachine
from tests.rigs.sshd import poll_until

pytestmark = pytest.mark.live

USER = "jf-alice"
# so that no second question is due while a test runs, however busy this computer is
SELDOM = timedelta(minutes=10)


def questions(cluster: Cluster) -> int:
    """How many times the controller was asked about jobs, by its own count."""
    said = cluster.slurm.run("sdiag").stdout
    kinds = re.findall(r"^\s*REQUEST_JOB_(?:USER_)?INFO\w*\s*\(.*?count:(\d+)", said, re.MULTILINE)
    return sum(map(int, kinds))


@needs_root
def test_end_of_a_job_costs_the_controller_nothing(cluster: Cluster, over_there: MakeMachine) -> None:
    machine = over_there(USER, poll_interval=SELDOM)
    machine.submit(["true"], time="5m").wait(60)
    before = questions(cluster)

    job = machine.submit(["sh", "-c", "sleep 2; exit 3"], time="5m")
    job.wait(60)

    assert (JobState.FAILED, 3) == (job.state, job.exit_code)
    # its end was told by its record
    assert before == questions(cluster)


@needs_root
def test_many_clients_and_jobs_ask_as_one(cluster: Cluster, over_there: MakeMachine, client: Client) -> None:
    machine = over_there(USER, poll_interval=SELDOM)
    jobs = machine.submit_all([["sh", "-c", "sleep 2"]] * 6, time="5m")
    before = questions(cluster)

    def wait(number: int) -> list[JobState]:
        one = Client(config=Config(), store=Store(client.store.path))
        try:
            ended = one.wait([jobs[2 * number].record, jobs[2 * number + 1].record])
            return [record.state for record in ended]
        finally:
            one.close()

    with ThreadPoolExecutor(3) as pool:
        states = list(pool.map(wait, range(3)))

    assert [[JobState.COMPLETED] * 2] * 3 == states
    # three clients and six jobs
    assert questions(cluster) - before <= 1


def test_waiting_goes_on_through_cut_links(cluster: Cluster, over_there: MakeMachine, client: Client) -> None:
    machine = over_there()
    gate = cluster.slurm.work / f"gate-{time.monotonic_ns()}"
    job = machine.submit(["sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done"], time="5m")
    notices: list[str] = []

    with ThreadPoolExecutor(1) as pool:
        connection = client.open(machine).connection
        waiting = pool.submit(client.wait, [job.record], notice=notices.append)
        for _ in range(3):
            started = connection.processes
            poll_until(lambda before=started: connection.processes > before, limit=60)  # type: ignore[misc]
            cut_connections(cluster.sshd, "plain")
        gate.touch()

        assert JobState.COMPLETED is waiting.result(60)[0].state
    assert all("trying again" in words for words in notices)


@needs_root
def test_client_that_lost_its_login_waits_for_a_person(
    cluster: Cluster, over_there: MakeMachine, client: Client
) -> None:
    machine: Machine = over_there(USER)
    gate = cluster.slurm.work / f"gate-{time.monotonic_ns()}"
    job = machine.submit(["sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done"], time="5m")
    keys = cluster.sshd.folder / "keys" / USER
    accepted = keys.read_text()
    notices: list[str] = []
    needs_login = threading.Event()

    def note(words: str) -> None:
        notices.append(words)
        if words.startswith("needs login"):
            needs_login.set()

    with ThreadPoolExecutor(1) as pool:
        try:
            connection = client.open(machine).connection
            started = connection.processes
            waiting = pool.submit(client.wait, [job.record], notice=note)
            poll_until(lambda: connection.processes > started, what="a wait over there")
            keys.write_text("")
            cut_connections(cluster.sshd, "plain")
            assert needs_login.wait(60), notices
        finally:
            keys.write_text(accepted)
            gate.touch()
        # a person comes, at whatever terminal
        machine.login()

        assert JobState.COMPLETED is waiting.result(60)[0].state
    assert "jobferry login rig" in notices[-1]
