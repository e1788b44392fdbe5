"""What Slurm's programs print, line by line; a line that cannot be read is passed over, the others stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from jobferry.errors import ParseError, SpecError
from jobferry.model.spec import parse_array
from jobferry.model.status import Failure, JobState
from jobferry.schedulers.base import Answer, Observation
from jobferry.schedulers.slurm_words import HELD_REASONS, STATES

# a job, a task, a list of tasks that may be cut short, or a part of a heterogeneous job
_ID = re.compile(r"(\d{1,18})(?:_(?:(\d{1,9})|\[([^\]]*)(\]?)))?(?:\+(\d{1,9}))?", re.ASCII)
# Slurm's own marks in the place of a signal: 53 a launch that failed, 125 memory
_LAUNCH_MARK = "0:53"
_LAST_SIGNAL = 64
# a longer number is no time and no code
_DIGITS = 12


def parse_queue(text: str, wanted: frozenset[str]) -> Answer:
    """Read rows of ``id|state|start|nodes|reason|name``."""
    answer: dict[str, dict[int | None, Observation]] = {}
    for native_id, tasks, fields in _rows(text, 6):
        if native_id in wanted:
            seen = replace(_observe_queue(*fields[1:5]), native_name=_name(fields[5:]))
            answer.setdefault(native_id, {}).update(dict.fromkeys(tasks, seen))
    return answer


def parse_accounting(text: str, wanted: frozenset[str]) -> Answer:
    """Read sacct's rows of ``id|state|exit code|start|end|nodes|name``."""
    answer: dict[str, dict[int | None, Observation]] = {}
    for native_id, tasks, fields in _rows(text, 7):
        if native_id in wanted:
            seen = replace(_observe_history(*fields[1:6]), native_name=_name(fields[6:]))
            answer.setdefault(native_id, {}).update(dict.fromkeys(tasks, seen))
    return answer


def parse_names(text: str) -> tuple[dict[str, str], bool]:
    """Read rows of ``id|name`` into name -> id, the last one of each; also say whether all could be read."""
    found: dict[str, str] = {}
    is_whole = True
    for line in text.splitlines():
        shown, bar, name = line.strip().partition("|")
        match = _ID.fullmatch(shown)
        if match is not None and bar:
            # tasks of an array give the array's
            found[name] = match[1]
        elif shown:
            is_whole = False
    return found, is_whole


def _rows(text: str, width: int) -> Iterator[tuple[str, tuple[int | None, ...], list[str]]]:
    """Take the rows apart that have the right form, the name may lack; banners and cut lines are passed over.

    Raises:
        ParseError: there is something, but no row.
    """
    found = False
    for line in text.splitlines():
        # the name stands last: it may hold anything
        fields = line.strip().split("|", width - 1)
        match = _ID.fullmatch(fields[0])
        if match is None or len(fields) < width - 1:
            continue
        found = True
        # the first part of a heterogeneous job runs the script: it speaks for all
        if match[5] in (None, "0"):
            yield match[1], _tasks(match[2], match[3], whole=bool(match[4])), fields
    if text.strip() and not found:
        raise ParseError("no line of the answer can be read", text=text)


def _name(rest: list[str]) -> str | None:
    return rest[0] if rest else None


def _tasks(one: str | None, many: str | None, *, whole: bool = True) -> tuple[int | None, ...]:
    if one is not None:
        return (int(one),)
    if many is None:
        return (None,)
    numbers = many.split("%")[0]
    if not whole or numbers.endswith("..."):
        # a list that was cut still names the tasks before the cut; its last number may be half of one
        numbers = numbers.rpartition(",")[0]
    try:
        return parse_array(numbers).indices
    except SpecError:
        return ()


def _observe_queue(word: str, start: str, nodes: str, reason: str) -> Observation:
    state, failure = _translate(word)
    if state is JobState.QUEUED and reason in HELD_REASONS:
        state = JobState.HELD
    if word == "CANCELLED" and reason.startswith("Dependency"):
        state, failure = JobState.FAILED, Failure.DEPENDENCY
    return Observation(
        state=state,
        native_state=word,
        reason=_reason(state, reason),
        failure=failure,
        # before a job has nodes, this is when it may begin, or when it was cancelled
        started_at=_time(start) if nodes else None,
        nodes=(nodes,) if nodes else (),
    )


def _reason(state: JobState | None, reason: str) -> str | None:
    # a job that was cancelled still shows what it waited for
    return None if reason in ("", "None") or state is JobState.CANCELLED else reason


def _observe_history(word: str, exit_code: str, start: str, end: str, nodes: str) -> Observation:
    # "CANCELLED by 1000"
    state, failure = _translate(word.split(" ")[0])
    code, signal = _exit(exit_code)
    known = () if nodes in ("", "None assigned") else (nodes,)
    if failure is Failure.EXIT_CODE and signal:
        failure = Failure.SIGNAL
    if failure is Failure.EXIT_CODE and exit_code == _LAUNCH_MARK:
        failure = Failure.LAUNCH
    return Observation(
        state=state,
        native_state=word,
        exit_code=code,
        signal=signal,
        failure=failure,
        started_at=_time(start) if known else None,
        ended_at=_time(end),
        nodes=known,
    )


def parse_scontrol(text: str, wanted: frozenset[str]) -> Answer:
    """Read ``scontrol show job -o``: a job a line, words of the form ``Name=value``."""
    answer: dict[str, dict[int | None, Observation]] = {}
    for line in text.splitlines():
        # between the two stands the job's name, which can look like anything
        ids, _, rest = line.partition(" JobName=")
        name, _, rest = rest.partition(" UserId=")
        fields = {**_pairs(rest), **_pairs(ids)}
        native_id = fields.get("ArrayJobId", fields.get("JobId", ""))
        if native_id not in wanted or "JobState" not in fields:
            continue
        seen = replace(_observe_scontrol(fields), native_name=name)
        tasks = _tasks(None, fields["ArrayTaskId"]) if "ArrayTaskId" in fields else (None,)
        answer.setdefault(native_id, {}).update(dict.fromkeys(tasks, seen))
    return answer


def _pairs(text: str) -> dict[str, str]:
    # what comes first counts: a comment or a path further on may look like a field
    return dict(reversed(re.findall(r"(?:^|(?<= ))(\w+)=(\S*)", text)))


def _observe_scontrol(fields: Mapping[str, str]) -> Observation:
    word, reason = fields["JobState"], fields.get("Reason", "None")
    nodes = fields.get("NodeList", "").replace("(null)", "")
    seen = _observe_history(
        word, fields.get("ExitCode", ""), fields.get("StartTime", ""), fields.get("EndTime", ""), nodes
    )
    restarts = fields.get("Restarts", "")
    seen = replace(
        seen,
        reason=_reason(seen.state, reason),
        restarts=int(restarts) if _is_number(restarts) else None,
    )
    if word == "CANCELLED" and reason.startswith("Dependency"):
        seen = replace(seen, state=JobState.FAILED, failure=Failure.DEPENDENCY, reason=reason)
    return seen


def _translate(word: str) -> tuple[JobState | None, Failure | None]:
    if word.endswith("+"):
        # cut to the width of a column
        meant = [known for known in STATES if known.startswith(word[:-1])]
        return STATES[meant[0]] if len(meant) == 1 else (None, None)
    return STATES.get(word, (None, None))


def _exit(text: str) -> tuple[int | None, int | None]:
    code, colon, signal = text.partition(":")
    if not colon or not _is_number(code) or not _is_number(signal):
        return None, None
    if text == _LAUNCH_MARK or int(signal) > _LAST_SIGNAL:
        return None, None
    return (None, int(signal)) if int(signal) else (int(code), None)


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if _is_number(text) and int(text) > 0 else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < _DIGITS
