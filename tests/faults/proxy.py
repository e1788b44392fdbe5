"""A TCP proxy on loopback that cuts, half-closes, stalls or delays a connection at a chosen byte."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from tests.faults.breaks import Break, Kind, Side

LOOPBACK = "127.0.0.1"
CHUNK = 1 << 14
_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST
_DELAY = 0.2
_SILENCE = 0.5


class Proxy:
    """Relays connections to a port of loopback; one of them breaks once `breaks` says where.

    Attributes:
        port: where to connect instead.
        breaks: where the next connection breaks; `Side.IN` is towards the server. None is nowhere.
        is_broken: whether that has happened.
        passed: bytes that have gone through the connection made last, of each side.
    """

    def __init__(self, target_port: int) -> None:
        self.breaks: Break | None = None
        self.is_broken = False
        self.passed = {Side.IN: 0, Side.OUT: 0}
        self._target = target_port
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Proxy:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # wakes the thread that waits for connections, which close alone does not
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD)
            end.close()

    def _begin(self, work: Callable[..., None], *words: object) -> None:
        thread = threading.Thread(target=work, args=words, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((LOOPBACK, self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near, far}
            plan, self.breaks = self.breaks, None
            self.passed = {Side.IN: 0, Side.OUT: 0}
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink, side in ((near, far, Side.IN), (far, near, Side.OUT)):
                self._begin(self._relay, source, sink, side, plan)

    def _relay(self, source: socket.socket, sink: socket.socket, side: Side, plan: Break | None) -> None:
        mine = plan if plan is not None and plan.side is side else None
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if mine is not None and passed + len(data) >= mine.at:
                    sink.sendall(data[: mine.at - passed])
                    data = data[mine.at - passed :]
                    passed, now, mine = mine.at, mine, None
                    if self._break(now, source, sink):
                        return
                sink.sendall(data)
                passed += len(data)
                self.passed[side] += len(data)
            sink.shutdown(socket.SHUT_WR)

    def _break(self, plan: Break, source: socket.socket, sink: socket.socket) -> bool:
        """Break a direction; tell whether nothing more goes through it."""
        self.is_broken = True
        if plan.kind is Kind.CUT:
            self.cut()
        elif plan.kind is Kind.HALF:
            sink.shutdown(socket.SHUT_WR)
            while source.recv(CHUNK):
                # whoever sends here is heard by nobody, and does not know
                pass
        elif plan.kind is Kind.STALL:
            # silence, and then the end: waiting for a client to lose patience takes minutes
            time.sleep(_SILENCE)
            self.cut()
        else:
            time.sleep(_DELAY)
        return plan.kind is not Kind.DELAY
