"""MariaDB and slurmdbd behind a rigged Slurm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping

from tests.rigs.daemons import RigError, wait_until
from tests.rigs.slurm_cluster import SlurmCluster, daemon_environment
from tests.rigs.slurm_conf import SlurmLayout

DATABASE_PROGRAMS = (
    "mariadb-install-db",
    "mariadbd",
    "mariadb",
    "mariadb-admin",
    "slurmdbd",
    "sacctmgr",
    "sacct",
)

_GRANTS = """\
create database slurm;
create user slurm@localhost identified by 'slurm';
create user slurm@'127.0.0.1' identified by 'slurm';
grant all on slurm.* to slurm@localhost;
grant all on slurm.* to slurm@'127.0.0.1';
"""


def start_mariadb(layout: SlurmLayout) -> subprocess.Popen[bytes]:
    """Make an empty database for slurmdbd; the server is our child, it does not go to the background."""
    folder = layout.database
    folder.mkdir(exist_ok=True)
    as_root = os.geteuid() == 0
    if as_root:
        shutil.chown(folder, "mysql")
    owner = ["--user=mysql"] if as_root else []
    environment = daemon_environment(layout)
    with (layout.directory / "log" / "mariadb.log").open("ab") as log:
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", *owner),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            timeout=60,
        )
        server = subprocess.Popen(
            [
                *("mariadbd", "--no-defaults", f"--datadir={folder}/data", *owner),
                *(f"--socket={layout.mysql_socket}", f"--pid-file={layout.pid_file('mariadbd')}"),
                *("--bind-address=127.0.0.1", f"--port={layout.mysql_port}", "--skip-log-bin"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--performance-schema=OFF"),
                *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
                "--innodb-lock-wait-timeout=900",
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return server


def start_slurmdbd(cluster: SlurmCluster, users: Iterable[str]) -> None:
    """Start slurmdbd on the running MariaDB; every user gets the account `lab`."""
    layout = cluster.layout
    client = ("--no-defaults", f"--socket={layout.mysql_socket}", "-u", "root")
    wait_until(
        lambda: cluster.run("mariadb-admin", *client, "ping").returncode == 0, limit=30, what="mariadbd"
    )
    _checked(cluster, "mariadb", *client, "-e", _GRANTS)
    cluster.start_accounting()
    at = f"Cluster={layout.cluster}"
    for words in (
        ("cluster", layout.cluster),
        ("account", "lab", "Description=lab", "Organization=lab", at),
    ):
        _checked(cluster, "sacctmgr", "-i", "-Q", "add", *words)
    add_users(cluster, {layout.user, *users})


def add_users(cluster: SlurmCluster, users: Iterable[str]) -> None:
    """Give users the account `lab`; of one that does not exist yet the jobs would have none for good."""
    names = ",".join(sorted(users))
    at = f"Cluster={cluster.cluster}"
    _checked(cluster, "sacctmgr", "-i", "-Q", "add", "user", names, "Account=lab", "DefaultAccount=lab", at)


def set_limits(cluster: SlurmCluster, qos: Mapping[str, str], association: str) -> None:
    """Make or change QOS and let the account `lab` use them all; give each of its users these limits."""
    changes: list[tuple[str, ...]] = []
    for name, limits in qos.items():
        if name != "normal":
            changes.append(("add", "qos", name))
        if limits:
            changes.append(("modify", "qos", name, "set", *limits.split()))
    if qos:
        names = ",".join(sorted({"normal", *qos}))
        changes.append(("modify", "account", "lab", "set", f"QOS={names}", "DefaultQOS=normal"))
    if association:
        changes.append(("modify", "user", "where", "account=lab", "set", *association.split()))
    for words in changes:
        _checked(cluster, "sacctmgr", "-i", "-Q", *words)


def _checked(cluster: SlurmCluster, *argv: str) -> None:
    result = cluster.run(*argv)
    if result.returncode != 0:
        raise RigError(f"{' '.join(argv)}: {result.stderr.strip() or result.stdout.strip()}")
