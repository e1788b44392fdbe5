"""What a script defines, as functions over there meet it: by value, and by name."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
    import multiprocessing, pickle
    import jobferry as jf

    def squared(x):
        return x * x

    class Point:
        def __init__(self, x):
            self.x = x

    def pool():
        with multiprocessing.get_context("fork").Pool(2) as workers:
            return workers.map(squared, [1, 2, 3])

    def copy():
        return pickle.loads(pickle.dumps(Point(3)))

    machine = jf.Machine(name="here", scheduler="direct", root={root!r})
    print(machine.call(pool).result(60))
    print(type(machine.call(copy).result(60)) is Point)
"""


def test_functions_and_classes_of_a_script_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT.format(root=str(tmp_path / "root"))))
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "JOBFERRY_STORE": str(tmp_path / "jobs.db"),
    }

    said = subprocess.run(
        [sys.executable, path], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    # what came home by value is there in any process
    code = "import jobferry as jf; print(jf.job('@last').result(60).x)"
    later = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert "[1, 4, 9]\nTrue\n" == said.stdout
    assert "3\n" == later.stdout
