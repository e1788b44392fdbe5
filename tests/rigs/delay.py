"""A TCP relay on loopback that makes the network far away, cuts it, or freezes it.

It counts round trips honestly, the handshake's among them; it does not model bandwidth or loss.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from queue import SimpleQueue

LOOPBACK = "127.0.0.1"
CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST


class Delay:
    """Relays connections to a port of loopback, each byte ``one_way`` seconds late.

    Attributes:
        port: where to connect instead.
        connections: how many were made so far.
    """

    def __init__(self, target_port: int, one_way: float = 0.0) -> None:
        self.one_way = one_way
        self.connections = 0
        self._target = target_port
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Delay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # wakes the thread that waits for connections, which close alone does not
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD)
            end.close()

    def freeze(self) -> None:
        """Hold back every byte from now on; connections stay open."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let what was held back go on."""
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        # the kernel has answered the handshake at once; over a real distance it costs a round trip
        opened = time.monotonic()
        time.sleep(2 * self.one_way)
        try:
            far = socket.create_connection((LOOPBACK, self._target))
        except OSError:
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        not_before = opened + 3 * self.one_way
        for source, sink in ((near, far), (far, near)):
            _Pipe(self, source, sink, not_before)

    def wait_for_flow(self) -> None:
        self._flows.wait()


class _Pipe:
    """One direction of a connection: a thread reads, another one sends when the time has come."""

    def __init__(self, relay: Delay, source: socket.socket, sink: socket.socket, not_before: float) -> None:
        self._relay = relay
        self._source = source
        self._sink = sink
        self._not_before = not_before
        self._waiting: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        for work in (self._read, self._send):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(CHUNK)
            except OSError:
                data = b""
            self._waiting.put((max(time.monotonic() + self._relay.one_way, self._not_before), data))

    def _send(self) -> None:
        data = b"-"
        while data:
            due, data = self._waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            self._relay.wait_for_flow()
            try:
                if data:
                    self._sink.sendall(data)
                else:
                    self._sink.shutdown(socket.SHUT_WR)
            except OSError:
                return
