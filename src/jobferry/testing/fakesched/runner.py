"""The keeper of a running job: starts its script as a batch system would, waits, and writes down its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobferry.testing.fakesched.asked import warning
from jobferry.testing.fakesched.state import Job, State, locked

KILL_WAIT = 5
"""Seconds between asking a job to end and ending it."""

NoteEnd = Callable[[State, Path, int, int], None]
"""Takes the state, the folder, the number of the job and how its process ended, as ``wait`` tells."""

# a shell cannot trap what was ignored when it began, and whoever submits may ignore these
_RESET = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGXCPU)
WARNING = signal.SIGHUP
"""Tells the keeper of a job to send its batch shell the signal it asked for."""
_OURS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, WARNING)


def spool(folder: Path, submission: int, script: bytes) -> None:
    """Keep a job's script and the environment it was submitted in."""
    kept = folder / "spool" / str(submission)
    kept.write_bytes(script)
    kept.chmod(0o700)
    pairs = [name + b"=" + value for name, value in os.environb.items() if not name.startswith(b"SLURM_")]
    kept.with_suffix(".env").write_bytes(b"\0".join(pairs))


def start(folder: Path, index: int, job: Job, note_end: NoteEnd) -> int:
    """Start the keeper of a job in a session of its own; return its process id."""
    # held back until the keeper has its handlers
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    keeper = os.fork()
    if keeper:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return keeper
    try:
        _keep(folder, index, job, note_end)
    finally:
        os._exit(1)


def _keep(folder: Path, index: int, job: Job, note_end: NoteEnd) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    # the lock and the pipes of whoever submitted are not ours to hold
    os.closerange(3, 256)
    body = os.fork()
    if not body:
        try:
            _become(folder, job)
        finally:
            os._exit(126)

    def ask(*_: object) -> None:
        _kill(body, signal.SIGTERM)
        _kill(body, signal.SIGCONT)
        signal.alarm(KILL_WAIT)

    def die(*_: object) -> None:
        _kill(body, signal.SIGKILL)
        os._exit(0)

    def warn(*_: object) -> None:
        to_shell, number = warning(job["asked"].get("signal", "")) or (False, 0)
        if to_shell:
            with suppress(ProcessLookupError):
                os.kill(body, number)

    signal.signal(WARNING, warn)
    signal.signal(signal.SIGUSR1, ask)
    signal.signal(signal.SIGUSR2, die)
    signal.signal(signal.SIGALRM, lambda *_: _kill(body, signal.SIGKILL))
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(body, body)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
    _, status = os.waitpid(body, 0)
    signal.alarm(0)
    # what a job leaves behind ends with it
    _kill(body, signal.SIGKILL)
    with locked(folder) as state:
        note_end(state, folder, index, status)
    os._exit(0)


def _become(folder: Path, job: Job) -> None:
    with suppress(PermissionError):
        os.setpgid(0, 0)
    for number in (*_RESET, *_OURS):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(job["folder"])
    output = _expand(job["output"], job).encode()
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    script = folder / "spool" / str(job["submission"])
    pairs = (pair.partition(b"=") for pair in script.with_suffix(".env").read_bytes().split(b"\0"))
    environment = {name: value for name, _, value in pairs}
    os.execve(script, [str(script)], {**environment, **_variables(job)})


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _expand(pattern: str, job: Job) -> str:
    whole = job["native_id"] if job["array"] is None else job["array"]
    words = {"%j": job["native_id"], "%A": whole, "%a": job["task"], "%x": job["name"]}
    for mark, word in words.items():
        pattern = pattern.replace(mark, str(word))
    return pattern


def _variables(job: Job) -> dict[bytes, bytes]:
    values = {
        "SLURM_JOB_ID": job["native_id"],
        "SLURM_JOBID": job["native_id"],
        "SLURM_JOB_NAME": job["name"],
        "SLURM_SUBMIT_DIR": job["folder"],
        "SLURM_JOB_NODELIST": job["node"],
        "SLURMD_NODENAME": job["node"],
        "SLURM_CLUSTER_NAME": "fake",
    }
    if job["array"] is not None:
        values |= {"SLURM_ARRAY_JOB_ID": job["array"], "SLURM_ARRAY_TASK_ID": str(job["task"])}
    if job["restarts"]:
        values["SLURM_RESTART_COUNT"] = job["restarts"]
    return {name.encode(): str(value).encode() for name, value in values.items()}
