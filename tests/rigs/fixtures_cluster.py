"""A real Slurm behind a real sshd, and clients for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jobferry.client import Client
from jobferry.config import load_config
from jobferry.machine_handle import Machine
from jobferry.store import Store
from tests.rigs.slurm import SlurmRig
from tests.rigs.sshd import SshdRig
from tests.rigs.sshd import missing as sshd_missing

__all__ = ["MakeMachine", "client", "cluster", "elsewhere", "here", "on_rig", "over_there"]

MakeMachine = Callable[..., Machine]
_roots = itertools.count()


@dataclass(frozen=True)
class Cluster:
    """Slurm and the servers in front of it."""

    slurm: SlurmRig
    sshd: SshdRig

    @property
    def ssh(self) -> str:
        """The ssh client's words."""
        return f"ssh -F {self.sshd.config}"


@pytest.fixture(scope="session")
def cluster(slurm: SlurmRig) -> Iterator[Cluster]:
    """Two Slurm nodes that are reached only by ssh."""
    if reason := sshd_missing():
        pytest.skip(reason)
    with SshdRig(setenv=slurm.environment) as rig, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(rig.runtime))
        yield Cluster(slurm, rig)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client with a store of its own and no configuration."""
    config = load_config(tmp_path, {"JOBFERRY_CONFIG": str(tmp_path / "none.toml"), "HOME": str(tmp_path)})
    made = Client(config=config, store=Store(tmp_path / "store" / "jobs.db"))
    yield made
    made.close()


@pytest.fixture
def over_there(cluster: Cluster, client: Client) -> MakeMachine:
    """Make machines on the cluster: one of its users, behind one of its servers."""

    def make(user: str = "jf-alice", temper: str = "plain", **fields: object) -> Machine:
        values = {"name": "rig", "host": cluster.sshd.host(temper, user), "ssh": cluster.ssh}
        root = f"jobs/{next(_roots)}-{client.store.path.parent.parent.name}"
        return Machine(**{**values, "root": root, "client": client, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def here(client: Client, tmp_path: Path) -> Machine:
    """This computer, without a batch system."""
    return Machine(name="here", scheduler="direct", root=str(tmp_path / "root"), client=client)


@pytest.fixture
def elsewhere(here: Machine) -> Iterator[Machine]:
    """This computer as another process sees it: another client of the same list of jobs."""
    client = here.opened_client
    other = Client(config=client.config, store=Store(client.store.path))
    yield replace(here, client=other)
    other.close()


@pytest.fixture
def on_rig(client: Client, monkeypatch: pytest.MonkeyPatch) -> MakeMachine:
    """Make a machine of a Slurm rig without a network between; processes started later reach that rig too."""

    def make(rig: SlurmRig, **fields: object) -> Machine:
        monkeypatch.setenv("SLURM_CONF", rig.environment["SLURM_CONF"])
        root = rig.work / f"jobs-{next(_roots)}"
        values = {"name": "rig", "transport": "local", "scheduler": "slurm", "root": str(root)}
        return Machine(**{**values, "client": client, **fields})  # type: ignore[arg-type]

    return make
