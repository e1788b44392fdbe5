"""One transfer in a process of its own; prints the most memory it took, in MB.

Run as ``python -m benchmarks.transfer HOST SSH ROOT put|get SOURCE DESTINATION``.
"""

from __future__ import annotations

import re
import resource
import sys
import tempfile
from pathlib import Path

from jobferry.client import Client
from jobferry.config import Config
from jobferry.machine_handle import Machine
from jobferry.store import Store


def main(host: str, ssh: str, root: str, verb: str, source: str, destination: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        client = Client(config=Config(), store=Store(Path(folder) / "jobs.db"))
        machine = Machine(name="far", host=host, ssh=ssh, root=root, client=client)
        move = machine.put if verb == "put" else machine.get
        move(source, destination)
        client.close()
    print(peak_kilobytes() / 1024)


def peak_kilobytes() -> int:
    """Tell the most memory this process took; getrusage would tell the parent's too."""
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+)", status.read_text())):
        return int(peak[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
