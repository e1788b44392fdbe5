"""What is said when files cannot be moved."""

from __future__ import annotations

from collections.abc import Sequence

HINTS = {
    "no space left": "free some space there, or choose another place",
    "quota exceeded": "free some space there, or choose another place; `quota -s` tells what is used",
    "permission denied": "choose a place that is yours, or ask its owner",
    "read-only file system": "choose another place",
    "no such file": "look with `ls`; `~` and `$NAME` are expanded over there",
}
"""What can be done, by what the other side's words contain; in lower case."""


def hint_for(words: str) -> str | None:
    """Find what can be done about an error, from the words of the system or the program that met it."""
    lower = words.lower()
    return next((hint for key, hint in HINTS.items() if key in lower), None)


def summary(what: str, troubles: Sequence[str]) -> str:
    """Write troubles, if any, as one sentence: the first few, and how many more."""
    if not troubles:
        return what
    few = "; ".join(troubles[:5])
    more = f"; and {len(troubles) - 5} more" if len(troubles) > 5 else ""
    return f"{what}: {few}{more}"


def shown(name: str) -> str:
    """Write a name so that it cannot spoil a terminal, and not too long."""
    text = name if len(name) <= 200 else f"{name[:200]}…"
    return text if text.isprintable() else repr(text)
