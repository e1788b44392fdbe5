"""Calls of the fake batch system's programs, as a person at a login node makes them."""

from __future__ import annotations

import subprocess

from jobferry.testing import FakeCluster


def call(cluster: FakeCluster, *argv: str) -> tuple[int, str, str]:
    """Call a program; return its exit code, its output and its errors."""
    done = subprocess.run(
        [str(cluster.bin / argv[0]), *argv[1:]],
        cwd=cluster.folder,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def submit(cluster: FakeCluster, script: str, *options: str) -> str:
    """Submit a shell script and return its id."""
    write_script(cluster, script)
    code, said, errors = call(cluster, "sbatch", "--parsable", *options, "job.sh")
    assert (code, errors) == (0, "")
    return said.strip()


def write_script(cluster: FakeCluster, script: str) -> None:
    """Write the shell script ``job.sh``."""
    (cluster.folder / "job.sh").write_text(f"#!/bin/sh\n{script}\n")


def squeue(cluster: FakeCluster, layout: str = "%i %T %r", *options: str) -> list[str]:
    """Return the rows of the whole queue."""
    return call(cluster, "squeue", "-h", f"--format={layout}", *options)[1].splitlines()
