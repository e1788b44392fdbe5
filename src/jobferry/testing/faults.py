"""The ways in which a fake batch system errs."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What can be injected into a `FakeCluster`.

    Attributes:
        REFUSED: the submission is refused for good, with words of your choice.
        TIMED_OUT: "Socket timed out"; with `taken`, the work was done all the same.
        ACCEPTED_THEN_FAILED: a job is taken, and a failure is reported.
        HANG: no answer until it is cleared; then the work is done, with `taken` it was done before.
        GARBAGE: an answer in no known form, with exit code 0.
        RATE_LIMITED: asked too often.
        DOWN: the controller cannot be reached.
        BANNER: a line of somebody's own before every answer.
        ACCOUNTING_LAGS: accounting knows nothing later than the moment of injection.
        RUNNING_AFTER_END: jobs that have ended are still shown as running.
    """

    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    ACCEPTED_THEN_FAILED = "accepted_then_failed"
    HANG = "hang"
    GARBAGE = "garbage"
    RATE_LIMITED = "rate_limited"
    DOWN = "down"
    BANNER = "banner"
    ACCOUNTING_LAGS = "accounting_lags"
    RUNNING_AFTER_END = "running_after_end"
