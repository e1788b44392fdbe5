"""Which process is at work on a submission, so that the others leave it alone."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timedelta

from jobferry.model.record import JobRecord

# after this time a process of the same number is another one
_LONGEST_SUBMISSION = timedelta(hours=6)
_ELSEWHERE = timedelta(minutes=10)


def owner() -> str:
    """Name this process, so that others leave what it is doing to it for as long as it lives."""
    return f"{platform.node()}:{os.getpid()}"


def is_abandoned(record: JobRecord, now: datetime) -> bool:
    """Whether nobody is at work any more on a submission that has not been answered."""
    if record.doubted_since is not None or now - record.created_at > _LONGEST_SUBMISSION:
        return True
    host, _, pid = record.owner.rpartition(":")
    # a process elsewhere cannot be asked: it is left some time for what it does
    if host != platform.node() or not pid.isdecimal() or os.name == "nt":
        return now - record.created_at > _ELSEWHERE
    return record.owner != owner() and not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
