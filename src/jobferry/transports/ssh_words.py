"""What the words of ``ssh`` mean when it fails: the only place that knows them."""

from __future__ import annotations

from dataclasses import dataclass

from jobferry.errors import AuthError, ConnectError, HostKeyError, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Words that ssh prints, the error they stand for, and what can be done about it."""

    words: str
    error: type[TransportError]
    hint: str


_KEY_CHANGED = (
    "ask the administrators whether the host key was changed; only then run `ssh-keygen -R {host}` "
    "and `jobferry login {machine}`"
)
_LOGIN = "jobferry login {machine}"
_NAME = "check `host` of machine {machine}; `ssh -G {host}` shows what ssh makes of it"
_REACH = "check network and VPN, then `ssh {host} true`"
_SESSIONS = "close other sessions to {host}, or ask for a higher MaxSessions there"
_AGAIN = "try again; the link was lost, not refused"

# in order: a refused session also prints what kept it from connecting anew,
# and a changed key also prints "Host key verification failed"
MEANINGS = (
    Meaning(words="Session open refused by peer", error=ConnectError, hint=_SESSIONS),
    Meaning(words="REMOTE HOST IDENTIFICATION HAS CHANGED", error=HostKeyError, hint=_KEY_CHANGED),
    Meaning(words="Host key verification failed", error=HostKeyError, hint=_LOGIN),
    Meaning(words="host key is known", error=HostKeyError, hint=_LOGIN),
    Meaning(words="Permission denied", error=AuthError, hint=_LOGIN),
    Meaning(words="Too many authentication failures", error=AuthError, hint=_LOGIN),
    Meaning(words="Could not resolve hostname", error=ConnectError, hint=_NAME),
    Meaning(words="Connection refused", error=ConnectError, hint=_REACH),
    Meaning(words="No route to host", error=ConnectError, hint=_REACH),
    Meaning(words="Network is unreachable", error=ConnectError, hint=_REACH),
    Meaning(words="timed out", error=ConnectError, hint=_REACH),
    Meaning(words="Connection reset", error=ConnectError, hint=_AGAIN),
    Meaning(words="Broken pipe", error=ConnectError, hint=_AGAIN),
    Meaning(words="closed by remote host", error=ConnectError, hint=_AGAIN),
)

# sshd says the first when MaxSessions is reached; the others come from the master's side of the same
_SESSION_REFUSED = ("Session open refused by peer", "session request failed")
# what is seen when MaxStartups drops a connection before it said a word
_STARTUP_REFUSED = ("kex_exchange_identification", "ssh_exchange_identification", "Exceeded MaxStartups")
# comes from the ProxyCommand that keeps a session from opening a connection of its own
_ECHO_OF_PROXY = ("UNKNOWN port 65535", "kex_exchange_identification: Connection closed by remote host")


def explain(said: bytes, *, machine: str, host: str) -> TransportError:
    """Make the error that ssh's words stand for; its message is the line that says so, or the last one."""
    text = said.decode("utf-8", "backslashreplace")
    meaning = _meaning(text)
    if meaning is None:
        return ConnectError(last_words(text) or f"the connection to {host} was lost", machine=machine)
    telling = [line.strip("@ \t\r") for line in text.splitlines() if meaning.words in line]
    hint = meaning.hint.format(machine=machine, host=host)
    return meaning.error(telling[-1], hint=hint, machine=machine)


def last_words(text: str) -> str:
    """Pick the last line that says something of its own."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("@", "Warning:"))]
    own = [line for line in telling if not any(echo in line for echo in _ECHO_OF_PROXY)]
    return (own or telling or [""])[-1]


def is_session_refused(said: bytes) -> bool:
    """Tell whether the connection stands but holds as many sessions as it may."""
    return any(words.encode() in said for words in _SESSION_REFUSED)


def is_startup_refused(said: bytes) -> bool:
    """Tell whether the server dropped the connection because too many were just being made.

    A jump host that refuses us looks alike from behind it, but asking it again and again gets us banned.
    """
    text = said.decode("utf-8", "backslashreplace")
    meaning = _meaning(text)
    return any(words in text for words in _STARTUP_REFUSED) and (meaning is None or meaning.hint == _AGAIN)


def _meaning(text: str) -> Meaning | None:
    return next((meaning for meaning in MEANINGS if meaning.words in text), None)
