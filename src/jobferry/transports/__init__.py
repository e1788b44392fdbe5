"""Ways to reach a machine."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from jobferry.errors import ConfigError

if TYPE_CHECKING:
    from jobferry.clock import Clock
    from jobferry.model.machine import Machine
    from jobferry.transports.base import Transport

GROUP = "jobferry.transports"
BUILT_IN = ("local", "openssh")


def open_transport(machine: Machine, clock: Clock) -> Transport:
    """Make the transport a machine asks for; nothing is connected yet.

    An entry point of the group ``jobferry.transports`` is called with the machine and the clock.

    Raises:
        ConfigError: no transport has that name, or it needs a host and there is none.
    """
    name = machine.transport_name
    if name == "local":
        from jobferry.transports.local import LocalTransport

        return LocalTransport()
    if name == "openssh":
        from jobferry.transports.openssh import OpenSSHTransport

        return OpenSSHTransport(machine, clock)
    return _from_entry_point(name, machine, clock)


def _from_entry_point(name: str, machine: Machine, clock: Clock) -> Transport:
    found = entry_points(group=GROUP)
    if name not in found.names:
        known = ", ".join(sorted({*BUILT_IN, *found.names}))
        raise ConfigError(f"no transport is called {name!r}", hint=f"one of: {known}", machine=machine.name)
    transport: Transport = found[name].load()(machine, clock)
    return transport
