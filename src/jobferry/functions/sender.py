"""Sends calls that come within a moment as one array."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from jobferry.client import Client
from jobferry.errors import SpecError
from jobferry.functions.calling import can_checkpoint, draft_calls, send
from jobferry.functions.function_job import FunctionJob
from jobferry.functions.futures import CallsOfJob, Entry, RemoteFuture
from jobferry.functions.references import reference
from jobferry.machine_handle import Machine
from jobferry.model.record import JobRecord
from jobferry.model.spec import Array

# a burst is over when so long nothing more has come, or it has lasted so long
_QUIET = 0.02
_LONGEST = 0.5


class Sender:
    """Gathers calls and sends them from a thread of its own.

    Args:
        sent: told of each job.
        chunk: how many calls share one element of an array.
        limit: how many elements run at a time.
    """

    def __init__(
        self,
        client: Client,
        machine: Machine,
        options: Mapping[str, Any],
        sent: Callable[[CallsOfJob], None],
        *,
        chunk: int,
        limit: int | None,
    ) -> None:
        self._client = client
        self._machine = machine
        self._options = options
        self._sent = sent
        self._chunk = chunk
        self._limit = limit
        self._waiting: list[Entry] = []
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_begun(self) -> bool:
        """Whether anything was ever given to it."""
        return self._thread is not None

    def put(self, entry: Entry) -> None:
        """Take a call."""
        with self._changed:
            self._waiting.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jobferry-sender", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def futures(self) -> list[RemoteFuture[Any]]:
        """List the futures of what is not sent yet."""
        with self._changed:
            return [entry.future for entry in self._waiting]

    def close(self) -> None:
        """Send what is left, and take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.flush()

    def join(self) -> None:
        """Wait until all is sent."""
        if self._thread is not None:
            self._thread.join()

    def flush(self) -> None:
        """Send what has come so far, now."""
        with self._sending:
            with self._changed:
                entries, self._waiting = self._waiting, []
            entries = [entry for entry in entries if not entry.future.cancelled()]
            try:
                groups = _alike(entries)
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait for the results
                for entry in entries:
                    entry.future.fail(error)
                return
            for group in groups:
                self._send(group)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed and not self._waiting:
                    return
                self._gather()
            self.flush()

    def _gather(self) -> None:
        """Wait until nothing more comes."""
        end = self._client.clock.monotonic() + _LONGEST
        while not self._closed and self._client.clock.monotonic() < end:
            if not self._changed.wait(_QUIET):
                return

    def _send(self, entries: list[Entry]) -> None:
        futures = [entry.future for entry in entries]
        try:
            draft = self._draft(entries)
            job = (
                None if draft is None else FunctionJob(send(self._client, self._machine, draft), self._client)
            )
        except BaseException as error:
            # whatever it is, it belongs to those who wait for the results
            for future in futures:
                future.fail(error)
            if not isinstance(error, Exception):
                raise
            return
        if job is not None:
            self._sent(CallsOfJob(job, futures))
            return
        middle = len(entries) // 2
        self._send(entries[:middle])
        self._send(entries[middle:])

    def _draft(self, entries: list[Entry]) -> JobRecord | None:
        """Make the job of calls; None when something stands in the way of one of many.

        Raises:
            SpecError: it is in the way of the only one.
        """
        calls = [(entry.function, entry.args, entry.kwargs) for entry in entries]
        options = dict(self._options)
        if len(calls) > 1:
            elements = -(-len(calls) // self._chunk)
            options["array"] = Array(indices=tuple(range(elements)), limit=self._limit)
        chunk = self._chunk if len(calls) > 1 else 1
        try:
            return draft_calls(self._client, self._machine, calls, options, chunk=chunk)
        except SpecError:
            if len(entries) == 1:
                raise
            return None


def _alike(entries: list[Entry]) -> list[list[Entry]]:
    """Put together the calls that may share a job: wait for the same results, are warned alike."""
    groups: dict[tuple[bool, frozenset[str]], list[Entry]] = {}
    for entry in entries:
        awaited = frozenset(_awaited([entry.args, entry.kwargs]))
        groups.setdefault((can_checkpoint(entry.function), awaited), []).append(entry)
    return [*groups.values()]


def _awaited(arguments: object) -> Iterator[str]:
    """Name the jobs whose results are among arguments; these may be deep, and hold themselves."""
    waiting, seen = [arguments], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple | dict):
            if id(value) not in seen:
                seen.add(id(value))
                waiting += value.values() if isinstance(value, dict) else value
            continue
        # one that has no result is refused where the call is packed
        with suppress(SpecError):
            if (found := reference(value)) is not None:
                yield found.job_id
