"""The decorator that makes a function run over there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from jobferry.errors import SpecError
from jobferry.functions.arguments import check_options
from jobferry.functions.calling import call
from jobferry.functions.capture import plain
from jobferry.functions.function_job import FunctionJob
from jobferry.machine_handle import Machine

P = ParamSpec("P")
R = TypeVar("R")


class RemoteFunction(Generic[P, R]):
    """A function that is called on a machine: ``f(3)`` waits for its result, ``f.submit(3)`` does not."""

    def __init__(
        self, function: Callable[P, R], machine: Machine | str | None, options: Mapping[str, Any]
    ) -> None:
        self._function = function
        self._machine = machine
        check_options(options)
        self._options = dict(options)
        functools.update_wrapper(self, function)

    @property
    def __jobferry_function__(self) -> Callable[P, R]:
        return self._function

    @property
    def local(self) -> Callable[P, R]:
        """The function itself, which runs here."""
        return self._function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it there, wait, and return its result; see ``FunctionJob.result``."""
        result: R = self.submit(*args, **kwargs).result()
        return result

    def submit(self, *args: Any, **kwargs: Any) -> FunctionJob:
        """Call it there and return a handle; see ``Machine.call``.

        Raises:
            SpecError: the call cannot be made there; nothing was sent.
        """
        machine = self.machine
        return call(machine.opened_client, machine, self._function, args, kwargs, self._options)

    def on(self, machine: Machine | str | None = None, **options: Any) -> RemoteFunction[P, R]:
        """Return the same function for another machine, or with other options."""
        return RemoteFunction(self._function, machine or self._machine, {**self._options, **options})

    @property
    def machine(self) -> Machine:
        """The machine it runs on."""
        if isinstance(self._machine, Machine):
            return self._machine
        from jobferry.api import machine

        return machine(self._machine)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        # as a method: the object travels as the first argument
        return RemoteFunction(self._function.__get__(instance, owner), self._machine, self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        # over there it is a plain function
        return functools.partial, (self._function,)

    def __repr__(self) -> str:
        where = self._machine.name if isinstance(self._machine, Machine) else self._machine
        return f"<remote {self._function.__qualname__} on {where or 'the default machine'}>"


@overload
def remote(function: Callable[P, R], /) -> RemoteFunction[P, R]: ...


@overload
def remote(
    *, machine: Machine | str | None = None, **options: Any
) -> Callable[[Callable[P, R]], RemoteFunction[P, R]]: ...


def remote(
    function: Callable[P, R] | None = None, /, *, machine: Machine | str | None = None, **options: Any
) -> RemoteFunction[P, R] | Callable[[Callable[P, R]], RemoteFunction[P, R]]:
    """Make a function run on a machine: ``@jf.remote(machine="narval", time="10m")``.

    Args:
        machine: its name or handle; the default machine without.
        options: options of the jobs it runs in.
    """
    if function is not None and not callable(function):
        raise SpecError(f"{function!r} is no function", hint="name it: remote(machine=...)")
    if function is not None:
        return RemoteFunction(plain(function), machine, options)
    return lambda function: RemoteFunction(plain(function), machine, options)
