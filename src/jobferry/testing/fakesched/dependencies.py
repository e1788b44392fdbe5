"""What jobs wait for: as sbatch reads it, as it stands, as squeue shows it."""

from __future__ import annotations

import re

from jobferry.testing.fakesched.state import ENDED, WAITING, Dependency, Job, State, find

MET, UNMET, NEVER = "", "unfulfilled", "failed"
_KINDS = frozenset({"after", "afterany", "afterok", "afternotok", "aftercorr"})
_ID = re.compile(r"(\d+)(?:_\d+)?(?:\+\d+)?")


def read_dependencies(state: State, name: str, text: str) -> tuple[list[Dependency], bool]:
    """Read ``--dependency``; return what is still to be waited for, and whether one of it is enough.

    A job that is not known any more is waited for by nobody, whatever became of it: so says Slurm.

    Raises:
        ValueError: it cannot be read.
    """
    found: list[Dependency | None] = []
    for part in filter(None, re.split(r"[,?]", text)):
        kind, *ids = part.split(":")
        if part == "singleton":
            before = [job["submission"] for job in state["jobs"] if job["name"] == name]
            found += [Dependency(kind=kind, native_id="", submission=at, task=None) for at in set(before)]
        elif kind not in _KINDS or not ids or not all(map(_ID.fullmatch, ids)):
            raise ValueError(part)
        else:
            found += [_dependency(state, kind, native_id) for native_id in ids]
    return list(filter(None, found)), "?" in text


def _dependency(state: State, kind: str, native_id: str) -> Dependency | None:
    wanted = native_id.partition("+")[0]
    others = [job for job in find(state, wanted) if job["in_queue"]]
    if not others:
        return None
    is_whole = str(others[0]["array"]) == wanted
    return Dependency(
        kind=kind,
        native_id=f"{wanted}_*" if is_whole else native_id,
        submission=others[0]["submission"],
        task=None if is_whole else others[0]["task"],
    )


def standing(state: State, job: Job) -> str:
    """Tell whether a job's dependencies are met, not met yet, or never can be."""
    stand = {_stands(state, job, dependency) for dependency in job["dependencies"]}
    if not stand or stand == {MET} or (job["any_of"] and MET in stand):
        return MET
    return NEVER if stand == {NEVER} or (NEVER in stand and not job["any_of"]) else UNMET


def _stands(state: State, job: Job, dependency: Dependency) -> str:
    others = [
        other
        for other in state["jobs"]
        if other["submission"] == dependency["submission"] and dependency["task"] in (None, other["task"])
    ]
    kind = dependency["kind"]
    if kind == "after":
        return UNMET if any(other["phase"] == WAITING for other in others) else MET
    if kind == "aftercorr":
        others = [other for other in others if other["task"] == job["task"]] or others
    if any(other["phase"] != ENDED for other in others):
        return UNMET
    if kind in ("afterany", "singleton"):
        return MET
    good = all(succeeded(other) for other in others)
    return NEVER if good == (kind == "afternotok") else MET


def is_split(job: Job) -> bool:
    """Whether each task of an array waits for another: for that of its own number."""
    return any(dependency["kind"] == "aftercorr" for dependency in job["dependencies"])


def succeeded(job: Job) -> bool:
    """Whether a job that has ended did so by itself and well."""
    return job["cause"] in ("", "COMPLETED") and job["code"] == 0 and job["signal"] == 0


def show_dependencies(state: State, job: Job) -> str:
    """Write what is still waited for, as squeue's ``%E`` does."""
    words = []
    for dependency in job["dependencies"]:
        if stands := _stands(state, job, dependency):
            target = f":{dependency['native_id']}" if dependency["native_id"] else ""
            words.append(f"{dependency['kind']}{target}({stands})")
    return ("?" if job["any_of"] else ",").join(words) or "(null)"
