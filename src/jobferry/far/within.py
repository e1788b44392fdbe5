"""What a function may ask of the job it runs in; over there it is also known as ``jobferry``."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_INFINITE = float("inf")
_asked: Optional[float] = None


class Delayed:
    """A call to be made later: what `checkpoint` returns, for the job to go on with when it starts again."""

    def __init__(self, function: Any, *args: Any, **kwargs: Any) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Again(BaseException):
    """Raised to leave and have the job started again, with the same call or with `later`."""

    is_again = True

    def __init__(self, later: Optional[Delayed] = None) -> None:
        super().__init__("to be started again")
        self.later = later


def again(later: Optional[Delayed] = None) -> None:
    """Leave, and have the job started again: the call, or `later` in its place; save your work first.

    It is done as often as the job's ``retry`` for TIMEOUT says; after that the job has failed.
    """
    raise Again(later)


def remaining() -> float:
    """Return the seconds left of the job's time limit; infinite where there is none, or outside a job.

    Source: the limit that was asked for; else, on Slurm, ``scontrol show job``, asked once.
    """
    end = _end()
    return _INFINITE if end is None else max(0.0, end - time.time())


# by these names they are found on the other side, too, where all of jobferry is this module
for _name in (Delayed, Again, again, remaining):
    _name.__module__ = "jobferry"


def _end() -> Optional[float]:
    limit, began = os.environ.get("JOBFERRY_TIME_LIMIT"), os.environ.get("JOBFERRY_STARTED")
    if limit and began:
        return float(began) + float(limit)
    global _asked
    if _asked is None and os.environ.get("SLURM_JOB_ID"):
        _asked = _ask_slurm(os.environ["SLURM_JOB_ID"])
    return None if _asked is None or _asked == _INFINITE else _asked


def _ask_slurm(job_id: str) -> float:
    """Ask when the job ends, in seconds since 1970; infinite when that is not known."""
    import subprocess

    try:
        said = subprocess.run(
            ["scontrol", "show", "job", "-o", job_id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        ).stdout.decode("utf-8", "replace")
        words = dict(word.partition("=")[::2] for word in said.split())
        return time.mktime(time.strptime(words["EndTime"], "%Y-%m-%dT%H:%M:%S"))
    except (OSError, subprocess.SubprocessError, KeyError, ValueError, OverflowError):
        return _INFINITE
