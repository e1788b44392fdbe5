"""A process over there ends at once only where nobody would see the difference."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.functions.pythons import need_python

SOURCE = Path(__file__).parents[2] / "src" / "jobferry"

PROGRAM = """
import sys
before = frozenset(sys.modules)
sys.path.insert(0, {source!r})
from far.leaving import leave
import os
at_once = os._exit
def _exit(code):
    os.write(2, b"at once")
    at_once(code)
os._exit = _exit
{text}
leave({code}, before)
"""
PLAIN = {
    "nothing": "",
    "numbers": "import math, re, json, random; x = [random.random() for _ in range(9)]; print(end='')",
    "files that were closed": "def w():\n    with open(sys.argv[1] + '/f', 'w') as f: f.write('x')\nw()",
    "a generator that ended": "def g():\n    yield 1\nlist(g())",
    "an exception": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    kept = e",
}
# what has to be done on the way out, and what then stands in the file `seen`
LEFT = {
    "an open file": "f = open(seen, 'w'); f.write('done')",
    "another way to write": "import io\nf = io.TextIOWrapper(io.FileIO(seen, 'w'))\nf.write('done')",
    "a function to call": "import atexit; atexit.register(note)",
    "a generator": "def g():\n    try:\n        yield\n    finally:\n        note()\nx = g(); next(x)",
    "an object that ends itself": "class C:\n    def __del__(self): note()\nx = C()",
    "a thread": "import threading, time\n"
    "def later():\n    time.sleep(0.1); note()\nthreading.Thread(target=later).start()",
    "a temporary folder": "import tempfile, weakref\nclass T: pass\nx = T(); weakref.finalize(x, note)",
    "a database": "import sqlite3; x = sqlite3.connect(':memory:'); note()",
    "no stream to print on": "sys.stdout = None; note()",
    "a stream that keeps": "class Tee:\n    def write(self, text): sys.__stdout__.write(text)\n"
    "    def flush(self): pass\nsys.stdout = Tee(); note()",
    "who looks on": "sys.settrace(lambda *_: None); note()",
}
# late in the end of a process, little works any more of what Python itself brings
NOTE = """
seen = sys.argv[1] + '/seen'
def note(open=os.open, write=os.write, how=os.O_WRONLY | os.O_CREAT, seen=seen):
    write(open(seen, how), b'done')
"""


@pytest.fixture(params=["3.8", "3.11", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    return need_python(request.param)


def run(python: str, text: str, folder: Path, code: int = 3, **options: object) -> tuple[int, str]:
    program = PROGRAM.format(source=str(SOURCE), text=textwrap.dedent(text), code=code)
    done = subprocess.run(
        [python, "-c", program, str(folder)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("what", PLAIN)
def test_process_that_leaves_nothing_ends_at_once(python: str, tmp_path: Path, what: str) -> None:
    assert (3, "at once") == run(python, PLAIN[what], tmp_path)


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_is_done_first(python: str, tmp_path: Path, what: str) -> None:
    assert (3, "") == run(python, NOTE + LEFT[what], tmp_path)
    assert "done" == (tmp_path / "seen").read_text()


def test_what_was_printed_is_written_first(python: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        run(python, "print('printed')", tmp_path, stdout=out)

    assert "printed\n" == (tmp_path / "out").read_text()


def test_what_cannot_be_written_is_no_success(python: str, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("w") as full:
        code, said = run(python, "print('printed')", tmp_path, 0, stdout=full)

    assert 120 == code
    assert "No space left on device" in said
