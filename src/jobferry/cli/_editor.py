"""Opening a configuration file in the user's editor, and reading it again afterwards."""

from __future__ import annotations

from pathlib import Path

import click

from jobferry import api
from jobferry.cli import _output

_BAD_CONFIG = 2


def edit(path: Path) -> int:
    """Open a file; return the exit code, with every problem in the configuration told."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    click.edit(filename=str(path))
    problems = api.settings.problems()
    for problem in problems:
        _output.error(problem)
    return _BAD_CONFIG if problems else 0
