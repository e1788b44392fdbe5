"""Where results lie in a job's folder, and which of several counts."""

from __future__ import annotations

import os
import time

from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Tuple


def result_name(element: Optional[int]) -> str:
    """Name the file of a job's results, or of those of one element of its array."""
    return "result" if element is None else "result.%d" % element


def files(folder: str, element: Optional[int]) -> List[str]:
    """List the files with results, those of later runs last."""
    runs = os.path.join(folder, "runs")
    numbers = sorted(int(name) for name in os.listdir(runs) if name.isdigit()) if os.path.isdir(runs) else []
    bases = [folder, *(os.path.join(runs, str(number)) for number in numbers)]
    found = [os.path.join(base, "out", result_name(element)) for base in bases]
    return [path for path in found if os.path.exists(path)]


def find(
    folder: str, header: Mapping[str, Any], index: int
) -> Optional[Tuple[Dict[str, Any], List[bytearray]]]:
    """Read what came of one call; None when nothing did yet."""
    element = index // header["chunk"] if header["array"] else None
    last = None
    for path in files(folder, element):
        with open(path, "rb") as file:
            for frame, begin in frames.read_frames(file):
                if frame["task"] == index and (last is None or counts(frame, last[0])):
                    last = frame, frames.read_parts(file, frame, begin)
                    file.seek(0)
    return last


def counts(frame: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether what came later stands over what is known: a success stands for good."""
    return bool(frame["ok"]) or not known["ok"]


def done(folder: str, element: Optional[int]) -> Dict[int, bool]:
    """Tell which calls of an element have ended, and whether with success."""
    known: Dict[int, bool] = {}
    for path in files(folder, element):
        with open(path, "rb") as file:
            for frame, _ in frames.read_frames(file):
                known[frame["task"]] = bool(frame["ok"]) or known.get(frame["task"], False)
    return known


class Writer:
    """Adds results to a file; each is whole there, or does not count.

    They are with the system as soon as they are written, so that only the crash of a machine can take them: a
    second's work is put on disk at once, and less of it is left to the system, as other files are.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab")  # noqa: SIM115
        self._work = 0.0
        self._saved = 0.0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._save()
        self._file.close()

    def add(self, header: Dict[str, Any], parts: Any) -> None:
        """Add one."""
        frames.write_frame(self._file.write, header, parts)
        self._file.flush()
        self._work += header.get("ended", 0.0) - header.get("began", 0.0)
        if time.monotonic() - self._saved > 1.0:
            self._save()

    def _save(self) -> None:
        if self._work >= 1.0:
            os.fsync(self._file.fileno())
            self._work = 0.0
            self._saved = time.monotonic()
