"""The Pythons of this machine that a test can use for the far side."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest


@cache
def find_python(minor: str) -> str | None:
    """Find a Python of a minor version, such as ``3.8``; None when there is none."""
    if minor == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which(f"python{minor}"), *sorted(map(str, root.glob(f"versions/{minor}.*/bin/python")))]
    return next((path for path in found if path is not None and _version(path) == minor), None)


def _version(path: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        # a version manager's stand-in may be there for a Python that is not
        said = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return said.stdout.strip() if said.returncode == 0 else None


def need_python(minor: str) -> str:
    """Find a Python, or skip the test that needs it."""
    if (found := find_python(minor)) is None:
        pytest.skip(f"no Python {minor} on this machine")
    return found
