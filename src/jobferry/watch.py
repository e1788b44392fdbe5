"""Waiting for jobs: told by their records, with the batch system asked only now and then."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from jobferry.clock import Clock
from jobferry.errors import CommandTimeout, TransportError, WaitTimeout
from jobferry.model.record import JobRecord
from jobferry.polling import WATCH_SECONDS
from jobferry.verdict import FINISHING

logger = logging.getLogger(__name__)


class Look(Protocol):
    """Asks the machines as often as they may be asked; see `Lookout.refresh`."""

    def __call__(self, records: Sequence[JobRecord], *, seen: bool = False) -> list[JobRecord]: ...


Notice = Callable[[str], None]
OnChange = Callable[[JobRecord], None]

_FIRST_BACK_OFF = 1.0
_LONGEST_BACK_OFF = 60.0
_FINISHED_PAUSE = 5.0
_LONGEST_ENDING_PAUSE = 5.0
_TASKS_A_SECOND = 250
# a machine that wants a person is tried anew only so often: many failures in a row get an account locked
LOGIN_AGAIN = 600.0
_LOGIN_LOOK = 2.0


class Waiter:
    """Waits for jobs of one machine or of several.

    Args:
        refresh: asks the machines as often as they may be asked.
        watch: waits over there for news of the records, so many seconds at most.
        is_reachable: whether the machines are connected already.
        notice: told, once each, of what stands in the way.
        turn: seconds that one wait over there takes at most.
    """

    def __init__(
        self,
        refresh: Look,
        watch: Callable[[Sequence[JobRecord], int], list[JobRecord]],
        is_reachable: Callable[[Sequence[JobRecord]], bool],
        clock: Clock,
        notice: Notice | None = None,
        *,
        turn: int = WATCH_SECONDS,
    ) -> None:
        self._turn = turn
        self._refresh = refresh
        self._watch = watch
        self._is_reachable = is_reachable
        self._clock = clock
        self._notice = notice or logger.warning
        self._back_off = 0.0
        self._told: type[TransportError] | None = None

    def wait(
        self,
        records: Sequence[JobRecord],
        timeout: timedelta | None = None,
        on_change: OnChange | None = None,
    ) -> list[JobRecord]:
        """Wait until all jobs have ended.

        Raises:
            WaitTimeout: the time is over; the jobs go on.
        """
        *_, last = self.follow(records, timeout, on_change)
        return last

    def follow(
        self,
        records: Sequence[JobRecord],
        timeout: timedelta | None = None,
        on_change: OnChange | None = None,
    ) -> Iterator[list[JobRecord]]:
        """Yield the jobs as they stand after each look, until all have ended.

        Raises:
            WaitTimeout: the time is over; the jobs go on.
        """
        end = None if timeout is None else self._clock.monotonic() + timeout.total_seconds()
        current = self._tell(list(records), self._refresh(records), on_change)
        yield current
        while any(not record.state.final for record in current):
            left = None if end is None else end - self._clock.monotonic()
            if left is not None and left <= 0:
                raise _too_late(current)
            current = self._tell(current, self._look(current, left), on_change)
            yield current

    def _look(self, records: Sequence[JobRecord], left: float | None) -> list[JobRecord]:
        try:
            seen = self._next(records, left)
        except TransportError as error:
            if error.transient:
                self._pause(error, left)
            else:
                self._wait_for_person(error, records, left)
            return list(records)
        self._back_off, self._told = 0.0, None
        return seen

    def _next(self, records: Sequence[JobRecord], left: float | None) -> list[JobRecord]:
        if any(_is_about_to_end(record, self._clock.now()) for record in records):
            # its last record is there: only the moment is missing in which the queue lets go
            self._clock.sleep(_within(ending_pause(records), left))
            return self._refresh(records)
        waiting = [record for record in records if not record.state.final and record.native_id]
        if not waiting:
            self._clock.sleep(_within(_FIRST_BACK_OFF, left))
            return self._refresh(records)
        if all(_has_finished(record) for record in waiting):
            # their records say nothing more: only the queue can, as soon as it may be asked again
            self._clock.sleep(_within(_FINISHED_PAUSE, left))
            return self._refresh(records)
        seconds = self._turn if left is None else max(1, min(self._turn, round(left)))
        began, before = self._clock.monotonic(), records
        try:
            records = self._watch(records, seconds)
        except CommandTimeout as error:
            # the batch system may still be asked, and is when its time has come
            logger.debug("%s", error)
        has_news = list(before) != list(records)
        if not has_news:
            # a wait over there that comes back early and brings nothing must not become a rush of them
            early = seconds - (self._clock.monotonic() - began)
            self._clock.sleep(_within(max(0.0, early), left))
        return self._refresh(records, seen=has_news)

    def _pause(self, error: TransportError, left: float | None) -> None:
        if self._told is None:
            self._notice(f"{error}; the jobs go on, trying again")
            self._told = TransportError
        self._back_off = min(_LONGEST_BACK_OFF, self._back_off * 2 or _FIRST_BACK_OFF)
        # jittered, so that many clients do not come back at the same moment
        self._clock.sleep(_within(self._back_off * random.uniform(0.75, 1.25), left))

    def _wait_for_person(
        self, error: TransportError, records: Sequence[JobRecord], left: float | None
    ) -> None:
        """Wait until somebody has logged in, from whatever terminal; the jobs go on."""
        if self._told is not type(error):
            self._notice(needs_login(error, "the jobs go on"))
            self._told = type(error)
        await_person(self._clock, lambda: self._is_reachable(records), _within(LOGIN_AGAIN, left))

    @staticmethod
    def _tell(
        before: Sequence[JobRecord],
        after: list[JobRecord],
        on_change: OnChange | None,
    ) -> list[JobRecord]:
        states = {record.id: record.state for record in before}
        for record in after:
            if on_change is not None and record.state is not states.get(record.id):
                on_change(record)
        return after


def needs_login(error: TransportError, going_on: str) -> str:
    """Say that a machine wants a person, and what happens meanwhile."""
    hint = f"; {error.hint}" if error.hint else ""
    return f"needs login: {error.message.rstrip('.')}{hint}; {going_on}, and so does this once it is done"


def await_person(clock: Clock, is_reachable: Callable[[], bool], limit: float) -> None:
    """Wait until there is a connection, so many seconds at most; none is tried."""
    end = clock.monotonic() + limit
    while (left := end - clock.monotonic()) > 0 and not is_reachable():
        clock.sleep(min(_LOGIN_LOOK, left))


def _is_about_to_end(record: JobRecord, now: datetime) -> bool:
    statuses = [record.status, *record.tasks.values()]
    since = [
        status.finishing_since for status in statuses if status.finishing_since and not status.state.final
    ]
    return any(now - moment < 2 * FINISHING for moment in since)


def ending_pause(records: Sequence[JobRecord]) -> float:
    """Return the seconds until the queue has let go of what ends; of a large array something always does.

    The more tasks there are to look at, the longer it is, so that looking takes no more of either side.
    """
    going_on = sum(not status.state.final for record in records for status in record.tasks.values())
    return min(_LONGEST_ENDING_PAUSE, max(FINISHING.total_seconds(), going_on / _TASKS_A_SECOND))


def _has_finished(record: JobRecord) -> bool:
    """Whether all that can be heard of a job from its own records has been heard."""
    statuses = record.tasks.values() if record.spec.array is not None else [record.status]
    return bool(statuses) and all(status.state.final or status.finishing_since for status in statuses)


def _within(seconds: float, left: float | None) -> float:
    return seconds if left is None else max(0.0, min(seconds, left))


def _too_late(records: Sequence[JobRecord]) -> WaitTimeout:
    going = [record for record in records if not record.state.final]
    first = going[0]
    more = f" and {len(going) - 1} more" if len(going) > 1 else ""
    return WaitTimeout(
        f"{first.id}{more} still {first.state.value.lower()} when the time was over",
        hint=f"it goes on; `jobferry wait {first.id}` waits again",
        machine=first.machine.name,
        job_id=first.id,
    )
