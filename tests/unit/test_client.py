"""What a client holds open."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import jobferry.client
from jobferry.client import Client
from jobferry.config import Config
from jobferry.model.machine import Machine
from jobferry.opened import OpenMachine
from jobferry.store import Store


def test_threads_that_open_a_machine_at_once_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_are_at_it = threading.Barrier(2, timeout=30)

    class Slow(OpenMachine):
        def __init__(self, *words: object) -> None:
            both_are_at_it.wait()
            super().__init__(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(jobferry.client, "OpenMachine", Slow)
    client = Client(config=Config(), store=Store(tmp_path / "jobs.db"))
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(client.open, [Machine(name="here"), Machine(name="here")])
    client.close()

    assert first is second
