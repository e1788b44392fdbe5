"""Programs that are a few lines of ``sh`` each, and a desk in this process that answers for them."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Said = tuple[str, str, int]

_SLOTS = 256
# the separator stands between the quotes as it is: a shell that had to make it would fork
_STUB = """#!/bin/sh
IFS='\037'
set -- {name} "$$" "$PPID" "$PWD" "$@"
printf '%s\\n' "$*" >'{folder}/calls.fifo'
listen() {{
    while IFS= read -r line; do
        case $line in
            o*) printf '%s\\n' "${{line#o}}" ;;
            e*) printf '%s\\n' "${{line#e}}" >&2 ;;
            w*) listen "${{line#w}}" ;;
            x*) exit "${{line#x}}" ;;
        esac
    done <"$1"
}}
listen '{folder}/answers/'"$(($$ % {slots}))"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program, and the shell that waits for it."""

    program: str
    pid: int
    parent: int
    folder: str
    argv: list[str]


class Desk:
    """Answers calls, each in a thread of its own.

    Args:
        answer: what is said; None says nothing until `reply`.
    """

    def __init__(self, folder: Path, answer: Callable[[Call], Said | None]) -> None:
        self._folder = folder
        self._answer = answer
        self._slots: dict[int, int] = {}
        self._aside: dict[int, int] = {}

    def open(self, programs: Iterable[str]) -> None:
        """Write the programs and begin to listen."""
        for name in programs:
            file = self._folder / "bin" / name
            file.write_text(_STUB.format(name=name, folder=self._folder, slots=_SLOTS))
            file.chmod(0o755)
        (self._folder / "answers").mkdir()
        os.mkfifo(self._folder / "calls.fifo")
        for slot in range(_SLOTS):
            os.mkfifo(self._folder / "answers" / str(slot))
        self._calls = os.open(self._folder / "calls.fifo", os.O_RDWR)
        self._bell, self._rope = os.pipe()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Stop listening."""
        os.write(self._rope, b"!")
        self._listener.join(10)
        for number in (self._bell, self._rope, self._calls, *self._slots.values(), *self._aside.values()):
            os.close(number)

    def set_aside(self, call: Call) -> None:
        """Let a call wait where the answers to others do not pass by."""
        path = self._folder / "answers" / f"aside-{call.pid}"
        os.mkfifo(path)
        self._aside[call.pid] = os.open(path, os.O_RDWR)
        os.write(self._slot(call.pid), f"w{path}\n".encode())

    def reply(self, call: Call, said: Said) -> None:
        """Give a call its answer."""
        output, errors, code = said
        lines = [f"o{line}" for line in output.splitlines()] + [f"e{line}" for line in errors.splitlines()]
        answers = self._aside.get(call.pid) or self._slot(call.pid)
        os.write(answers, "\n".join([*lines, f"x{code}", ""]).encode())

    def _slot(self, pid: int) -> int:
        number = pid % _SLOTS
        if number not in self._slots:
            # held open on both ends: neither side waits for the other to open it
            path = self._folder / "answers" / str(number)
            self._slots[number] = os.open(path, os.O_RDWR)
        return self._slots[number]

    def _listen(self) -> None:
        data = b""
        while True:
            ready, _, _ = select.select([self._calls, self._bell], [], [])
            if self._bell in ready:
                return
            data += os.read(self._calls, 65536)
            *lines, data = data.split(b"\n")
            for line in lines:
                program, pid, parent, folder, *argv = line.decode().split("\037")
                call = Call(program, int(pid), int(parent), folder, argv)
                threading.Thread(target=self._serve, args=(call,), daemon=True).start()

    def _serve(self, call: Call) -> None:
        try:
            said = self._answer(call)
        except Exception as error:  # noqa: BLE001 - the caller over there waits for an answer, whatever happens
            said = "", f"the fake batch system failed: {error!r}", 70
        if said is not None:
            self.reply(call, said)
