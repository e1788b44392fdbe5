"""A running Slurm as a test uses it: commands, questions and faults."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.rigs.daemons import SYSTEM_PATH, RigError, alive, process_state, read_pid, send, wait_until
from tests.rigs.slurm_conf import SlurmLayout

MARK = "RIG_FOLDER"
"""In the environment of every daemon of a rig, and of nothing else."""


class SlurmCluster:
    """What can be done with a cluster that is up."""

    def __init__(self) -> None:
        self._layout: SlurmLayout | None = None
        self.fast = False
        """Whether the controller's naps are shortened: 0.1 s a job instead of 1 s."""

    @property
    def layout(self) -> SlurmLayout:
        if self._layout is None:
            raise RigError("the rig is not running")
        return self._layout

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach this cluster and no other."""
        return {"SLURM_CONF": str(self.layout.conf)}

    @property
    def cluster(self) -> str:
        return self.layout.cluster

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.layout.nodes

    @property
    def real_out_of_memory(self) -> bool:
        """Whether a job above its memory ends as OUT_OF_MEMORY; else it is FAILED by signal 9."""
        return self.layout.cgroups

    @property
    def work(self) -> Path:
        """A folder everybody may write to; commands and jobs start there."""
        return self.layout.directory / "work"

    def run(
        self, *argv: str, user: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this or (root only) another user; a non-zero exit is a result."""
        account = pwd.getpwnam(user) if user else None
        return subprocess.run(
            argv,
            env=_environment(account) | self.environment,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def submit(self, *arguments: str, user: str | None = None) -> str:
        """Submit with sbatch and give the native id."""
        answer = self.run("sbatch", "--parsable", *arguments, user=user)
        if answer.returncode != 0:
            raise RigError(answer.stderr.strip())
        return answer.stdout.strip().partition(";")[0]

    def job(self, native_id: str) -> Mapping[str, str]:
        """Say what the controller knows of a job or an array task; empty once it is purged."""
        shown = self.run("scontrol", "show", "job", "-o", native_id)
        if shown.returncode != 0:
            return {}
        pairs = (word.partition("=") for word in shown.stdout.splitlines()[0].split())
        return {name: value for name, _, value in pairs}

    def wait_for_state(self, native_id: str, *states: str, limit: float = 30.0) -> Mapping[str, str]:
        """Wait until the controller shows the job in one of these states."""
        wait_until(
            lambda: self.job(native_id).get("JobState") in states,
            limit=limit,
            what=f"job {native_id} {' or '.join(states)}",
        )
        return self.job(native_id)

    def purge_wait(self, native_id: str, limit: float = 30.0) -> None:
        """Wait until the controller has forgotten a finished job: about 7 s when `min_job_age` is 2."""
        wait_until(lambda: not self.job(native_id), limit=limit, what=f"purge of job {native_id}", every=0.1)

    def idle(self) -> bool:
        shown = self.run("sinfo", "-h", "-N", "-p", "debug", "-o", "%t").stdout.split()
        return shown == ["idle"] * len(self.nodes)

    def start_again(self, native_id: str) -> None:
        """Let a job that was put back into the queue start soon, not after Slurm's two minutes."""
        wait_until(self.idle, limit=30, what="idle nodes")
        # slurmd refuses a job whose credential is of the second in which that of its last run was revoked,
        # and the node is drained then; a node that was down may be told of it again when it is back
        done = self.run("scontrol", "update", f"JobId={native_id}", "StartTime=now+3")
        if done.returncode != 0:
            raise RigError(done.stderr.strip())

    def recover(self) -> None:
        """Wait until nothing runs, and give back the nodes that Slurm has taken out of service."""
        wait_until(self._idle_or_given_back, limit=30, what="idle nodes")

    def _idle_or_given_back(self) -> bool:
        shown = self.run("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %t").stdout.splitlines()
        for name, state in (line.split() for line in shown):
            if state.startswith(("drain", "drng")):
                self.set_node(name, "resume")
        return self.idle()

    def freeze_controller(self) -> None:
        """Let the controller hang: a submission times out after 10 s, and runs all the same after `thaw`."""
        self._freeze("slurmctld")

    def freeze_accounting(self) -> None:
        """Let slurmdbd hang: sacct waits 45 s, everything else goes on."""
        self._freeze("slurmdbd")

    def thaw(self) -> None:
        """Let everything frozen go on."""
        for daemon in ("slurmctld", "slurmdbd"):
            if (pid := read_pid(self.layout.pid_file(daemon))) is not None:
                send(pid, signal.SIGCONT)

    def stop_controller(self) -> None:
        """End the controller: a submission fails after 9 s. Jobs run on."""
        self._kill("slurmctld", signal.SIGTERM)

    def start_controller(self) -> None:
        library = self.layout.directory / "run" / "fastusleep.so"
        self.fast = library.exists()
        self.start_daemon("slurmctld", environment={"LD_PRELOAD": str(library)} if self.fast else {})
        wait_until(
            lambda: self.run("scontrol", "ping").stdout.rstrip().endswith("UP"),
            limit=30,
            what="an answer from slurmctld",
        )

    def kill_accounting(self) -> None:
        """Kill slurmdbd: sacct fails at once, jobs and queue go on."""
        self._kill("slurmdbd", signal.SIGKILL)

    def start_accounting(self) -> None:
        """Start slurmdbd on the running database; the controller then tells it what it has missed."""
        self.start_daemon("slurmdbd")
        wait_until(
            lambda: self.run("sacctmgr", "-n", "list", "cluster").returncode == 0, limit=30, what="slurmdbd"
        )

    def kill_slurmd(self, node: str) -> None:
        """Kill the node's daemon; the controller notices after about 25 s, and its jobs are NODE_FAIL."""
        self._kill(node, signal.SIGKILL)

    def start_slurmd(self, node: str) -> None:
        self.start_daemon("slurmd", "-N", node)

    def set_node(self, node: str, state: str, reason: str = "rig") -> None:
        """Set a node's state as its administrator does: down, drain, resume."""
        changed = self.run("scontrol", "update", f"nodename={node}", f"state={state}", f"reason={reason}")
        if changed.returncode != 0:
            raise RigError(changed.stderr.strip())

    def start_daemon(self, *argv: str, environment: Mapping[str, str] | None = None) -> None:
        """Start what goes to the background by itself; it bears the rig's mark from then on."""
        folder = self.layout.directory
        with (folder / "log" / "start.log").open("ab") as log:
            subprocess.run(
                argv,
                env=daemon_environment(self.layout) | dict(environment or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                timeout=30,
            )

    def _freeze(self, daemon: str) -> None:
        pid = read_pid(self.layout.pid_file(daemon))
        if pid is None:
            raise RigError(f"{daemon} is not running")
        send(pid, signal.SIGSTOP)
        wait_until(lambda: process_state(pid) == "T", limit=5, what=f"{daemon} frozen", every=0.002)

    def _kill(self, daemon: str, number: signal.Signals) -> None:
        pid = read_pid(self.layout.pid_file(daemon))
        if pid is not None:
            send(pid, number)
            wait_until(lambda: not alive(pid), limit=10, what=f"end of {daemon}", every=0.005)


def daemon_environment(layout: SlurmLayout) -> dict[str, str]:
    return _environment(None) | {"SLURM_CONF": str(layout.conf), MARK: str(layout.directory)}


def _environment(account: pwd.struct_passwd | None) -> dict[str, str]:
    """A login's own few variables: sbatch would hand any others on to the job."""
    account = account or pwd.getpwuid(os.geteuid())
    return {
        "PATH": SYSTEM_PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell,
    }
