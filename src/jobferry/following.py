"""Following a job to its end for a person who watches: links may break, the job goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobferry.errors import TransportError
from jobferry.logs import LogFile, follow, log_files, read_last
from jobferry.model.record import JobRecord
from jobferry.watch import LOGIN_AGAIN, await_person, needs_login

if TYPE_CHECKING:
    from jobferry.client import Client

Write = Callable[[str, bytes], None]
"""Takes the name of a stream and what is new in it."""

_LONGEST_PAUSE = 60.0


class Follower:
    """Hands on what one job prints, from where it stopped after each broken link.

    Args:
        on_change: told of each change of state.
        notice: told, once each time, of what stands in the way.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_change: Callable[[JobRecord], None] | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._on_change = on_change or (lambda record: None)
        self._notice = notice or (lambda text: None)
        self._seen: JobRecord | None = None
        self._pause = 0.0
        self._reached = self._told = False

    def follow(
        self,
        record: JobRecord,
        write: Write,
        *,
        streams: Sequence[str],
        task: int | None = None,
        lines: int | None = None,
    ) -> JobRecord:
        """Follow a job until it has ended; begins `lines` before the present end.

        Raises:
            TransportError: the machine was not reached in the first place.
        """
        self._seen = record
        while not record.state.submitted:
            record = self._look(record)
            if not record.state.submitted:
                self._client.clock.sleep(1.0)
        machine = self._client.machine_of(record)
        files = [file for stream in streams for file in log_files(record, stream, task)]
        if not record.root:
            return record
        if lines is not None:
            for file, piece in zip(files, read_last(machine, files, lines), strict=True):
                write(file.stream, piece)

        def hand_on(file: LogFile, piece: bytes) -> None:
            write(file.stream, piece)

        while True:
            try:
                return follow(machine, record, files, self._look, hand_on)
            except TransportError as error:
                self._wait_for_link(error)

    def _look(self, record: JobRecord) -> JobRecord:
        looked = self._client.refresh([record])[0]
        self._pause, self._reached, self._told = 0.0, True, False
        if self._seen is None or looked.state is not self._seen.state:
            self._on_change(looked)
        self._seen = looked
        return looked

    def _wait_for_link(self, error: TransportError) -> None:
        if not error.transient:
            if not self._reached:
                raise error
            self._wait_for_person(error)
            return
        if not self._pause:
            self._notice(f"{error}; the job goes on, trying again")
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or 1.0)
        self._client.clock.sleep(self._pause * random.uniform(0.75, 1.25))

    def _wait_for_person(self, error: TransportError) -> None:
        """Wait until somebody has logged in, from whatever terminal; the job goes on."""
        if not self._told:
            self._notice(needs_login(error, "the job goes on"))
            self._told = True
        seen = [self._seen] if self._seen is not None else []
        await_person(self._client.clock, lambda: self._client.is_reachable(seen), LOGIN_AGAIN)
