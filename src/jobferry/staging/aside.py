"""The names under which files arrive, before they are whole and renamed."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

_ASIDE = re.compile(r"\.jobferry-[0-9a-f]{16}", re.ASCII)


def name_aside() -> str:
    """Draw a name that no file has."""
    return f".jobferry-{secrets.token_hex(8)}"


def remove_leftovers(folder: Path) -> None:
    """Remove what an extraction that was killed has half written below a folder."""
    for here, _, files in os.walk(folder):
        for name in files:
            if _ASIDE.fullmatch(name):
                os.unlink(os.path.join(here, name))
