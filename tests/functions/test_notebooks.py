"""Functions of a notebook, whose kernel runs a loop of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    """
import jobferry as jf
machine = jf.Machine(name="here", scheduler="direct", root={root!r}, python={python!r})
SCALE = 3
def helper(x):
    return SCALE * x
""",
    """
def scaled(x):
    return helper(x) + 1
machine.call(scaled, 2).result(60)
""",
    """
with jf.Executor(machine) as executor:
    found = list(executor.map(scaled, [1, 2]))
found
""",
    """
import asyncio
await asyncio.wrap_future(jf.Executor(machine).submit(lambda x: helper(x), 5))
""",
    """
class Odd(Exception):
    pass
def fail():
    raise Odd("it is")
try:
    machine.call(fail).result(60)
except Exception as error:
    print(type(error).__name__, error)
""",
    "machine.sweep(scaled, jf.grid(x=[1, 2]), name='s').results(60)",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("minor", ["3.11", "3.8"])
def test_cells_call_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minor: str) -> None:
    from tests.functions.pythons import need_python

    monkeypatch.setenv("JOBFERRY_STORE", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    python = need_python(minor)
    texts = [
        text.format(root=str(tmp_path / "root"), python=python) if "{root" in text else text for text in CELLS
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])

    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()

    shown = [_shown(cell) for cell in notebook.cells]
    told = "Odd it is\n" if minor == "3.11" else "RemoteError"
    assert ["", "7", "[4, 7]", "15"] == shown[:4]
    assert shown[4].startswith(told)
    assert "[4, 7]" == shown[5]


def _shown(cell: nbformat.NotebookNode) -> str:
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "".join(texts)
