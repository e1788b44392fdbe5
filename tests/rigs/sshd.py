"""Real OpenSSH servers on loopback, one per behaviour a client must cope with.

Everything lives in one folder under /tmp: keys, known hosts, configuration, logs. As root there are logins
with different shells; as anyone else only the server ``plain`` and one's own login.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.rigs.otp import SECRET
from tests.rigs.sshd_conf import CLIENT, COMMON, TEMPERS

SSHD = "/usr/sbin/sshd"
LOOPBACK = "127.0.0.1"
PASSPHRASE = "rig passphrase"
PAM_MODULE = "pam_google_authenticator.so"

SHELLS = {
    "jf-alice": "bash",
    "jf-nora": "bash",
    "jf-tina": "tcsh",
    "jf-finn": "fish",
    "jf-jail": "nologin",
}
NOISE = 'echo "RIG-NOISE welcome"; echo "RIG-NOISE on stderr" >&2\n'


def is_root() -> bool:
    """Tell whether other people's logins can be made here."""
    return os.geteuid() == 0


def missing() -> str | None:
    """Say why the rig cannot run here; None when it can."""
    programs = ["ssh", "ssh-keygen"] + (["tcsh", "fish", "useradd"] if is_root() else [])
    absent = [name for name in programs if shutil.which(name) is None]
    if not os.access(SSHD, os.X_OK):
        absent.append(SSHD)
    return f"not installed: {', '.join(absent)}" if absent else None


def has_otp() -> bool:
    """Tell whether a server that asks for one-time codes can be started."""
    return is_root() and any(Path("/lib").glob(f"*/security/{PAM_MODULE}"))


def machine_password() -> str:
    """Make the password of the rig's logins: one per machine, so that rigs at the same time agree on it."""
    identity = Path("/etc/machine-id")
    seed = identity.read_bytes() if identity.exists() else socket.gethostname().encode()
    return hashlib.sha256(b"jobferry rig" + seed).hexdigest()[:16]


def free_port() -> int:
    """Pick a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def poll_until(condition: Callable[[], bool], *, limit: float = 10.0, what: str = "condition") -> None:
    """Wait until a condition holds; fail when it does not within the limit."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {limit:g} s")
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """List the live processes below one, as /proc tells; zombies do not count."""
    parents = dict(_parents())
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return found[1:]


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # the name in brackets may hold spaces; the state and the parent follow it
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(entry.name), int(parent)


class SshdRig:
    """Servers of every temper, with an ssh_config that reaches them as ``TEMPER.USER``."""

    def __init__(self, setenv: Mapping[str, str] | None = None) -> None:
        self.setenv = dict(setenv or {})
        self.users = list(SHELLS) if is_root() else [getpass.getuser()]
        self.ports: dict[str, int] = {}
        self.password = machine_password()
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._pam_file: Path | None = None

    def __enter__(self) -> SshdRig:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def config(self) -> Path:
        """The ssh_config to give to ``ssh -F``."""
        return self.folder / "ssh_config"

    @property
    def ssh(self) -> str:
        """The ssh words of a machine of this rig."""
        return f"ssh -F {self.config}"

    @property
    def runtime(self) -> Path:
        """A short private folder to stand for XDG_RUNTIME_DIR."""
        return self.folder / "run"

    @property
    def user(self) -> str:
        """The login with nothing special about it."""
        return self.users[0]

    def host(self, temper: str = "plain", user: str | None = None) -> str:
        """Name a server and a login as the ssh_config knows them."""
        if temper not in self.ports:
            raise LookupError(f"no server {temper!r} here: {', '.join(self.ports)}")
        return f"{temper}.{user or self.user}"

    def server_pid(self, temper: str) -> int:
        """The process id of a server; its connections are its descendants."""
        return self._servers[temper].pid

    def variant(self, name: str, *lines: str) -> Path:
        """Write an ssh_config whose lines come before, and so win over, those of the rig."""
        path = self.folder / name
        path.write_text("\n".join(["Host *", *lines, f"Include {self.config}"]) + "\n")
        return path

    def through(self, port: int, temper: str = "plain") -> str:
        """The ssh words that reach a server by another port, that of a relay."""
        known = f"[{LOOPBACK}]:{self.ports[temper]}"
        path = self.variant(f"through{port}", f"  Port {port}", f"  HostKeyAlias {known}")
        return f"ssh -F {path}"

    def start(self) -> None:
        """Make keys and logins, and start every server."""
        self.folder = Path(tempfile.mkdtemp(prefix="jf-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.runtime.mkdir(mode=0o700)
        try:
            self._make_keys()
            if is_root():
                Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
                self._make_users()
            for temper in self._tempers():
                self.ports[temper] = free_port()
                self._servers[temper] = self._serve(temper)
            self._write_client_files()
            for temper in self.ports:
                poll_until(lambda t=temper: self._listens(t), what=f"sshd {temper}")  # type: ignore[misc]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the servers and all connections to them, and remove what was written."""
        for server in self._servers.values():
            family = [server.pid, *descendants(server.pid)]
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.wait()
        self._servers.clear()
        if self._pam_file is not None:
            self._pam_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tempers(self) -> list[str]:
        if not is_root():
            return ["plain"]
        return [temper for temper in TEMPERS if temper != "keyotp" or has_otp()]

    def _make_keys(self) -> None:
        keys = {"hostkey": "", "otherkey": "", "id": "", "id_unknown": "", "id_pass": PASSPHRASE}
        for name, passphrase in keys.items():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name]
            subprocess.run([*words, "-f", str(self.folder / name)], check=True)
        accepted = "".join((self.folder / f"{name}.pub").read_text() for name in ("id", "id_pass"))
        (self.folder / "keys").mkdir()
        for user in self.users:
            (self.folder / "keys" / user).write_text(accepted)
        (self.folder / "banner.txt").write_text("*** RIG BANNER ***\nauthorised use only\n")

    def _make_users(self) -> None:
        for user, shell in SHELLS.items():
            path = shutil.which(shell, path="/bin:/usr/bin:/usr/sbin:/sbin") or shell
            try:
                pwd.getpwnam(user)
            except KeyError:
                subprocess.run(["useradd", "-m", "-s", path, user], check=True, capture_output=True)
        passwords = "".join(f"{user}:{self.password}\n" for user in SHELLS)
        subprocess.run(["chpasswd"], input=passwords.encode(), check=True, capture_output=True)
        startup = Path(pwd.getpwnam("jf-nora").pw_dir) / ".bashrc"
        if NOISE not in (written := startup.read_text() if startup.exists() else ""):
            startup.write_text(NOISE + written)

    def _serve(self, temper: str) -> subprocess.Popen[bytes]:
        places = {"folder": str(self.folder), "port": self.ports[temper], "loopback": LOOPBACK}
        # the first value wins in sshd_config, but for MaxStartups, where the last one does
        lines = "\n".join(TEMPERS[temper]) + "\n" + COMMON
        if temper != "startups":
            lines += "MaxStartups 200:30:400\n"
        if self.setenv:
            lines += "SetEnv " + " ".join(f'"{name}={value}"' for name, value in self.setenv.items()) + "\n"
        path = self.folder / f"{temper}.conf"
        path.write_text(lines.format(**places))
        program = self._otp_program() if temper == "keyotp" else SSHD
        words = [program, "-D", "-f", str(path), "-E", str(self.folder / f"{temper}.log")]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)

    def _otp_program(self) -> str:
        """Write what PAM needs; sshd takes the name of its PAM service from its own argv[0]."""
        service = self.folder.name + "otp"
        secret = self.folder / f"otp.{self.user}"
        secret.write_text(f'{SECRET}\n" WINDOW_SIZE 17\n" TOTP_AUTH\n')
        secret.chmod(0o600)
        module = f"{PAM_MODULE} secret={self.folder}/otp.${{USER}} user=root allowed_perm=0600"
        self._pam_file = Path("/etc/pam.d") / service
        self._pam_file.write_text(
            f"auth required {module}\naccount required pam_permit.so\nsession required pam_permit.so\n"
        )
        program = self.folder / service
        program.symlink_to(SSHD)
        return str(program)

    def _write_client_files(self) -> None:
        host_key = " ".join((self.folder / "hostkey.pub").read_text().split()[:2])
        known = [f"[{LOOPBACK}]:{port} {host_key}\n" for port in self.ports.values()]
        (self.folder / "known_hosts").write_text("".join(known))
        blocks = [f"Host {temper}.*\n  Port {port}\n" for temper, port in self.ports.items()]
        blocks += [f"Host *.{user}\n  User {user}\n" for user in self.users]
        blocks.append(CLIENT.format(folder=self.folder, loopback=LOOPBACK))
        self.config.write_text("".join(blocks))

    def _listens(self, temper: str) -> bool:
        # with MaxStartups 1 a bare connection would take the only place, so ask the kernel instead
        needle = f"0100007F:{self.ports[temper]:04X} 00000000:0000 0A"
        return needle in Path("/proc/net/tcp").read_text()
