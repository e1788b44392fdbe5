"""The Slurms a test can ask for; one of each a session (and a worker), started when first used."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import pytest

from tests.rigs.slurm import SlurmRig, missing

__all__ = ["limited_slurm", "slurm", "slurm_dbd"]


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


@pytest.fixture(scope="session")
def limited_slurm() -> Iterator[SlurmRig]:
    """Two nodes and slurmdbd, and little that one may submit: see `limited`."""
    if reason := missing("dbd"):
        pytest.skip(reason)
    with limited() as rig:
        yield rig


def limited() -> SlurmRig:
    """Make a cluster that keeps its users short.

    An array's highest index is 10. In the default QOS, normal, a user may have 4 jobs or tasks in the queue;
    in narrow 20, of which 2 run; open has no limits of its own, so those of the association count: 6 in the
    queue, of which 3 run. A job that ended is forgotten after about 7 s.
    """
    return SlurmRig(
        accounting="dbd",
        users=_rig_users(),
        min_job_age=2,
        max_array_size=11,
        enforce="associations,limits,qos",
        qos={
            "normal": "MaxSubmitJobsPerUser=4",
            "narrow": "MaxJobsPerUser=2 MaxSubmitJobsPerUser=20",
            "open": "",
        },
        association="MaxJobs=3 MaxSubmitJobs=6",
    )


def _rig_users() -> tuple[str, ...]:
    # an ordinary user's daemons run nobody else's jobs
    if os.geteuid() != 0:
        return ()
    return tuple(account.pw_name for account in pwd.getpwall() if account.pw_name.startswith("jf-"))
