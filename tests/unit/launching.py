"""Launch scripts run for real, in a folder, by any shell there is; no batch system and no connection."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from jobferry.data import read
from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine
from jobferry.model.spec import JobSpec
from jobferry.payload import launcher
from jobferry.render.records import Records, parse_records
from jobferry.render.script import LAUNCHER, USER_SCRIPT, launch_script, script_name
from jobferry.schedulers.base import Scheduler
from jobferry.schedulers.direct import Direct
from tests.unit.records import NOW

SHELLS: Mapping[str, tuple[str, ...]] = {
    "dash": ("dash",),
    # what /bin/sh is on most clusters
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}
LIMIT = 30.0

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def need(shell: str) -> tuple[str, ...]:
    """Return a shell's words, or skip the test where there is no such shell."""
    words = SHELLS[shell]
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"no {words[0]} here")
    return (program, *words[1:])


@dataclass(frozen=True, slots=True)
class Launch:
    """A job's folder, as a submission leaves it.

    Attributes:
        shell: what reads the launch script.
        lines: what runs the job's own lines instead of bash.
    """

    root: Path
    spec: JobSpec
    scheduler: Scheduler = field(default_factory=Direct)
    shell: tuple[str, ...] = ("/bin/sh",)
    lines: tuple[str, ...] = ()
    machine: Machine = field(default_factory=lambda: Machine(name="here"))
    id: str = field(default_factory=lambda: mint_ids(NOW)[0])

    @property
    def folder(self) -> Path:
        return self.root / "jobs" / self.id

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def script(self) -> Path:
        return self.folder / script_name(self.scheduler)

    def lay_out(self) -> Launch:
        for name in ("work", "out", "state/submit"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        supervised = self.scheduler.capabilities.supervised
        (self.folder / LAUNCHER).write_text(launcher(supervised=supervised))
        self.script.write_text(launch_script(self.spec, self.id, self.machine, self.scheduler))
        if self.spec.script is not None:
            (self.folder / USER_SCRIPT).write_text(self.spec.script)
            (self.folder / USER_SCRIPT).chmod(0o700)
        return self

    def start(
        self, *dependencies: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start the launch script in a session of its own."""
        mode = (str(self.folder), "start", *dependencies) if self.scheduler.capabilities.supervised else ()
        with (self.folder / "out" / "launch").open("ab") as log:
            return subprocess.Popen(
                [*self.shell, str(self.script), *mode],
                cwd=self.folder,
                env=self.environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *dependencies: str, environment: Mapping[str, str] | None = None) -> int:
        """Run the launch script to its end and return its code."""
        process = self.start(*dependencies, environment=environment)
        try:
            return process.wait(LIMIT)
        finally:
            process.kill()

    def environment(self) -> dict[str, str]:
        """A plain environment, in which `bash` is what runs the job's own lines."""
        path = os.environ.get("PATH", os.defpath)
        if self.lines:
            folder = self.root / "bin"
            folder.mkdir(exist_ok=True)
            (folder / "bash").write_text(f'#!/bin/sh\nexec {" ".join(self.lines)} "$@"\n')
            (folder / "bash").chmod(0o755)
            path = f"{folder}{os.pathsep}{path}"
        return {"PATH": path, "HOME": str(self.root), "LC_ALL": "C.UTF-8"}

    def records(self) -> Records:
        """Read all records, as a client does."""
        lines = [
            path.read_text() for path in self.state.iterdir() if path.suffix in (".started", ".finished")
        ]
        return parse_records("".join(lines)).get(self.id, Records({}, {}))

    def stdout(self, task: int | None = None) -> str:
        return _text(self.folder / "out" / ("stdout" if task is None else f"stdout.{task}"))

    def stderr(self, task: int | None = None) -> str:
        return _text(self.folder / "out" / ("stderr" if task is None else f"stderr.{task}"))

    def said(self) -> str:
        """What the launch script itself said."""
        return _text(self.folder / "out" / "launch")

    def native_id(self, process: subprocess.Popen[bytes]) -> str:
        """Return the claim's owner, once it is taken."""
        owner = self.state / "job.claim"
        wait_for(lambda: _text(owner).strip(), "the claim", process)
        return owner.read_text().strip()

    def direct(self, function: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Call a function of ``direct.sh``."""
        return subprocess.run(
            [*self.shell, "-c", read("direct.sh") + '"$@"', "sh", function, *words],
            env=self.environment() | {"JF_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )

    def again(self, **changes: object) -> Launch:
        """The same folder, seen otherwise."""
        return replace(self, **changes)  # type: ignore[arg-type]


def wait_for(
    condition: Callable[[], object], what: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Ask until it holds; a process that ends before fails the test at once."""
    end = time.monotonic() + LIMIT
    while not condition():
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"ended with {process.returncode} before {what}")
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in ("Z", "X")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a session that a failed test has left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _text(path: Path) -> str:
    return path.read_text(errors="surrogateescape") if path.exists() else ""
