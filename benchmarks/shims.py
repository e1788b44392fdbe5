"""Scheduler commands that can be counted: a folder that is first on the far side's PATH."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

PROGRAMS = ("sbatch", "squeue", "scancel", "sacct", "scontrol", "sinfo")
_PATH = "/usr/local/bin:/usr/bin:/bin"


class Shims:
    """Programs that note their own name and then become the real one; none are there before `place`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "calls"
        folder.mkdir()
        folder.chmod(0o755)

    @property
    def path(self) -> str:
        """The PATH of a far side whose calls are to be counted."""
        return f"{self._folder}:{_PATH}"

    def place(self) -> None:
        """Put the programs in place; from now on calls are counted."""
        self.forget()
        for name in PROGRAMS:
            real = shutil.which(name)
            if real is None:
                continue
            program = self._folder / name
            program.write_text(f'#!/bin/sh\necho {name} >>{self._log}\nexec {real} "$@"\n')
            program.chmod(0o755)

    def remove(self) -> None:
        """Take the programs away, so that they take no time."""
        for name in PROGRAMS:
            (self._folder / name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Begin to count anew."""
        self._log.write_text("")
        # the far side runs as other users
        self._log.chmod(0o666)

    def calls(self) -> Counter[str]:
        """Count the calls since the last `forget`, by program."""
        return Counter(self._log.read_text().split())
