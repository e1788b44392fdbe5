"""Fixtures for every room."""

from __future__ import annotations

from tests.rigs.fixtures_cluster import *  # noqa: F403
from tests.rigs.fixtures_slurm import *  # noqa: F403
from tests.rigs.fixtures_sshd import *  # noqa: F403
