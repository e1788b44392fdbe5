"""A client that kills itself with SIGKILL at a line of its code: ``python -m tests.faults.victim PLAN``.

The plan is a JSON file. Each try is a fork of this warm process, and so costs no start of an interpreter.
Lines are watched with `sys.settrace`: the product knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import jobferry

# loaded only when needed: every try would load them anew
import jobferry.results
import jobferry.staging.transfer
import jobferry.testing.transport
from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError
from jobferry.job_handle import Job
from jobferry.machine_handle import Machine
from jobferry.store import Store
from jobferry.testing import FakeClock, FakeCluster

SOURCE = Path(jobferry.__file__).parent
WATCHED = (
    "delivery.py",
    "submission.py",
    "finding.py",
    "resuming.py",
    "ledger.py",
    "payload.py",
    "client.py",
    "control.py",
    "results.py",
    "opened.py",
    "polling.py",
    "looking.py",
    "judging.py",
    "retrying.py",
    "parts.py",
    "store/",
    "transports/",
    "staging/",
)
TOLD = 3
"""The exit code of a try that was told of an error."""


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    ends = []
    for each in plan["tries"]:
        child = os.fork()
        if not child:
            _be_killed(plan, each)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    Path(plan["ends"]).write_text(json.dumps(ends))


def _be_killed(plan: Mapping[str, Any], each: Mapping[str, Any]) -> None:
    code = 1
    try:
        clock = FakeClock()
        clock.advance(plan["seconds"])
        client = Client(store=Store(Path(plan["store"])), clock=clock, config=Config())
        machine = FakeCluster(Path(plan["cluster"])).machine(client)
        steps: dict[tuple[str, int], None] = {}
        sys.settrace(_watch(steps, each["stop"] and tuple(each["stop"])))
        try:
            VERBS[plan["verb"]](client, machine, each)
            code = 0
        except JobferryError as error:
            code = TOLD
            print(error, file=sys.stderr)
        sys.settrace(None)
        if not each["stop"]:
            Path(plan["steps"]).write_text(json.dumps(list(steps)))
        client.close()
    finally:
        os._exit(code)


def _watch(steps: dict[tuple[str, int], None], stop: tuple[str, int] | None) -> Callable[..., Any]:
    begin = f"{SOURCE}/"

    def on_line(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            step = (frame.f_code.co_filename.removeprefix(begin), frame.f_lineno)
            if step == stop:
                os.kill(os.getpid(), signal.SIGKILL)
            steps[step] = None
        return on_line

    def on_call(frame: FrameType, *_: object) -> Any:
        name = frame.f_code.co_filename
        return on_line if name.startswith(begin) and name.removeprefix(begin).startswith(WATCHED) else None

    return on_call


def _submit(client: Client, machine: Machine, each: Mapping[str, Any]) -> None:
    drafts = [client.draft(machine, script, options) for script, options in each["works"]]
    client.submit(machine, drafts)


def _cancel(client: Client, _: Machine, each: Mapping[str, Any]) -> None:
    client.cancel([client.store.get(each["id"])])


def _fetch(client: Client, _: Machine, each: Mapping[str, Any]) -> None:
    Job(client.store.get(each["id"]), client).fetch(each["to"])


def _refresh(client: Client, _: Machine, each: Mapping[str, Any]) -> None:
    client.refresh([client.store.get(each["id"])], force=True)


def _look(client: Client, _: Machine, each: Mapping[str, Any]) -> None:
    client.refresh([client.store.get(each["id"])])


VERBS = {"submit": _submit, "refresh": _refresh, "look": _look, "cancel": _cancel, "fetch": _fetch}

if __name__ == "__main__":
    main()
