"""The sshd rig as a fixture, started once and only if a test asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.openssh import CountedSsh
from tests.rigs.sshd import SshdRig, missing

__all__ = ["counted", "runtime", "sshd"]


@pytest.fixture(scope="session")
def sshd() -> Iterator[SshdRig]:
    """Servers of every temper; the control sockets of this session are kept apart from the user's own."""
    if reason := missing():
        pytest.skip(reason)
    with SshdRig() as rig, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(rig.runtime))
        yield rig


@pytest.fixture
def counted(sshd: SshdRig, tmp_path: Path) -> CountedSsh:
    """An ssh to the rig that writes down how it was called."""
    return CountedSsh(tmp_path, sshd.config)


@pytest.fixture
def runtime(sshd: SshdRig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for control sockets that no other test has used."""
    folder = sshd.folder / f"run{time.monotonic_ns():x}"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder
