"""A relay and an echo behind another one, in a process of their own so that they take no time from ours.

Run as ``python -m benchmarks.relay PORT ONE_WAY_SECONDS``; prints the port to connect to instead, and that of
the echo; ends with its standard input.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading

from tests.rigs.delay import LOOPBACK, Delay


def echo(listener: socket.socket) -> None:
    """Send back to one caller after another what it says."""
    while True:
        caller, _ = listener.accept()
        with caller, contextlib.suppress(ConnectionResetError):
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while said := caller.recv(1 << 16):
                caller.sendall(said)


def main(target: int, one_way: float) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        with Delay(target, one_way) as relay, Delay(listener.getsockname()[1], one_way) as far_echo:
            print(relay.port, far_echo.port, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
