"""The command line as a process, in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
        """Run ``jobferry`` to its end; one that does not come to it tells where it stands."""
        with subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "jobferry", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.path,
            env={**self.environment, **variables},
        ) as child:
            try:
                stdout, stderr = child.communicate(stdin, timeout=TIME_LIMIT)
            except subprocess.TimeoutExpired:
                around = self._records() + _processes()
                child.send_signal(signal.SIGABRT)  # faulthandler prints where each thread is
                said = b"\n".join(child.communicate())
                words = f"jobferry {' '.join(arguments)}: no end within {TIME_LIMIT} s"
                pytest.fail("\n".join([words, said.decode(errors="replace"), *around]))
        return subprocess.CompletedProcess(child.args, child.returncode, stdout, stderr)

    def _records(self) -> list[str]:
        """What the jobs on this machine have written of themselves."""
        files = sorted(path for path in self.path.rglob("jobs/*/state/*") if path.is_file())
        return [f"{path}: {path.read_text(errors='replace')}" for path in files]

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


def _processes() -> list[str]:
    """What runs on this machine, save the kernel's own."""
    with contextlib.suppress(FileNotFoundError):
        shown = subprocess.run(
            ["ps", "-A", "-o", "pid,ppid,stat,etime,args"], capture_output=True, check=False
        )
        return [line for line in shown.stdout.decode(errors="replace").splitlines() if " [" not in line]
    return []
