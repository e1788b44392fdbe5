"""From what stands in a file to typed values: one reader for each key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

from jobferry.errors import SpecError
from jobferry.model.readers import Reader, read_count, read_flag, read_time
from jobferry.model.suggest import did_you_mean

KNOWN_SCHEDULERS = frozenset(("slurm", "direct"))
KNOWN_TRANSPORTS = frozenset(("local", "openssh"))

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_SECRET = re.compile(r"pass(word|wd|phrase|code)?$|token|secret|credential|otp|api_?key|private_?key")
_SSH_WORDS = frozenset(("user", "username", "login", "port", "key", "keyfile", "identityfile", "proxyjump"))


def machine_readers(schedulers: frozenset[str], transports: frozenset[str]) -> Mapping[str, Reader]:
    """List the keys of a machine and how each is read; ``defaults`` is a table of its own."""
    return {
        "extends": read_name,
        "host": _read_host,
        "scheduler": _one_of("scheduler", schedulers),
        "transport": _one_of("transport", transports),
        "root": _read_word,
        "account": _read_word,
        "partition": _read_word,
        "qos": _read_word,
        "setup": _read_lines,
        "python": _read_word,
        "ssh": _read_word,
        "poll_interval": _read_interval,
        "max_jobs": read_count,
        "trusted": read_flag,
    }


def read_name(value: object) -> str:
    """Read the name of a machine."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"not a name: {value!r}; use letters, digits and . _ -")
    return value


def explain_unknown(key: str, known: Iterable[str]) -> str:
    """Say what is wrong with a key that is not known."""
    plain = key.lower().replace("-", "_")
    if _SECRET.search(plain):
        return "Jobferry keeps no secrets; use ssh keys or an ssh agent"
    if plain.replace("_", "") in _SSH_WORDS:
        return "unknown key; ssh settings belong into ~/.ssh/config, under the name given as host"
    return f"unknown key{did_you_mean(key, known)}"


def _read_word(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {value!r}")
    if not value.strip():
        raise ValueError("must not be empty")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError(f"must not hold control characters or newlines: {value!r}")
    return value


def _read_host(value: object) -> str:
    host = _read_word(value)
    # a host that starts with a dash would be an option to ssh
    if host.startswith("-") or len(host.split()) != 1 or host != host.strip():
        raise ValueError(f"not a host: {host!r}")
    return host


def _one_of(what: str, known: frozenset[str]) -> Reader:
    def read(value: object) -> str:
        word = _read_word(value)
        # installed packages are looked through only for a word that is not ours: it takes time
        if word not in known and word not in (installed := _installed(what)):
            every = sorted(known | installed)
            nearest = did_you_mean(word, every)
            raise ValueError(f"unknown {what} {word!r}{nearest or '; known: ' + ', '.join(every)}")
        return word

    return read


def _installed(what: str) -> frozenset[str]:
    from importlib.metadata import entry_points

    return frozenset(entry.name for entry in entry_points(group=f"jobferry.{what}s"))


def _read_lines(value: object) -> tuple[str, ...]:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"must be a list of shell lines, not {value!r}")
    if any("\0" in line for line in lines):
        raise ValueError("a NUL character cannot be passed to a program")
    return tuple(lines)


def _read_interval(value: object) -> timedelta:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    # a bare number is seconds here, not minutes as in a job's time limit
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 1 <= value <= 1_000_000:
            raise ValueError(f"must be from 1 second to 11 days, not {value!r}")
        return timedelta(seconds=value)
    interval = read_time(value)
    if interval < timedelta(seconds=1):
        raise ValueError(f"must be at least 1 second, not {value!r}")
    return interval


def words_of(error: ValueError | SpecError) -> str:
    """Say an error in one line, its hint included."""
    hint = getattr(error, "hint", None)
    return f"{error}; {hint}" if hint else str(error)
