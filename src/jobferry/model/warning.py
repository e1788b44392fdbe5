"""The signal that tells a job of its coming end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from jobferry.errors import SpecError

_SIGNAL = re.compile(r"(?:SIG)?(HUP|USR1|USR2|TERM|XCPU)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningSignal:
    """A signal sent to the job's processes some time before its time limit."""

    name: str
    before: timedelta


def parse_warning_signal(text: str) -> WarningSignal:
    """Read ``SIG@T``, such as ``USR2@120`` (seconds, as sbatch reads it) or ``TERM@2m``.

    Raises:
        SpecError: unknown signal, or no sensible time.
    """
    name, at, before = text.strip().partition("@")
    match = _SIGNAL.fullmatch(name.upper())
    seconds = before if at else "60"
    if not match or not re.fullmatch(r"\d{1,5}|(?:\d{1,3}m)", seconds, re.ASCII):
        raise SpecError(
            f"not a signal and a time: {text!r}", hint="write it as USR2@120 (seconds) or TERM@2m"
        )
    number = int(seconds.rstrip("m")) * (60 if seconds.endswith("m") else 1)
    return WarningSignal(name=match[1], before=timedelta(seconds=number))
