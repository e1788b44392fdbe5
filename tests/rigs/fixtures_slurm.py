"""The Slurms a test can ask for; one of each a session (and a worker), started when first used."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import pytest

from tests.rigs.slurm import SlurmRig, missing

__all__ = ["slurm", "slurm_dbd"]


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmRig]:
    """Two nodes, no accounting."""
    if reason := missing():
        pytest.skip(reason)
    with SlurmRig() as rig:
        yield rig


@pytest.fixture(scope="session")
def slurm_dbd() -> Iterator[SlurmRig]:
    """Two nodes and slurmdbd; the rigs' own users are in the account `lab`."""
    if reason := missing("dbd"):
        pytest.skip(reason)
    with SlurmRig(accounting="dbd", users=_rig_users()) as rig:
        yield rig


def _rig_users() -> tuple[str, ...]:
    # an ordinary user's daemons run nobody else's jobs
    if os.geteuid() != 0:
        return ()
    return tuple(account.pw_name for account in pwd.getpwall() if account.pw_name.startswith("jf-"))
