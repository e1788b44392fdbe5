"""Which process is at work on a submission, so that the others leave it alone."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timedelta

from jobferry.model.submission import Submission

# after this time a process of the same number is another one
_LONGEST_SUBMISSION = timedelta(hours=6)
_ELSEWHERE = timedelta(minutes=10)


def owner() -> str:
    """Name this process, so that others leave what it is doing to it for as long as it lives."""
    return f"{platform.node()}:{os.getpid()}"


def is_abandoned(submission: Submission, now: datetime) -> bool:
    """Whether nobody is at work any more on a submission that has not been answered."""
    if submission.doubted_since is not None or submission.waits is not None:
        return True
    if submission.claimed_at is None or now - submission.claimed_at > _LONGEST_SUBMISSION:
        return True
    host, _, pid = submission.owner.rpartition(":")
    # a process elsewhere cannot be asked: it is left some time for what it does
    if host != platform.node() or not pid.isdecimal() or os.name == "nt":
        return now - submission.claimed_at > _ELSEWHERE
    return submission.owner != owner() and not _is_alive(int(pid))


def may_send(submission: Submission, now: datetime) -> bool:
    """Whether this process may hand a submission over: it is its own, or nobody's any more."""
    return submission.native_id is None and (submission.owner == owner() or is_abandoned(submission, now))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
