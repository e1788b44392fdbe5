"""Fakes for tests without a network: a clock, a transport, a batch system. Test your own code with them.

::

    def test_my_campaign(tmp_path):
        clock = FakeClock()
        client = Client(store=Store(tmp_path / "jobs.db"), clock=clock, config=Config())
        with FakeCluster(tmp_path / "cluster") as cluster:
            machine = cluster.machine(client)
            job = machine.submit(["echo", "hello"])

            assert job.wait() is JobState.COMPLETED
            assert len(cluster.called("sbatch")) == 1

`FakeClock` goes on only when somebody sleeps or tells it to. `FakeTransport` gives scripted answers, or
passes commands on and makes the link fail. `FakeCluster` is a Slurm whose jobs run as processes of this
machine, and which errs in the ways real ones do when a `Fault` is injected.
"""

from __future__ import annotations

# loaded when asked for: the fake programs live in this package too and have to start fast
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from jobferry.testing.clock import FakeClock
    from jobferry.testing.cluster import FakeCluster, FakeJob
    from jobferry.testing.faults import Fault
    from jobferry.testing.transport import FakeTransport

_HOMES = {
    "FakeClock": "jobferry.testing.clock",
    "FakeCluster": "jobferry.testing.cluster",
    "FakeJob": "jobferry.testing.cluster",
    "FakeTransport": "jobferry.testing.transport",
    "Fault": "jobferry.testing.faults",
}

__all__ = ["FakeClock", "FakeCluster", "FakeJob", "FakeTransport", "Fault"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(__import__(_HOMES[name], fromlist=[name]), name)
