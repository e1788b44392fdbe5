"""What can be passed to a program as a word."""

from __future__ import annotations

from jobferry.errors import SpecError


def check_word(what: str, text: str) -> None:
    """Refuse text that no program can be given.

    Args:
        what: names it in the message.

    Raises:
        SpecError: it holds a NUL, or half of a character.
    """
    if "\0" in text:
        raise SpecError(f"a NUL character cannot be passed to a program: {what}")
    try:
        # as names of files are: what came in undecodable goes out as it was
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise SpecError(f"{what} holds half of a character (a surrogate): {text!r}") from error
