"""Where the examples of one page run: a home of their own, a shell, one Python, and perhaps a cluster."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobferry.config import load_config
from tests.docs.markdown import Block
from tests.docs.sessions import Ids, read_session

_DRIVER = """\
import contextlib, io, json, sys, traceback
namespace = {"__name__": "__main__"}
for line in sys.stdin:
    name, text = json.loads(line)
    said, failed = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(text, name, "exec"), namespace)
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps([said.getvalue(), failed]), flush=True)
"""
# `echo $?` is to see the code of the command before it
_SHELL = """\
code=0
while IFS= read -r -d '' command; do
    (exit "$code")
    eval "$command" </dev/null
    code=$?
    printf '\\n%s %s\\n' "$MARK" "$code"
done
"""
_PRINTED = re.compile(r"^\s*print\(.*\)\s+# (.+)$", re.MULTILINE)
_KEPT = ("LANG", "TZ", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


@dataclass(slots=True)
class Room:
    """Runs the examples of a page one after the other.

    Args:
        home: an empty folder.
        extra: more of the environment.
        renamed: what is written differently on the page, by how it is written here.
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    ids: Ids = field(default_factory=Ids)
    python: subprocess.Popen[str] | None = None
    shell: subprocess.Popen[str] | None = None
    mark: str = field(default_factory=lambda: f"step-{secrets.token_hex(8)}")

    @property
    def work(self) -> Path:
        """The folder one is in."""
        return self.home / "work"

    def environment(self) -> dict[str, str]:
        """What the examples see of this machine: nothing of its user."""
        programs = [str(self.home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "PATH": ":".join(programs), "TERM": "dumb", **self.extra}

    def run(self, block: Block) -> None:
        """Run one example; fails with the place in the page."""
        if block.file is not None:
            self._write(block, block.file)
        match block.language:
            case "console":
                self._console(block)
            case "python" if block.file is None:
                self._python(block)
            case "python":
                compile(block.text, block.file or "", "exec")
            case "toml":
                self._toml(block)
            case "sh":
                self._sh(block)
            case "ssh-config":
                self._ssh_config(block)
            case other:
                raise AssertionError(f"{block.where}: nobody knows how to run {other!r}")

    def close(self) -> None:
        """End what the page has left running."""
        self._bash("jobferry cancel --all")
        for process in (self.python, self.shell):
            if process is not None:
                process.communicate(timeout=30)

    def _write(self, block: Block, name: str) -> None:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        if block.text.startswith("#!"):
            path.chmod(0o755)

    def _console(self, block: Block) -> None:
        steps = read_session(block.text)
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            said, code = self._bash(self._typed(step.command))
            shown = self._as_on_page(said)
            where = f"{block.where}: $ {step.command}"
            assert self.ids.matches(step.expected, shown), (
                f"{where}\n--- the page says\n{step.expected}--- it printed\n{shown}"
            )
            # a command that fails is followed by `echo $?`, so that the page says how
            is_told = following is not None and "$?" in following.command
            assert code == 0 or is_told, f"{where}\nexit code {code}\n{shown}"

    def _typed(self, command: str) -> str:
        for ours, theirs in self.renamed.items():
            command = command.replace(theirs, ours)
        return self.ids.put_into(command)

    def _as_on_page(self, text: str) -> str:
        for ours, theirs in {str(self.home): "/home/me", **self.renamed}.items():
            text = text.replace(ours, theirs)
        return text

    def _python(self, block: Block) -> None:
        if self.python is None:
            self.python = subprocess.Popen(
                [sys.executable, "-c", _DRIVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=self.work,
                env=self.environment(),
            )
        # as many empty lines before it as there are in the page: a traceback then names the line
        text = "\n" * block.line + self.ids.put_into(block.text)
        _, answer = _ask(self.python, json.dumps([str(block.page), text]) + "\n", lambda line: True)
        said, failed = json.loads(answer)
        assert not failed, f"{block.where}:\n{failed}"
        expected = "".join(f"{line}\n" for line in _PRINTED.findall(block.text))
        shown = self._as_on_page(said)
        assert self.ids.matches(expected, shown), (
            f"{block.where}:\n--- the page says\n{expected}--- it printed\n{shown}"
        )

    def _toml(self, block: Block) -> None:
        folder = self.home / "toml" / str(block.line)
        folder.mkdir(parents=True)
        name = "pyproject.toml" if "[tool.jobferry" in block.text else "jobferry.toml"
        (folder / name).write_text(block.text, "utf-8")
        config = load_config(folder, {"HOME": str(folder)})
        assert any(origin.file == str(folder / name) for origin in config.origins.values()), block.where

    def _sh(self, block: Block) -> None:
        read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert read.returncode == 0, f"{block.where}: {read.stderr}"
        if block.run:
            said, code = self._bash(f"(set -e\n{self._typed(block.text)})")
            assert code == 0, f"{block.where}: exit code {code}\n{said}"

    def _ssh_config(self, block: Block) -> None:
        path = self.home / f"ssh_config.{block.line}"
        path.write_text(block.text)
        host = shlex.split(block.text)[1]
        read = subprocess.run(["ssh", "-G", "-F", path, host], capture_output=True, text=True, check=False)
        assert read.returncode == 0, f"{block.where}: {read.stderr}"

    def _bash(self, command: str) -> tuple[str, int]:
        """Run a command in the shell of this page; return what it printed and its exit code."""
        if self.shell is None:
            self.shell = subprocess.Popen(
                ["bash", "-c", _SHELL],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.work,
                env={**self.environment(), "MARK": self.mark},
            )
        said, code = _ask(self.shell, f"{command}\0", lambda line: line.startswith(self.mark))
        return "".join(said).removesuffix("\n"), int(code.split()[1])


def make_room(
    home: Path, *, extra: Mapping[str, str] | None = None, renamed: Mapping[str, str] | None = None
) -> Room:
    """Make a room in an empty folder."""
    room = Room(home, extra or {}, renamed or {})
    room.work.mkdir(parents=True)
    (home / "bin").mkdir()
    return room


def _ask(
    process: subprocess.Popen[str], question: str, is_last: Callable[[str], bool]
) -> tuple[list[str], str]:
    """Write to a process and read lines until the one that ends its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(question)
    process.stdin.flush()
    lines: list[str] = []
    for line in process.stdout:
        if is_last(line):
            return lines, line
        lines.append(line)
    raise AssertionError(f"it ended before it answered:\n{''.join(lines)}")
