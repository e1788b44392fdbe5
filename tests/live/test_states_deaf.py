"""Ends that the queue remembers while slurmdbd is dead, and that stay what they were when it is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.model.status import Failure, JobState
from tests.live.states import FOREVER, Site
from tests.live.test_states_ends import ENDS
from tests.rigs.slurm import SlurmRig

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def deaf(slurm_dbd: SlurmRig) -> Iterator[SlurmRig]:
    """A Slurm whose slurmdbd was killed; it is back after the last test."""
    slurm_dbd.kill_accounting()
    yield slurm_dbd
    slurm_dbd.kill_accounting()
    slurm_dbd.start_accounting()


@pytest.fixture
def site(deaf: SlurmRig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(deaf, tmp_path_factory.mktemp("site"))
    yield site
    site.clear()


@pytest.mark.parametrize("name", ENDS)
def test_end_is_told_without_accounting(site: Site, name: str) -> None:
    expected = ENDS[name]

    job = expected.bring(site)
    status = site.end(job)

    assert (expected.state, expected.failure) == (status.state, status.failure)
    if expected.failure is not Failure.NODE_FAIL:
        assert (expected.exit_code, expected.signal) == (status.exit_code, status.signal)
    told = site.why(job)
    assert expected.words in told.words[0]
    assert dict(told.evidence)["accounting"].startswith("no answer: ")


def test_job_that_began_before_goes_on_and_is_accounted_for_afterwards(
    slurm_dbd: SlurmRig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = Site(slurm_dbd, tmp_path_factory.mktemp("site"))
    slurm_dbd.start_accounting()
    job = site.start(FOREVER)

    slurm_dbd.kill_accounting()
    during = site.stays_unfinished(job)
    slurm_dbd.run("scancel", str(job.native_id))
    ended = site.end(job)
    slurm_dbd.start_accounting()
    after = site.end(job)

    assert JobState.RUNNING is during.state
    assert JobState.CANCELLED is ended.state
    assert ended == after
    assert "CANCELLED" in dict(site.why(job).evidence)["accounting"]
    site.clear()
