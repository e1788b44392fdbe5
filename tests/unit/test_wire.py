"""Shell text that carries shell text: what is cut off never runs, what passes a login shell is unchanged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobferry.render.wire import for_login_shell, frame, new_mark, preamble_frame

START, END = new_mark(), new_mark()


@pytest.mark.parametrize("interpreter", [("bash", "--posix"), ("dash",)])
def test_frame_that_was_cut_is_never_run(interpreter: tuple[str, ...], tmp_path: Path) -> None:
    # `;` and newlines inside, so that a naive frame would run its first half
    program = "echo ran >>ran; true\necho ran >>ran\n(echo ran >>ran)"
    whole = frame(program, start=START, end=END)

    # without its last newline alone the frame is complete
    for size in range(len(whole) - 1):
        subprocess.run(interpreter, input=whole[:size], cwd=tmp_path, capture_output=True, check=False)
        assert not (tmp_path / "ran").exists(), f"ran when cut after {size} bytes: {whole[:size]!r}"


def test_preamble_that_was_cut_is_never_run(tmp_path: Path) -> None:
    whole = preamble_frame("echo ran >ran\necho ran >ran")

    for size in range(len(whole) - len(" </dev/null >/dev/null 2>&1\n")):
        subprocess.run(["sh"], input=whole[:size], cwd=tmp_path, capture_output=True, check=False)
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("login_shell", ["sh", "bash", "dash", "tcsh", "fish"])
@pytest.mark.parametrize("script", ["echo plain", "echo 'it'\\''s' !x \\\\ \"$HOME\" `echo hi`\necho ☃ '\n'"])
def test_script_passes_every_login_shell(login_shell: str, script: str) -> None:
    if subprocess.run(["which", login_shell], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"no {login_shell}")
    line = for_login_shell(script)

    expected = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    result = subprocess.run([login_shell, "-c", line], capture_output=True, check=True)

    assert result.stdout == expected.stdout
