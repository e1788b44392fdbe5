"""Which ends of a job are followed by another try, how often, and what that one asks for more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from jobferry.errors import SpecError
from jobferry.model.status import Failure
from jobferry.model.suggest import did_you_mean
from jobferry.model.units import format_memory, format_time, parse_memory, parse_time

_DEFAULT_TIMES = 3
_MOST_TIMES = 100
_GROWTH = re.compile(r"(mem|mem_per_cpu|time)\*(\d{1,3}(?:\.\d{1,6})?)(?:<=(\S+))?", re.ASCII)
_FORMS = "CAUSE[:N[:mem*2[<=64G]]], such as TIMEOUT:2:time*1.5 or NODE_FAIL"
_SHORT = {"OOM": Failure.OUT_OF_MEMORY, "PREEMPT": Failure.PREEMPTED, "EXIT": Failure.EXIT_CODE}
# what a cause calls for, where nothing is said
_USUAL_GROWTH = {Failure.OUT_OF_MEMORY: "mem*2", Failure.TIMEOUT: "time*1.5"}

CAUSES = (
    Failure.EXIT_CODE,
    Failure.SIGNAL,
    Failure.TIMEOUT,
    Failure.OUT_OF_MEMORY,
    Failure.NODE_FAIL,
    Failure.PREEMPTED,
    Failure.LAUNCH,
)
"""The causes after which a job can be tried again by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How one cause is answered.

    Attributes:
        times: how many times at most, counted over all of the job's runs.
        field: resource that grows each time: ``mem``, ``mem_per_cpu`` or ``time``; None leaves all as it was.
        factor: by how much it grows.
        cap: above this it does not grow: bytes, or a duration.
    """

    times: int = _DEFAULT_TIMES
    field: str | None = None
    factor: float = 1.0
    cap: int | timedelta | None = None


Retry = Mapping[Failure, RetryRule]


def parse_retry(text: str) -> tuple[Failure, RetryRule]:
    """Read ``CAUSE[:N[:GROWTH]]``: ``OUT_OF_MEMORY:3:mem*2<=64G``, ``TIMEOUT``, ``NODE_FAIL:5:same``.

    Without N it is 3; without GROWTH, memory is doubled after OUT_OF_MEMORY and time grows by half after
    TIMEOUT.

    Raises:
        SpecError: not of that form, or a cause that nothing is tried again after.
    """
    word, _, rule = text.strip().partition(":")
    cause = _read_cause(word)
    return cause, parse_rule(cause, rule)


def parse_rule(cause: Failure, text: str) -> RetryRule:
    """Read what stands after the cause: ``3``, ``3:mem*2``, ``mem*2<=64G``, or nothing."""
    times, _, growth = text.strip().partition(":")
    if times and not (times.isdecimal() and times.isascii()):
        times, growth = "", text.strip()
    count = int(times) if times and len(times) < 4 else _DEFAULT_TIMES
    if len(times) >= 4 or not 1 <= count <= _MOST_TIMES:
        raise SpecError(f"not a number of retries: {times!r}", hint=f"from 1 to {_MOST_TIMES}")
    growth = growth or _USUAL_GROWTH.get(cause, "same")
    if growth == "same":
        return RetryRule(times=count)
    match = _GROWTH.fullmatch(growth.replace(" ", ""))
    if match is None or float(match[2]) <= 1:
        raise SpecError(f"not a growth: {growth!r}", hint=f"write it as {_FORMS}")
    return RetryRule(times=count, field=match[1], factor=float(match[2]), cap=_read_cap(match[1], match[3]))


def format_rule(rule: RetryRule) -> str:
    """Write a rule as `parse_rule` reads it."""
    if rule.field is None:
        return f"{rule.times}:same"
    cap = "" if rule.cap is None else f"<={format_amount(rule.cap)}"
    return f"{rule.times}:{rule.field}*{rule.factor:g}{cap}"


def format_amount(amount: int | timedelta) -> str:
    """Write bytes or a duration."""
    return format_time(amount) if isinstance(amount, timedelta) else format_memory(amount)


def requeues(retry: Retry, caller: object) -> int:
    """Tell how often a job starts itself again when it stopped before it was done, having saved its work.

    Args:
        caller: the warning signal that makes it stop, or the function that may ask for it; None without.
    """
    return retry[Failure.TIMEOUT].times if caller is not None and Failure.TIMEOUT in retry else 0


def _read_cause(word: str) -> Failure:
    name = word.strip().upper().replace("-", "_")
    cause = _SHORT.get(name) or Failure.__members__.get(name)
    if cause in CAUSES:
        return cause
    known = [entry.value for entry in CAUSES]
    if cause is not None:
        raise SpecError(f"nothing is tried again after {name}", hint=f"causes are {', '.join(known)}")
    nearest = did_you_mean(name, [entry.lower() for entry in known])
    raise SpecError(
        f"not a cause to try again after: {word!r}{nearest}", hint=f"causes are {', '.join(known)}"
    )


def _read_cap(field: str, text: str | None) -> int | timedelta | None:
    if text is None:
        return None
    return parse_time(text) if field == "time" else parse_memory(text)
