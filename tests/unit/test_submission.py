"""What becomes of a submission when something goes wrong before, while and after it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.config import Config
from jobferry.errors import JobferryError, SpecError
from jobferry.ledger import Ledger
from jobferry.machine_handle import Machine
from jobferry.model.status import Failure, JobState
from jobferry.ownership import is_abandoned
from jobferry.store import Store


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    made = Client(config=Config(), store=Store(tmp_path / "jobs.db"))
    yield made
    made.close()


@pytest.fixture
def machine(client: Client, tmp_path: Path) -> Machine:
    return Machine(name="here", scheduler="direct", root=str(tmp_path / "root"), client=client)


def test_job_that_could_not_be_sent_is_never_sent_later(
    machine: Machine, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.write_text("x")

    def unreadable(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        with pytest.raises(SpecError, match="Permission denied"):
            machine.submit_all([["true"], ["true"]], inputs=[str(small)])

    records = client.store.find()
    assert [(JobState.FAILED, Failure.REJECTED)] * 2 == [(r.state, r.status.failure) for r in records]
    assert records == client.refresh(records)


def test_what_one_process_submitted_another_does_not_refuse(machine: Machine, client: Client) -> None:
    draft = client.draft(machine, ["true"], {})
    client.store.add([draft])
    ledger = Ledger(client.store, client.clock)
    part = (draft.id, 1)
    (taken,) = ledger.accepted({part: "7"})

    for late in (
        ledger.refused([part], JobferryError("no")),
        ledger.doubted([part]),
        [ledger.staging(part)],
    ):
        assert [taken] == late


def test_job_taken_over_there_is_known_here_though_it_was_given_up(machine: Machine, client: Client) -> None:
    draft = client.draft(machine, ["true"], {})
    client.store.add([draft])
    ledger = Ledger(client.store, client.clock)
    ledger.refused([(draft.id, 1)], JobferryError("no"))

    (taken,) = ledger.accepted({(draft.id, 1): "7"})

    assert (JobState.QUEUED, "7") == (taken.state, taken.native_id)


def test_submission_of_a_process_elsewhere_is_left_alone_for_some_time(
    machine: Machine, client: Client
) -> None:
    draft = client.draft(machine, ["true"], {})
    left = replace(draft.submissions[0], owner="elsewhere:4711")

    assert not is_abandoned(left, draft.created_at + timedelta(minutes=1))
    assert is_abandoned(left, draft.created_at + timedelta(minutes=11))
