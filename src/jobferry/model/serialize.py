"""Nouns to JSON and back: one table of fields each, the only such code in the house.

What is None or empty is not written, what is missing takes its default and what is not known is passed over,
so older and newer stores open. Times are ISO 8601 in UTC, durations are seconds, paths are text. Job files,
which people write and send each other, are read strictly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from jobferry.errors import SpecError, StoreError
from jobferry.model.codec import MOMENT, NUMBER, TEXT, Codec, Noun, read_object, refuse_unknown, write_moment
from jobferry.model.machine import Machine, MachineFacts, PythonFacts
from jobferry.model.record import JobRecord
from jobferry.model.spec import JobSpec, inside
from jobferry.model.status import JobStatus
from jobferry.model.submission import Submission
from jobferry.model.tables import FACTS, MACHINE, PYTHON, RECORD, SPEC, STATUS, SUBMISSION

T = TypeVar("T")
Upgrade = Callable[[dict[str, object]], dict[str, object]]
SCHEMA = 1
# flags that name a person or what is charged to him; the value is in the flag or in the word after it
_PERSONAL_FLAGS = ("--account", "-A", "--mail-user")

_DOCUMENT_TABLE: Mapping[str, Codec[Any]] = {
    "schema": NUMBER,
    "id": TEXT,
    "created_at": MOMENT,
    **SPEC.table,
}


def record_to_json(record: JobRecord) -> str:
    """Write a whole record, as the store keeps it."""
    return json.dumps({"schema": SCHEMA, **RECORD.write(record)}, separators=(",", ":"))


def record_from_json(text: str) -> JobRecord:
    """Read a record of this release, an older or a newer one.

    Raises:
        StoreError: not a record.
    """
    return _stored(RECORD, text, "job", upgrade=_name_submission)


def status_to_json(status: JobStatus) -> str:
    """Write what is known of one job or task."""
    return json.dumps(STATUS.write(status), separators=(",", ":"))


@lru_cache(maxsize=1 << 14)
def status_from_json(text: str) -> JobStatus:
    """Read what is known of one job or task; what was read lately is given again.

    Whoever waits for a large array reads it at every look, and few of its tasks have changed since the last.

    Raises:
        StoreError: not a status.
    """
    return _stored(STATUS, text, "status")


def machine_to_json(machine: Machine) -> str:
    """Write a machine as configured."""
    return json.dumps(MACHINE.write(machine))


def machine_from_json(text: str) -> Machine:
    """Read a machine.

    Raises:
        StoreError: not a machine.
    """
    return _stored(MACHINE, text, "machine")


def facts_to_json(facts: MachineFacts) -> str:
    """Write what a machine told of itself."""
    return json.dumps(FACTS.write(facts))


def facts_from_json(text: str) -> MachineFacts:
    """Read what a machine told of itself.

    Raises:
        StoreError: not such facts.
    """
    return _stored(FACTS, text, "machine's facts")


def python_to_json(facts: PythonFacts) -> str:
    """Write what a Python told of itself."""
    return json.dumps(PYTHON.write(facts))


def python_from_json(text: str) -> PythonFacts:
    """Read what a Python told of itself.

    Raises:
        StoreError: not such facts.
    """
    return _stored(PYTHON, text, "Python's facts")


def job_summary(record: JobRecord) -> dict[str, object]:
    """Tell a job in the few fields the command line shows, ready for JSON; times to the second."""
    status = record.status
    return {
        "id": record.id,
        "name": record.spec.name,
        "machine": record.machine.name,
        "state": status.state.value,
        "native_id": record.native_id,
        "exit_code": status.exit_code,
        "signal": status.signal,
        "failure": status.failure and status.failure.value,
        "reason": status.reason,
        "created_at": _to_the_second(record.created_at),
        "submitted_at": _to_the_second(record.submitted_at),
        "started_at": _to_the_second(status.started_at),
        "ended_at": _to_the_second(status.ended_at),
        "restarts": status.restarts,
        "labels": dict(record.spec.labels),
    }


def job_document(spec: JobSpec, id: str, created_at: datetime) -> str:
    """Write the portable job file: what a colleague can submit, with nothing of the person who did."""
    document = {"schema": SCHEMA, "id": id, "created_at": write_moment(created_at)}
    return json.dumps({**document, **SPEC.write(_portable(spec))}, indent=2) + "\n"


def spec_from_document(text: str) -> JobSpec:
    """Read a portable job file.

    Raises:
        SpecError: half a file, not JSON, another schema, an unknown key or a value that does not fit.
    """
    return document_from_json(text)[0]


def document_from_json(text: str) -> tuple[JobSpec, datetime | None]:
    """Read a portable job file, and when the job was made.

    Raises:
        SpecError: as for `spec_from_document`.
    """
    try:
        document = _parse(text)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}, not {document.get('schema')!r}")
        refuse_unknown(document, _DOCUMENT_TABLE)
        spec = SPEC.read(document)
        created_at = MOMENT.read(document["created_at"]) if "created_at" in document else None
        for entry in spec.inputs:
            # a job file comes from others: it must not name files to be sent from elsewhere
            inside(str(entry.source))
    except (ValueError, SpecError) as exc:
        raise SpecError(f"not a job file: {exc}", hint=getattr(exc, "hint", None)) from exc
    return spec, created_at


def submission_to_json(submission: Submission) -> str:
    """Write one submission, as it is kept with the job over there."""
    return json.dumps(SUBMISSION.write(submission))


def submission_from_json(text: str) -> Submission:
    """Read one submission.

    Raises:
        StoreError: not a submission.
    """
    return _stored(SUBMISSION, text, "submission")


def _name_submission(document: dict[str, object]) -> dict[str, object]:
    """Read a record of release 0.1.0, when a job had one submission, whose fields were the job's own."""
    if "submissions" in document:
        return document
    only = {name: document[name] for name in _ONCE_THE_JOBS if name in document}
    # it may have left as soon as it had been told where it goes
    return {**document, "submissions": [{**only, "sent": bool(document.get("root"))}]}


_ONCE_THE_JOBS = ("native_id", "attempt", "owner", "doubted_since", "submitted_at")


def _stored(noun: Noun[T], text: str, what: str, *, upgrade: Upgrade = dict) -> T:
    try:
        return noun.read(upgrade(_parse(text)))
    except (ValueError, SpecError) as exc:
        raise StoreError(f"a stored {what} cannot be read: {exc}") from exc


def _parse(text: str) -> dict[str, object]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return read_object(data)


def _portable(spec: JobSpec) -> JobSpec:
    inputs = (replace(entry, source=Path(entry.source.name or ".")) for entry in spec.inputs)
    return replace(
        spec,
        resources=replace(spec.resources, account=None),
        inputs=tuple(inputs),
        native=tuple(_impersonal(spec.native)),
    )


def _impersonal(flags: Sequence[str]) -> Iterator[str]:
    skip_value = False
    for flag in flags:
        if skip_value and not flag.startswith("-"):
            skip_value = False
            continue
        skip_value = flag in _PERSONAL_FLAGS
        attached = flag.startswith("-A") or flag.split("=")[0] in _PERSONAL_FLAGS
        if not attached and flag.split()[0] not in _PERSONAL_FLAGS:
            yield flag


def _to_the_second(value: datetime | None) -> str | None:
    return None if value is None else write_moment(value.replace(microsecond=0))
