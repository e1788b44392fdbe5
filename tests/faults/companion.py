"""One of several clients at once, each a process: ``python -m tests.faults.companion VERB FOLDER NAME``.

It makes ready, writes a line, and begins when it reads one, so that all begin at the same moment.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.store import Store
from jobferry.testing import FakeCluster

LIMIT = timedelta(seconds=60)


def main(verb: str, place: str, name: str) -> None:
    """Do it, and end in 1 when that raised."""
    folder = Path(place)
    client = Client(store=Store(folder / "jobs.db"), config=Config())
    machine = FakeCluster(folder / "cluster").machine(client)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        VERBS[verb](client, machine, folder, name)
    except JobferryError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    finally:
        client.close()


def submit(_: Client, machine: Machine, folder: Path, name: str) -> None:
    machine.submit(f'echo "$SLURM_JOB_ID" >>{folder}/tally/{name}.job', name=name)


def go_on(client: Client, _: Machine, __: Path, ___: str) -> None:
    for _again in range(2):
        client.refresh(client.store.find(), force=True)


def wait(client: Client, _: Machine, __: Path, ___: str) -> None:
    client.wait(client.store.find(), LIMIT)


def cancel(client: Client, _: Machine, __: Path, ___: str) -> None:
    client.cancel(client.store.find())


def fetch(client: Client, _: Machine, folder: Path, __: str) -> None:
    (record,) = client.store.find()
    Job(record, client).fetch(folder / "home")


VERBS = {"submit": submit, "go_on": go_on, "wait": wait, "cancel": cancel, "fetch": fetch}

if __name__ == "__main__":
    main(*sys.argv[1:])
