"""The nodes of the fake cluster: which of them a job may have, and gets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jobferry.testing.fakesched.state import State


def hosts(text: str) -> list[str]:
    """Expand a list of hosts: ``n[08-10,12],m1`` is five of them."""
    return [host for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text) for host in _expand(part)]


def _expand(part: str) -> Iterator[str]:
    before, bracket, rest = part.partition("[")
    if not bracket:
        yield part
        return
    numbers, _, after = rest.partition("]")
    for span in numbers.split(","):
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield from _expand(f"{before}{number:0{len(first)}}{after}")


def node_problem(state: State, asked: Mapping[str, str]) -> str:
    """Tell in Slurm's words why no node can ever be had; empty when one can."""
    wanted, unwanted = hosts(asked.get("nodelist", "")), hosts(asked.get("exclude", ""))
    known = set(state["nodes"])
    if not known.issuperset(wanted + unwanted) or set(wanted) & set(unwanted):
        return "Invalid node name specified"
    return "Requested node configuration is not available" if known.issubset(unwanted) else ""


def choose_node(state: State, asked: Mapping[str, str]) -> str:
    """Return the first node a job may have that is up; empty when it has to wait for one."""
    unwanted = hosts(asked.get("exclude", ""))
    wanted = hosts(asked.get("nodelist", "")) or state["nodes"]
    return next((name for name in wanted if name not in unwanted and name not in state["down"]), "")


def why_no_node(state: State) -> str:
    """Write the reason of a job that waits for a node."""
    return f"ReqNodeNotAvail, UnavailableNodes:{','.join(state['down'])}"
