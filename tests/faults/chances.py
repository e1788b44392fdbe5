"""What can happen in the model's world, and how often."""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import strategies as st

from jobferry.testing import Fault

T = TypeVar("T")


SAYING_NO = [
    Fault.TIMED_OUT,
    Fault.RATE_LIMITED,
    Fault.DOWN,
    Fault.GARBAGE,
    Fault.ACCEPTED_THEN_FAILED,
    Fault.HANG,
]
PROGRAMS = ["sbatch", "squeue", "sacct", "scontrol", "scancel"]
WORDS = ["exit 0", "exit 0", "exit 0", "exit 1", "exit 3", "exit 143", "kill -SEGV $$", "kill -KILL $$"]
CAUSES = ["NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "PREEMPTED", "CANCELLED"]
# the two others wait for what test_model_findings.py shows of dependencies that cannot be met any more
KINDS = os.environ.get("JOBFERRY_MODEL_KINDS", "afterany").split(",")
MOMENTS = [1, 5, 29, 31, 61, 400, 3600, 86400, 8 * 86400]

picks = st.integers(0, 7)
faults = st.builds(
    lambda fault, program, times, taken: (fault, program, times, taken),
    st.sampled_from(SAYING_NO),
    st.sampled_from(PROGRAMS),
    st.sampled_from([1, 1, 1, 2, 3, None]),
    st.booleans(),
)
submit_faults = st.builds(
    lambda fault, taken: (fault, "sbatch", 1, taken and fault is not Fault.REFUSED),
    st.sampled_from([Fault.REFUSED, *SAYING_NO]),
    st.booleans(),
)
link_troubles = st.one_of(
    st.tuples(st.just("fail"), st.integers(1, 3)),
    st.tuples(st.just("cut"), st.integers(0, 400)),
    st.tuples(st.just("down"), st.sampled_from([1, 40, 700])),
)
Trouble = tuple[str, int] | None
Kill = tuple[int, bool] | None
Injected = tuple[Fault, str, int | None, bool]


def seldom(strategy: st.SearchStrategy[T], one_in: int) -> st.SearchStrategy[T | None]:
    """Draw from a strategy now and then, else None."""
    # mapped: alternatives of alternatives would count as so many more
    return st.one_of(*[st.none()] * (one_in - 1), strategy.map(lambda drawn: drawn))


troubles = seldom(link_troubles, 5)
kills = seldom(st.tuples(st.integers(1, 12), st.booleans()), 6)
