from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobferry.errors import SpecError, StoreError
from jobferry.model import serialize
from jobferry.model.codec import Noun
from jobferry.model.machine import Machine, MachineFacts
from jobferry.model.record import JobRecord
from jobferry.model.spec import Input, JobSpec, Resources, parse_array
from jobferry.model.status import JobStatus
from jobferry.model.tables import NOUNS
from tests.unit.records import FACTS, MACHINES, NOW, RECORDS, STATUSES, plain_record, specs

ID = "01hx0000abcd"
relaxed = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


@relaxed
@given(RECORDS)
def test_a_record_comes_back_as_it_went(record: JobRecord) -> None:
    assert record == serialize.record_from_json(serialize.record_to_json(record))


@relaxed
@given(MACHINES)
def test_a_machine_comes_back_as_it_went(machine: Machine) -> None:
    assert machine == serialize.machine_from_json(serialize.machine_to_json(machine))


@relaxed
@given(FACTS)
def test_facts_come_back_as_they_went(facts: MachineFacts) -> None:
    assert facts == serialize.facts_from_json(serialize.facts_to_json(facts))


@relaxed
@given(STATUSES)
def test_a_status_comes_back_as_it_went(status: JobStatus) -> None:
    assert status == serialize.status_from_json(serialize.status_to_json(status))


@relaxed
@given(specs())
def test_a_job_file_holds_all_of_a_job_but_the_person(spec: JobSpec) -> None:
    read = serialize.spec_from_document(serialize.job_document(spec, ID, NOW))

    impersonal = replace(spec, resources=replace(spec.resources, account=None), inputs=(), native=())
    assert impersonal == replace(read, inputs=(), native=())
    assert [entry.destination for entry in spec.inputs] == [entry.destination for entry in read.inputs]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.make.__name__)
def test_every_field_of_every_noun_has_a_codec(noun: Noun[Any]) -> None:
    assert {entry.name for entry in fields(noun.make)} == set(noun.table)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.make.__name__)
def test_what_may_be_left_out_when_empty_is_empty_by_default(noun: Noun[Any]) -> None:
    for entry in fields(noun.make):
        annotation = str(entry.type)
        if annotation.startswith(("tuple", "Mapping")) or annotation.endswith("| None"):
            made = entry.default_factory() if callable(entry.default_factory) else entry.default
            if entry.name == "submissions":
                # a job has one at least, so that it is always written
                continue
            # Array is written as text and never empty; it has no codec of its own
            assert made in ((), {}, None), entry.name


def test_names_that_are_not_text_survive() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    spec = JobSpec(command=(name,), inputs=(Input(source=Path("/", name), destination=PurePosixPath(name)),))
    record = replace(plain_record(ID), spec=spec)

    assert record == serialize.record_from_json(serialize.record_to_json(record))


def test_a_record_of_a_newer_release_is_read() -> None:
    data = json.loads(serialize.record_to_json(plain_record(ID)))
    data |= {"schema": 2, "mood": "good"}
    data["spec"]["colour"] = {"red": 1}

    assert plain_record(ID) == serialize.record_from_json(json.dumps(data))


def test_a_record_of_an_older_release_takes_defaults() -> None:
    data = json.loads(serialize.record_to_json(plain_record(ID)))
    for name in ("submissions", "revision", "status", "root", "base"):
        del data[name]

    assert plain_record(ID) == serialize.record_from_json(json.dumps(data))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"id": 5}', '{"id": "a", "spec": {"command": "ls"}}', "[" * 100_000]
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="stored job cannot be read"):
        serialize.record_from_json(text)


def test_times_are_written_in_utc() -> None:
    east = datetime(2026, 1, 1, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    record = replace(plain_record(ID), created_at=east)

    assert json.loads(serialize.record_to_json(record))["created_at"] == "2026-01-01T00:00:00Z"
    assert serialize.record_from_json(serialize.record_to_json(record)).created_at.tzinfo == UTC


def test_the_summary_has_the_fields_of_the_contract() -> None:
    record = replace(plain_record(ID), status=JobStatus(started_at=NOW, exit_code=3))
    expected = (
        "id name machine state native_id exit_code signal failure reason created_at submitted_at started_at "
        "ended_at restarts labels"
    )

    summary = serialize.job_summary(record)

    assert expected.split() == list(summary)
    assert summary["started_at"] == "2026-05-04T12:30:15Z"
    assert json.loads(json.dumps(summary)) == summary


def test_a_job_file_names_no_person() -> None:
    spec = JobSpec(
        command=("train",),
        resources=Resources(account="def-secret", nodes=2),
        inputs=(Input(source=Path("/home/secret/data.csv"), destination=PurePosixPath("in/data.csv")),),
        native=(
            "--account=secret",
            "-A",
            "secret",
            "--nice",
            "-Asecret",
            "--mail-user",
            "secret@x",
            "-p",
            "x",
        ),
    )

    text = serialize.job_document(spec, ID, NOW)

    assert "secret" not in text
    read = serialize.spec_from_document(text)
    assert read.inputs == (Input(source=Path("data.csv"), destination=PurePosixPath("in/data.csv")),)
    assert read.native == ("--nice", "-p", "x")


def test_a_job_file_is_easy_to_read() -> None:
    spec = JobSpec(
        command=("a",), array=parse_array("0-9,12%2"), resources=Resources(time=timedelta(hours=1))
    )

    data = json.loads(serialize.job_document(spec, ID, NOW))

    assert data["schema"] == 1
    assert data["id"] == ID
    assert data["array"] == "0-9,12%2"
    assert data["resources"] == {"time": 3600}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"comand": ["a"]}, "unknown key 'comand', did you mean 'command'"),
        ({"resources": {"node": 1}}, "unknown key 'resources.node', did you mean 'nodes'"),
        ({"inputs": [{"source": "a", "destination": "a", "dst": 1}]}, "unknown key 'inputs.dst'"),
        ({"schema": 2}, "schema must be 1, not 2"),
        ({"schema": None}, "schema must be 1"),
        ({"command": "ls"}, "command: must be a list"),
        ({"command": ["ls", 5]}, "command: must be text, not 5"),
        ({"script": "x"}, "a command or a script"),
        ({"resources": {"nodes": "2"}}, "resources: nodes: must be a whole number"),
        ({"resources": {"nodes": True}}, "must be a whole number"),
        ({"resources": {"nodes": 0}}, "at least 1"),
        ({"resources": {"time": 1e300}}, "too long"),
        ({"resources": {"time": "1h"}}, "number of seconds"),
        ({"inputs": [{"source": "a"}]}, "'destination' is missing"),
        ({"inputs": [{"source": "a", "destination": "../a"}]}, "not inside"),
        ({"inputs": [{"source": "/etc/passwd", "destination": "a"}]}, "not inside"),
        ({"dependencies": [{"job_id": "a", "kind": "never"}]}, "'never' is not a valid"),
        ({"environment": {"A": 1}}, "A must be text"),
        ({"array": "9-0"}, "not an array"),
    ],
)
def test_a_wrong_job_file_says_what_is_wrong(change: dict[str, object], words: str) -> None:
    document = json.loads(serialize.job_document(JobSpec(command=("a",)), ID, NOW)) | change

    with pytest.raises(SpecError) as caught:
        serialize.spec_from_document(json.dumps(document))

    assert words in caught.value.message
    assert "\n" not in caught.value.message


@given(st.integers(0, 200))
def test_half_a_job_file_is_refused(length: int) -> None:
    whole = serialize.job_document(JobSpec(command=("a", "b" * 200)), ID, NOW)

    with pytest.raises(SpecError, match="not a job file"):
        serialize.spec_from_document(whole[:length])


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(SpecError):
        serialize.spec_from_document(text)


def test_the_value_of_a_variable_stays_out_of_messages() -> None:
    document = {"schema": 1, "command": ["a"], "environment": {"TOKEN": ["hunter2"]}}

    with pytest.raises(SpecError) as caught:
        serialize.spec_from_document(json.dumps(document))

    assert "hunter2" not in caught.value.message
