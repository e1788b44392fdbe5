"""A `concurrent.futures.Executor` whose workers are jobs."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Executor as StandardExecutor
from typing import Any, ParamSpec, TypeVar

from jobferry.errors import SpecError
from jobferry.functions.arguments import check_arguments, check_counts, check_options
from jobferry.functions.background import Background
from jobferry.functions.futures import CallsOfJob, Entry, RemoteFuture
from jobferry.functions.sender import Sender
from jobferry.machine_handle import Machine

P = ParamSpec("P")
T = TypeVar("T")


class Executor(StandardExecutor):
    """Runs calls on a machine and gives real futures, as ``concurrent.futures`` does.

    What is submitted within a moment goes as one array. Futures are resolved by threads of this process; the
    jobs go on without it.

    Args:
        machine: its name or handle; the default machine without.
        tasks_per_job: how many calls of a burst share one element of its array.
        concurrency: how many elements of an array run at a time.
        options: options of the jobs, such as ``time="10m", cpus_per_task=4``.

    Raises:
        SpecError: an option that no job has, or that cannot be read.
    """

    def __init__(
        self,
        machine: Machine | str | None = None,
        *,
        tasks_per_job: int = 1,
        concurrency: int | None = None,
        **options: Any,
    ) -> None:
        check_options(options)
        check_counts(tasks_per_job=tasks_per_job, concurrency=concurrency)
        if not isinstance(machine, Machine | str | None):
            raise SpecError(f"a machine is given by its name or handle, not as {machine!r}")
        if not isinstance(machine, Machine):
            from jobferry.api import machine as find

            machine = find(machine)
        self._machine = machine
        client = machine.opened_client
        self._background = Background(client)
        self._sender = Sender(
            client, machine, options, self._background.add, chunk=tasks_per_job, limit=concurrency
        )
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> RemoteFuture[T]:
        """Call a function on the machine and return a future.

        Raises:
            SpecError: the function does not take these arguments.
            RuntimeError: the executor is shut down.
        """
        check_arguments(fn, args, kwargs)
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._sender.is_begun:
                # what was submitted in the last moment is sent even if the program ends here
                atexit.register(self._sender.flush)
            future: RemoteFuture[T] = RemoteFuture()
            self._sender.put(Entry(future=future, function=fn, args=args, kwargs=kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that were taken, unless told not to.

        Args:
            cancel_futures: cancel those that have not begun.
        """
        with self._lock:
            self._closed = True
        if cancel_futures:
            for future in self._sender.futures():
                future.cancel()
        # what is being sent at this moment is in the background's hands when this returns
        self._sender.close()
        if cancel_futures:
            sent = [calls.futures for calls in self._background.all() if isinstance(calls, CallsOfJob)]
            for future in [future for futures in sent for future in futures]:
                future.cancel()
        atexit.unregister(self._sender.flush)
        if wait:
            self._sender.join()
            self._background.join()
