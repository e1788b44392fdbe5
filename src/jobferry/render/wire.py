"""Shell text that carries other shell text: past any login shell, and into a held-open ``/bin/sh``.

A *mark* is 16 random characters that nobody else prints. Text always holds its two halves apart, so a forced
command or a shell that echoes the text back has not printed the mark.
"""

from __future__ import annotations

import re
import secrets

from jobferry.errors import SpecError

# what bash, dash, csh, tcsh and fish all leave alone between single quotes
_SAME_EVERYWHERE = re.compile(r"[ -&(-\[\]-~]*")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
_UNSAFE_BYTE = re.compile(rb"[^A-Za-z0-9 /._=,:%+@-]")


def new_mark() -> str:
    """Draw a mark."""
    return secrets.token_hex(8)


def print_mark(mark: str) -> str:
    """Write a command that prints a mark."""
    return f"printf %s%s {mark[:8]} {mark[8:]}"


def for_login_shell(script: str) -> str:
    """Write one line that every login shell, csh and fish among them, hands to ``/bin/sh`` as this script.

    csh wants ``!`` and newlines escaped inside single quotes, fish reads backslashes there: a script that
    holds such things travels as octal, which only ``/bin/sh`` decodes.
    """
    if "\0" in script:
        raise SpecError("a NUL character cannot be passed to a program")
    if "!" not in script and _SAME_EVERYWHERE.fullmatch(script):
        return f"exec /bin/sh -c '{script}'"
    escaped = _UNSAFE_BYTE.sub(lambda byte: b"\\0%03o" % byte[0][0], encode(script)).decode("ascii")
    return f"""exec /bin/sh -c 'eval "$(printf %b "{escaped}")"'"""


def marked(line: str, *, start: str, end: str) -> str:
    """Write a script that prints a mark on both streams, runs a command line, and ends in its code.

    ssh itself exits 255 when it fails, so a command that does the same proves it with the end mark on its
    standard error.
    """
    begun = f"{print_mark(start)} >&2; {print_mark(start)}"
    proof = f'[ "$code" -ne 255 ] || {print_mark(end)} >&2'
    return f'{begun}; {line}; code=$?; {proof}; exit "$code"'


def preamble_frame(preamble: str) -> bytes:
    """Write what defines the functions of a shell library; it can neither print nor read."""
    return encode(f"{{ eval {_one_word(preamble)}; }} </dev/null >/dev/null 2>&1\n")


def frame(program: str, *, start: str, end: str) -> bytes:
    """Write one request for a held-open shell: marks around a program on both streams, then its exit code.

    It is one compound command with the program in one quoted word, so no part of it that was cut off before
    its closing brace is ever run.
    """
    begun = f"{print_mark(start)}; {print_mark(start)} >&2"
    ended = f"printf '%s%s%s\\n' {end[:8]} {end[8:]} \"$?\"; {print_mark(end)} >&2"
    return encode(f"{{ {begun}; ( eval {_one_word(program)} ) </dev/null; {ended}; }}\n")


def _one_word(program: str) -> str:
    """Quote a whole program with double quotes.

    bash reads a word of many single-quoted pieces in quadratic time: 27 s for a megabyte of apostrophes.
    """
    if "\0" in program:
        raise SpecError("a NUL character cannot stand in a program")
    return '"' + _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", program) + '"'


def encode(text: str) -> bytes:
    """Turn text into bytes as file names are: what came in undecodable goes out as it was."""
    return text.encode("utf-8", "surrogateescape")
