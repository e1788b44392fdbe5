"""Fixtures for every room."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.faults.summary import pytest_terminal_summary  # noqa: F401
from tests.rigs.fixtures_cluster import *  # noqa: F403
from tests.rigs.fixtures_slurm import *  # noqa: F403
from tests.rigs.fixtures_sshd import *  # noqa: F403
from tests.rigs.fixtures_states import *  # noqa: F403

# a change is judged by the same examples each time; new ones are looked for at the desk
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
