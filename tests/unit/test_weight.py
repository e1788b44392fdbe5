"""What is loaded at start-up, counted in modules: milliseconds would depend on the machine."""

from __future__ import annotations

import subprocess
import sys

_IMPORT = "import jobferry"
_VERSION = """\
import contextlib, io
sys.argv = ["jobferry", "--version"]
from jobferry.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
"""


def test_import_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by(_IMPORT)

    heavy = {"click", "rich", "tomlkit", "sqlite3", "subprocess", "asyncio", "json"}
    assert heavy & loaded == set()


def test_import_loads_few_modules() -> None:
    assert len(modules_loaded_by(_IMPORT)) <= 10


def test_version_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by(_VERSION)

    assert {"rich", "tomlkit", "sqlite3", "asyncio"} & loaded == set()


def test_version_loads_few_of_our_own_modules() -> None:
    ours = {name for name in modules_loaded_by(_VERSION) if name.partition(".")[0] == "jobferry"}

    assert len(ours) <= 10, sorted(ours)


def modules_loaded_by(statements: str) -> set[str]:
    """Run statements in a fresh interpreter; give what they load that a bare interpreter has not loaded."""
    program = (
        f"import sys\nbefore = set(sys.modules)\n{statements}\nprint(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
