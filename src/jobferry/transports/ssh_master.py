"""The one connection that all sessions to a host share: the user's own master, or one that we start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from jobferry.clock import Clock
from jobferry.errors import ConfigError, ConnectError, TransportError
from jobferry.render.shell import join
from jobferry.transports import ssh_words

PERSIST = 600
START_LIMIT = 120.0
LOCK_LIMIT = 120.0
STARTUP_TRIES = 6
# sun_path holds 104 bytes on macOS, and ssh appends 17 to the name while it binds
_FOLDER_LIMIT = 104 - 17 - 18
_KEEPALIVE = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3")
_CONNECT_TIMEOUT = ("-o", "ConnectTimeout=20")


class Master:
    """Finds or starts the connection to a host.

    Args:
        words: the ssh client and the user's options.
        host: whatever ssh accepts.
        machine: the machine's name, for errors.
    """

    def __init__(self, words: Sequence[str], host: str, machine: str, clock: Clock) -> None:
        self._words = tuple(words)
        self._host = host
        self._machine = machine
        self._clock = clock
        self._settings: Mapping[str, str] | None = None

    def socket(self) -> Path:
        """Return the control socket of a live connection, starting one if there is none.

        Raises:
            ConnectError, AuthError, HostKeyError: the connection could not be made without a person.
        """
        return self._find() or self._start(prompting=False)

    def is_open(self) -> bool:
        """Whether there is a live connection, ours or the user's own; costs no round trip."""
        return self._find() is not None

    def login(self) -> None:
        """Start the connection with a person at the terminal, or at what SSH_ASKPASS names."""
        if self._find() is None:
            self._start(prompting=True)

    def control(self, path: Path, request: str, *arguments: str) -> bytes | None:
        """Give an order to a live connection; return what ssh said when it was not carried out."""
        argv = (*self._words, *socket_option(path), "-O", request, *arguments, self._host)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.stderr if done.returncode != 0 else None

    def _own(self) -> Path:
        return private_folder() / socket_name(self._words, self._host)

    def _find(self) -> Path | None:
        own = self._own()
        if is_alive(own):
            return own
        users = self._ssh_settings().get("controlpath", "none")
        if users != "none" and is_alive(Path(users)):
            return Path(users)
        return None

    def _ssh_settings(self) -> Mapping[str, str]:
        """What ssh makes of its configuration for this host, asked once."""
        if self._settings is None:
            argv = (*self._words, "-G", self._host)
            try:
                done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            except OSError as exc:
                raise ConfigError(
                    f"{argv[0]} could not be started: {exc.strerror}",
                    hint="install an OpenSSH client, or set `ssh` of the machine",
                    machine=self._machine,
                ) from exc
            if done.returncode != 0:
                raise self._explain(done.stderr)
            self._settings = parse_settings(done.stdout.decode("utf-8", "surrogateescape"))
        return self._settings

    def _start(self, *, prompting: bool) -> Path:
        path = self._own()
        with self._locked(path.with_name(path.name + ".lock")) as (lock, waited):
            # somebody else may have started it while we waited for the lock
            found = self._find()
            if found is not None:
                return found
            if waited and not prompting and (last := lock.read()):
                # or have found out that it cannot be: one after the other would only wait for the same words
                raise self._explain(last)
            lock.truncate(0)
            path.unlink(missing_ok=True)
            failure = b""
            for attempt in range(1, STARTUP_TRIES):
                said = self._try_start(path, prompting=prompting)
                if said is None:
                    return path
                failure = said
                if not ssh_words.is_startup_refused(failure):
                    break
                self._clock.sleep(random.uniform(0.5, 1.0) * attempt)
            lock.write(failure)
            raise self._explain(failure)

    def _try_start(self, path: Path, *, prompting: bool) -> bytes | None:
        """Start a master; return what ssh said when it did not come up."""
        options = [
            *_defaults(self._ssh_settings()),
            "-o",
            f"ControlPersist={PERSIST}",
            "-o",
            "ClearAllForwardings=yes",
        ]
        if not prompting:
            options += ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        argv = (*self._words, "-M", "-N", "-f", *socket_option(path), *options, self._host)
        # a file and not a pipe: the connection stays in the background and would hold a pipe open
        with tempfile.TemporaryFile() as said:
            code = _run_prompting(argv, said) if prompting else _run_silent(argv, said)
            said.seek(0)
            words = said.read()
        if code == 0 and is_alive(path):
            return None
        return words

    def _explain(self, words: bytes) -> TransportError:
        return ssh_words.explain(words, machine=self._machine, host=self._host)

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[tuple[IO[bytes], bool]]:
        """Keep other processes and threads from starting a second, lost connection.

        Gives the file, which holds what the last failed start said, and whether somebody else had it.
        """
        import fcntl

        give_up = self._clock.monotonic() + LOCK_LIMIT
        waited = False
        with path.open("a+b", buffering=0) as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self._clock.monotonic() > give_up:
                        raise ConnectError(
                            f"another process is still connecting to {self._host}", machine=self._machine
                        ) from None
                    waited = True
                    self._clock.sleep(0.05)
            lock.seek(0)
            yield lock, waited


def private_folder() -> Path:
    """Return the folder for control sockets, made if need be; it is ours alone.

    Raises:
        ConfigError: somebody else could have put it there.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime) / "jobferry"
    if (
        not Path(runtime).is_absolute()
        or len(os.fsencode(folder)) > _FOLDER_LIMIT
        or not os.access(runtime, os.W_OK)
    ):
        folder = Path(f"/tmp/jobferry-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # lstat: a link would be followed to a place that another user chose
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(
            f"{folder} is not a folder of yours alone, so it cannot hold connections",
            hint=f"look at `ls -ld {folder}`; remove it, or `chmod 700` it if it is yours",
        )
    return folder


def socket_name(words: Sequence[str], host: str) -> str:
    """Name the control socket of a connection: the same for all that would connect alike."""
    text = "\0".join((*words, host))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def socket_option(path: Path) -> tuple[str, str]:
    """Write the option that names a control socket; ssh expands ``%`` in it."""
    return "-S", str(path).replace("%", "%%")


def is_alive(path: Path) -> bool:
    """Tell whether anybody listens on a socket; costs no process."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def parse_settings(text: str) -> dict[str, str]:
    """Read the output of ``ssh -G``: a keyword in lower case and its value, a line each."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword, value)
    return settings


def _defaults(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Choose the options that a background connection needs and the user did not set."""
    keepalive = _KEEPALIVE if settings.get("serveraliveinterval", "0") == "0" else ()
    limit = _CONNECT_TIMEOUT if settings.get("connecttimeout", "none") in ("none", "0") else ()
    return keepalive + limit


def _run_silent(argv: Sequence[str], said: IO[bytes]) -> int:
    null = subprocess.DEVNULL
    try:
        # a session of its own: no terminal to ask at, and Ctrl-C here does not end it
        return subprocess.run(
            argv,
            stdin=null,
            stdout=null,
            stderr=said,
            start_new_session=True,
            timeout=START_LIMIT,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired as exc:
        raise ConnectError(f"no connection within {START_LIMIT:g} s", command=join(argv)) from exc


def _run_prompting(argv: Sequence[str], said: IO[bytes]) -> int:
    """Run ssh on our terminal, passing on what it says besides its prompts."""
    with subprocess.Popen(argv, stderr=said) as process:
        shown = 0
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                words = os.pread(said.fileno(), 1 << 16, shown)
                sys.stderr.write(words.decode("utf-8", "backslashreplace"))
                sys.stderr.flush()
                shown += len(words)
                if process.returncode is not None and not words:
                    return process.returncode
        except BaseException:
            process.kill()
            raise
