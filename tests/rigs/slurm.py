"""A real Slurm on loopback: munged, slurmctld and some slurmds in a folder of their own, without systemd.

Runs as root (jobs of any user, and real OUT_OF_MEMORY where there are version 1 cgroups) or as an ordinary
user (only that user's jobs). Nothing outside the rig's folder is read or written; any number of rigs live
side by side. A controller schedules nothing in its first 3 s, so the first job of a rig waits that long.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from tests.rigs.daemons import (
    absent_programs,
    end,
    free_ports,
    processes_with,
    read_pid,
    send,
    wait_until,
)
from tests.rigs.slurm_cluster import MARK, SlurmCluster
from tests.rigs.slurm_conf import CGROUP_CONF, CGROUPS, SlurmLayout, slurm_conf, slurmdbd_conf
from tests.rigs.slurm_database import DATABASE_PROGRAMS, set_limits, start_mariadb, start_slurmdbd

Accounting = Literal["none", "dbd"]

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
_PREFIX = "jf-slurm-"
# not TMPDIR: a socket's path may have 107 characters
_PARENT = Path("/tmp")


def missing(accounting: Accounting = "none") -> str | None:
    """Say why this machine cannot have the rig; None when it can."""
    if not sys.platform.startswith("linux"):
        return f"a Slurm rig needs Linux, this is {sys.platform}"
    absent = absent_programs(_PROGRAMS + (DATABASE_PROGRAMS if accounting == "dbd" else ()))
    return f"not installed: {' '.join(absent)}" if absent else None


class SlurmRig(SlurmCluster):
    """One cluster, from `start` to `stop`.

    Partitions: debug (default), short (two minutes at most), on the last node low (a job there is cancelled
    for one in high), lowrq (requeued) and high; down takes jobs and runs none.

    Args:
        nodes: how many; each claims 8 CPUs and 4000 MB.
        accounting: "dbd" adds MariaDB and slurmdbd, which cost 4 to 6 s more.
        users: who gets an account besides the daemons' own user; they must exist already.
        fast: shorten the controller's naps, where there is a C compiler; real sites do not.
        min_job_age: seconds the controller remembers a finished job.
        enforce: value of AccountingStorageEnforce, as "associations,limits,qos".
        qos: limits as sacctmgr takes them, by QOS; all may use these, "normal" where none is named.
        association: limits of every user, as sacctmgr takes them; those of a QOS stand above them.
        extra: more lines for slurm.conf.
    """

    def __init__(
        self,
        *,
        nodes: int = 2,
        accounting: Accounting = "none",
        users: tuple[str, ...] = (),
        fast: bool = True,
        min_job_age: int = 300,
        max_array_size: int = 20001,
        max_job_count: int = 50000,
        enforce: str | None = None,
        qos: Mapping[str, str] | None = None,
        association: str = "",
        extra: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self._count = nodes
        self._accounting = accounting
        self._users = users
        self._wants_fast = fast
        self._min_job_age = min_job_age
        self._max_array_size = max_array_size
        self._max_job_count = max_job_count
        self._enforce = enforce
        self._qos = dict(qos or {})
        self._association = association
        self._extra = extra
        self._lock: IO[bytes] | None = None
        self._mariadb: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start every daemon and wait until all nodes are idle."""
        remove_abandoned()
        try:
            self._layout = self._lay_out()
            self._write_files()
            self._start_daemons()
            wait_until(self.idle, limit=30, what="idle nodes")
        except BaseException as error:
            if self._layout is not None:
                error.add_note(_last_words(self._layout.directory))
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process of the rig and remove its folder; what is gone already is fine."""
        if self._layout is not None:
            _end_processes(self._layout.directory)
            _remove_cgroups(self._layout.nodes)
        if self._mariadb is not None:
            self._mariadb.wait(10)
        if self._layout is not None:
            shutil.rmtree(self._layout.directory, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
        self._layout = self._mariadb = self._lock = None

    def _lay_out(self) -> SlurmLayout:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PARENT))
        self._lock = (folder / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        controller, database, mysql, *nodes = free_ports(3 + self._count)
        return SlurmLayout(
            directory=folder,
            token=secrets.token_hex(3),
            host=socket.gethostname().partition(".")[0],
            user=pwd.getpwuid(os.geteuid()).pw_name,
            controller_port=controller,
            database_port=database,
            mysql_port=mysql,
            node_ports=tuple(nodes),
            cgroups=os.geteuid() == 0 and os.access(CGROUPS / "memory", os.W_OK),
            accounting=self._accounting == "dbd",
            min_job_age=self._min_job_age,
            max_array_size=self._max_array_size,
            max_job_count=self._max_job_count,
            enforce=self._enforce,
            extra=self._extra,
        )

    def _write_files(self) -> None:
        layout = self.layout
        folder = layout.directory
        folder.chmod(0o755)
        for name in (
            "etc",
            "log",
            "run",
            "state",
            "munge",
            "spool",
            *(f"spool/{node}" for node in layout.nodes),
        ):
            (folder / name).mkdir()
            (folder / name).chmod(0o755)
        self.work.mkdir()
        self.work.chmod(0o1777)
        _write(folder / "munge" / "munge.key", secrets.token_bytes(1024), 0o600)
        _write(layout.conf, slurm_conf(layout).encode(), 0o644)
        if layout.cgroups:
            _write(folder / "etc" / "cgroup.conf", CGROUP_CONF.encode(), 0o644)
        if layout.accounting:
            # slurmdbd looks for its file beside the one that SLURM_CONF names
            _write(folder / "etc" / "slurmdbd.conf", slurmdbd_conf(layout).encode(), 0o600)
        if self._wants_fast:
            _compile_naps(folder / "run" / "fastusleep.so")

    def _start_daemons(self) -> None:
        layout = self.layout
        munge = layout.directory / "munge"
        self.start_daemon(
            *("munged", f"--socket={layout.munge_socket}", f"--pid-file={layout.pid_file('munged')}"),
            *(f"--key-file={munge}/munge.key", f"--seed-file={munge}/munged.seed"),
            *(f"--log-file={munge}/munged.log", "--num-threads=4"),
        )
        if layout.accounting:
            self._mariadb = start_mariadb(layout)
            start_slurmdbd(self, self._users)
            set_limits(self, self._qos, self._association)
        self.start_controller()
        for node in layout.nodes:
            self.start_slurmd(node)


def remove_abandoned() -> None:
    """End rigs whose process was killed before it could: their lock is free."""
    for folder in _PARENT.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("rb") as lock:
            # one without slurm.conf is being made at this moment
            if folder.stat().st_uid == os.geteuid() and (folder / "etc" / "slurm.conf").exists():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_processes(folder)
                _remove_cgroups(entry.name for entry in (folder / "spool").iterdir())
                shutil.rmtree(folder, ignore_errors=True)


def _end_processes(folder: Path) -> None:
    ours = processes_with(f"{MARK}={folder}\0")
    slurmds = [folder / "run" / f"{entry.name}.pid" for entry in folder.glob("spool/*")]
    daemons = [folder / "run" / f"{name}.pid" for name in ("slurmctld", "slurmdbd")]
    last = [folder / "mysql" / "mariadbd.pid", folder / "run" / "munged.pid"]
    for pid_file in (*slurmds, *daemons, *last):
        pid = read_pid(pid_file)
        if pid in ours:
            end(pid)
    wait_until(lambda: not _kill_leftovers(folder), limit=15, what=f"end of all processes of {folder}")


def _kill_leftovers(folder: Path) -> list[int]:
    # slurmstepd outlives slurmd by design, and the job outlives it;
    # one that is killed as it starts may yet leave a job, hence again and again
    found = processes_with(f"{MARK}={folder}\0")
    found += processes_with(f"SLURM_CONF={folder}/etc/slurm.conf\0", "SLURM_JOB_ID=")
    for pid in found:
        send(pid, signal.SIGKILL)
    return found


def _remove_cgroups(nodes: Iterable[str]) -> None:
    for node in nodes:
        for top in CGROUPS.glob(f"*/slurm_{node}"):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def _compile_naps(library: Path) -> None:
    """Compile the short naps; without a compiler the cluster is only slower."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    source = Path(__file__).with_name("fastusleep.c")
    if compiler:
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=False, capture_output=True
        )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.touch(mode)
    path.chmod(mode)
    path.write_bytes(content)


def _last_words(folder: Path) -> str:
    logs = sorted(folder.glob("log/*")) + sorted(folder.glob("munge/*.log"))
    tails = (
        f"{log.name}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()[-8:]
    )
    return "\n".join(tails)
