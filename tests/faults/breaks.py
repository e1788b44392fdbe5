"""How a link can break, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a link breaks.

    Attributes:
        CUT: both directions end, and what is over there meets closed streams, as behind a real server.
        HALF: one direction ends. Inwards the far side sees an end while its words still arrive here; outwards
            nothing more is heard while the far side goes on undisturbed.
        STALL: one direction holds its bytes back until `BreakingLink.thaw`; they arrive, however late.
        DELAY: as STALL, for a moment.
    """

    CUT = "cut"
    HALF = "half"
    STALL = "stall"
    DELAY = "delay"


class Side(StrEnum):
    """A stream of a process over there."""

    IN = "in"
    OUT = "out"
    ERR = "err"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where and how a link breaks.

    Attributes:
        at: bytes of that side which still pass.
        first: the number of the first process it happens to, in the order of their starts.
        times: to how many processes it happens.
        refused: whether the machine is out of reach from then on.
    """

    kind: Kind
    side: Side
    at: int
    first: int = 0
    times: int = 1
    refused: bool = False

    def __str__(self) -> str:
        then = ", then out of reach" if self.refused else f" x{self.times}" if self.times > 1 else ""
        return f"{self.kind} of {self.side} after {self.at} bytes of process {self.first}{then}"


@dataclass(slots=True)
class Traffic:
    """What went through a process's three streams."""

    sides: dict[Side, bytearray] = field(default_factory=lambda: {side: bytearray() for side in Side})
