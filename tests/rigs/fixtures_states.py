"""Sites on real Slurms, for the tests of states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.states import Site
from tests.rigs.slurm import SlurmRig

__all__ = ["accounting", "site_on_slurm"]


@pytest.fixture(params=["off", "on"])
def accounting(request: pytest.FixtureRequest) -> str:
    """Whether there is accounting."""
    return str(request.param)


@pytest.fixture
def site_on_slurm(request: pytest.FixtureRequest, accounting: str, tmp_path: Path) -> Iterator[Site]:
    """A client of a Slurm without accounting, and of one with slurmdbd."""
    rig: SlurmRig = request.getfixturevalue("slurm" if accounting == "off" else "slurm_dbd")
    site = Site(rig, tmp_path)
    yield site
    site.clear()
