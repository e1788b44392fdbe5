"""Job ids: minted here before anything is sent, ordered by time, unique."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH = 12
_ID = re.compile(f"[{_ALPHABET}]{{{ID_LENGTH}}}", re.ASCII)
# 40 bits of hundredths of a second since 2026 last until 2374
_EPOCH_SECONDS = 1_767_225_600


def mint_ids(now: datetime, count: int = 1) -> list[str]:
    """Make job ids: 12 characters of Crockford base32 each, 40 bits of time and 20 of chance.

    The ids of one call follow each other, so they never collide among themselves.
    """
    ticks = max(0, int((now.timestamp() - _EPOCH_SECONDS) * 100))
    first = (ticks << 20) | secrets.randbits(20)
    return [_spell(first + offset) for offset in range(count)]


def _spell(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (ID_LENGTH - 1), -1, -5))


def native_name(name: str, job_id: str, number: int = 1) -> str:
    """Name a job's submission in the batch system: unique, because it holds the id."""
    return f"{name}-{job_id}" if number == 1 else f"{name}-{job_id}.{number}"


def is_job_id(text: str) -> bool:
    """Whether the text has the form of a whole job id."""
    return _ID.fullmatch(text) is not None


def normalise_prefix(text: str) -> str:
    """Read an id or prefix as people type it: any case, and Crockford's look-alikes (i l o)."""
    return text.strip().lower().translate(str.maketrans("ilo", "110"))
