"""The command line as a process, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIME_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder that no other test, and no user, has."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBFERRY_")}
        return {
            **kept,
            "HOME": str(self.path),
            "XDG_CONFIG_HOME": str(self.path / "config"),
            "XDG_DATA_HOME": str(self.path / "data"),
            "XDG_STATE_HOME": str(self.path / "state"),
            "JOBFERRY_STORE": str(self.path / "jobs.db"),
            "JOBFERRY_CONFIG": str(self.path / "config.toml"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "80",
        }

    def run(
        self, *arguments: str, stdin: bytes = b"", **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``jobferry`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "jobferry", *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.path,
            env={**self.environment, **variables},
            timeout=TIME_LIMIT,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Run it, want success, and return its standard output."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str) -> Any:
        """Run it with ``--format json`` and read the answer."""
        return json.loads(self.ok(*arguments, "--format", "json"))

    def files(self) -> set[str]:
        """List everything in the home."""
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*")}
