"""Jobs that are waited for by a thread, while the program does something else."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from jobferry.client import Client
from jobferry.errors import JobNotFound, TransportError
from jobferry.model.record import JobRecord

logger = logging.getLogger(__name__)

# so long a job that has just been added may have to wait until it is watched too
_TURN = 1
_PAUSE = 5.0


class Watched(Protocol):
    """Somebody who wants to know how a job stands."""

    @property
    def record(self) -> JobRecord:
        """The job, as he last saw it."""
        ...

    def see(self, record: JobRecord) -> bool:
        """Take in how it stands; return whether he has seen enough.

        Raises:
            TransportError: what he wants to read could not be read; he is told again.
        """
        ...

    def give_up(self, error: Exception) -> None:
        """Take in that nothing more will be told."""
        ...


class Background:
    """Watches jobs from one thread, which is there for as long as it has any.

    One wait over there is for all of them: many that each waited for one job would stand in each other's way.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiter = client.waiter(turn=_TURN)
        self._watched: list[Watched] = []
        self._changed = threading.Condition()
        self._is_fresh = False
        self._thread: threading.Thread | None = None

    def add(self, watched: Watched) -> None:
        """Watch one more."""
        with self._changed:
            self._watched.append(watched)
            self._is_fresh = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jobferry-background", daemon=True)
                self._thread.start()

    def all(self) -> list[Watched]:
        """List those who have not seen enough."""
        with self._changed:
            return list(self._watched)

    def join(self) -> None:
        """Wait until all have seen enough."""
        with self._changed:
            self._changed.wait_for(lambda: not self._watched)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._watched:
                    self._thread = None
                    return
                self._is_fresh = False
                watched = list(self._watched)
            try:
                self._follow(watched)
            except JobNotFound as error:
                self._give_up(error, [each for each in watched if each.record.id == error.job_id])
            except Exception as error:
                if isinstance(error, TransportError) or getattr(error, "transient", False):
                    logger.warning("%s; the jobs go on, trying again", error)
                    self._client.clock.sleep(_PAUSE)
                    continue
                # a thread that ended silently would leave everybody waiting for ever
                logger.exception("waiting for jobs failed")
                self._give_up(error, watched)

    def _follow(self, watched: list[Watched]) -> None:
        """Watch jobs until one more is added, or one of them has been seen enough of."""
        records = {each.record.id: each.record for each in watched}
        for seen in self._waiter.follow(list(records.values())):
            current = {record.id: record for record in seen}
            if done := [each for each in watched if each.see(current[each.record.id])]:
                self._drop(done)
                return
            if self._is_fresh:
                return

    def _give_up(self, error: Exception, watched: list[Watched]) -> None:
        self._drop(watched)
        for each in watched:
            each.give_up(error)

    def _drop(self, watched: list[Watched]) -> None:
        with self._changed:
            self._watched = [each for each in self._watched if all(each is not other for other in watched)]
            self._changed.notify_all()
