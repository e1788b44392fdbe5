"""How Slurm takes a job: its options, and its refusals."""

from __future__ import annotations

import re
from pathlib import Path

from jobferry.testing.fakesched import engine
from jobferry.testing.fakesched.asked import asked_problem
from jobferry.testing.fakesched.dependencies import read_dependencies
from jobferry.testing.fakesched.faults import SUBMIT_FAILED
from jobferry.testing.fakesched.limits import excess
from jobferry.testing.fakesched.nodes import node_problem
from jobferry.testing.fakesched.options import Options, merge_options, read_options, read_script
from jobferry.testing.fakesched.rows import VERSION
from jobferry.testing.fakesched.state import Said, State


def sbatch(state: State, folder: Path, argv: list[str]) -> Said:
    """Take a job."""
    if argv and argv[0] in ("--version", "-V"):
        return f"slurm {VERSION}\n", "", 0
    try:
        options, words = read_options("sbatch", argv)
        script, inside = read_script(words)
    except ValueError as error:
        return "", f"sbatch: {error}\n", 255
    options = merge_options(inside, options)
    if unreadable := asked_problem(options):
        return "", f"sbatch: error: {unreadable}\n", 255
    indices, limit = _array(options)
    name = options.get("job-name", words[0].rpartition("/")[2])
    problem = _problem(state, options, indices)
    try:
        dependencies = read_dependencies(state, name, options.get("dependency", ""))
    except ValueError:
        problem = problem or "Job dependency problem"
    if problem:
        return "", f"{SUBMIT_FAILED}{problem}\n", 1
    if too_many := excess(state, 1 if indices is None else len(indices)):
        return "", f"sbatch: error: {too_many[0]}\n{SUBMIT_FAILED}{too_many[1]}\n", 1
    native_id = engine.submit(
        state,
        folder,
        script=script,
        name=name,
        output=options.get("output", "slurm-%j.out" if indices is None else "slurm-%A_%a.out"),
        held="hold" in options,
        indices=indices,
        limit=limit,
        dependencies=dependencies,
        asked={name: value for name, value in options.items() if name not in ("parsable", "quiet")},
    )
    return f"{native_id}\n" if "parsable" in options else f"Submitted batch job {native_id}\n", "", 0


def _problem(state: State, options: Options, indices: list[int] | None) -> str:
    partition = options.get("partition")
    if partition is not None and partition not in state["partitions"]:
        return "Invalid partition name specified"
    if indices is not None and (not indices or indices[-1] >= state["limits"]["max_array_size"]):
        return "Invalid job array specification"
    return node_problem(state, options)


def _array(options: Options) -> tuple[list[int] | None, int | None]:
    text = options.get("array")
    if text is None:
        return None, None
    body, _, limit = text.partition("%")
    indices: set[int] = set()
    for part in body.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not match:
            return [], None
        indices.update(range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1)))
    return sorted(indices), int(limit) if limit else None
