"""What a user may ask for, and what is refused before anything is sent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.errors import SpecError
from jobferry.model.machine import Machine
from jobferry.model.spec import (
    COUNTS,
    WORDS,
    Array,
    JobSpec,
    Resources,
    format_array,
    format_indices,
    inside,
    parse_array,
    parse_input,
)
from jobferry.model.warning import parse_warning_signal
from tests.unit.records import ARRAYS, resources

# -- arrays


@pytest.mark.parametrize(
    ("text", "indices", "limit"),
    [
        ("0-3", (0, 1, 2, 3), None),
        ("0-9%2", tuple(range(10)), 2),
        ("0,6,16-18", (0, 6, 16, 17, 18), None),
        ("0-15:4", (0, 4, 8, 12), None),
        ("5", (5,), None),
        (" 3 , 1-2 ", (1, 2, 3), None),
        ("1-3,2-4", (1, 2, 3, 4), None),
        ("7-7", (7,), None),
    ],
)
def test_arrays(text: str, indices: tuple[int, ...], limit: int | None) -> None:
    assert Array(indices=indices, limit=limit) == parse_array(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%2",
        "a",
        "3-1",
        "1-5:0",
        "1-",
        "-1",
        "1,,2",
        "1%",
        "1%0",
        "1%x",
        "1%-1",
        "0-4000001",
        "٣",
        "1-2-3",
        "9" * 50,
    ],
)
def test_what_is_no_array_is_named(text: str) -> None:
    with pytest.raises(SpecError, match="not an array") as caught:
        parse_array(text)

    assert caught.value.hint


@given(ARRAYS)
def test_written_array_is_read_back(array: Array) -> None:
    assert array == parse_array(format_array(array))


@given(st.text(st.sampled_from("0123456789-,:% x"), max_size=20))
def test_any_text_is_an_array_or_refused(text: str) -> None:
    try:
        indices = parse_array(text).indices
    except SpecError:
        return
    assert list(indices) == sorted(set(indices))
    assert indices


def test_runs_are_joined() -> None:
    assert format_indices([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


# -- warnings, inputs, paths


@pytest.mark.parametrize(
    ("text", "name", "seconds"),
    [("USR2@120", "USR2", 120), ("usr1", "USR1", 60), ("SIGTERM@2m", "TERM", 120), (" HUP@5 ", "HUP", 5)],
)
def test_warning_signals(text: str, name: str, seconds: int) -> None:
    signal = parse_warning_signal(text)

    assert (name, timedelta(seconds=seconds)) == (signal.name, signal.before)


@pytest.mark.parametrize(
    "text", ["", "KILL", "USR3@1", "USR1@", "USR1@x", "USR1@-1", "USR1@1h", "USR1@123456", "@5"]
)
def test_what_is_no_warning_signal(text: str) -> None:
    with pytest.raises(SpecError):
        parse_warning_signal(text)


@pytest.mark.parametrize(
    ("text", "source", "destination"),
    [
        ("a.txt", "/base/a.txt", "a.txt"),
        ("dir/a.txt", "/base/dir/a.txt", "a.txt"),
        ("/abs/a.txt:in/b.txt", "/abs/a.txt", "in/b.txt"),
        ("a b:c d", "/base/a b", "c d"),
    ],
)
def test_inputs(text: str, source: str, destination: str) -> None:
    entry = parse_input(text, Path("/base"))

    assert (Path(source), PurePosixPath(destination)) == (entry.source, entry.destination)


@pytest.mark.parametrize("text", ["/abs", "..", "../x", "a/../../x", "a\0b"])
def test_paths_stay_inside_the_jobs_folder(text: str) -> None:
    with pytest.raises(SpecError, match="not inside"):
        inside(text)
    with pytest.raises(SpecError):
        JobSpec(command=("true",), outputs=(text,))


# -- resources


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_counts_are_whole_and_positive(name: str, value: object) -> None:
    values: dict[str, Any] = {name: value}

    with pytest.raises(SpecError, match=name):
        Resources(**values)


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("value", ["", " ", "a\nb", "a\x1bb", "\x7f", 5])
def test_words_fit_on_a_directives_line(name: str, value: object) -> None:
    values: dict[str, Any] = {"gpus_per_node": 1, name: value}

    with pytest.raises(SpecError, match=name):
        Resources(**values)


def test_memory_is_per_node_or_per_cpu() -> None:
    with pytest.raises(SpecError, match="exclude each other"):
        Resources(mem=1, mem_per_cpu=1)


def test_kind_of_gpu_needs_a_number() -> None:
    with pytest.raises(SpecError, match="gpu_type"):
        Resources(gpu_type="a100")


@given(resources(), resources())
def test_what_is_asked_for_stands_over_defaults(asked: Resources, defaults: Resources) -> None:
    both = asked.over(defaults)

    assert asked.given().items() <= both.given().items()
    assert both == both.over(defaults)


@given(resources())
def test_nothing_over_something_is_something(asked: Resources) -> None:
    assert asked == asked.over(Resources())


def test_memory_asked_for_replaces_the_other_kind() -> None:
    assert Resources(mem=5) == Resources(mem=5).over(Resources(mem_per_cpu=7))


def test_shared_node_can_be_asked_for_where_exclusive_is_the_default() -> None:
    assert not Resources(exclusive=False).over(Resources(exclusive=True)).exclusive


def test_machines_account_comes_last() -> None:
    machine = Machine(name="m", account="lab", defaults=Resources(account="course", nodes=1))

    assert machine.resources(Resources()).account == "course"
    assert machine.resources(Resources(account="mine")).account == "mine"


# -- jobs


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"command": ("true",), "script": "true"},
        {"command": ("true",), "arguments": ("x",)},
        {"command": ("a\0b",)},
        {"script": "a\0b"},
        {"command": ("true",), "setup": ("a\0b",)},
        {"command": ("true",), "name": ""},
        {"command": ("true",), "name": "a\nb"},
        {"command": ("true",), "launcher": "srun\n"},
        {"command": ("true",), "native": ("--a\n#SBATCH --b",)},
        {"command": ("true",), "environment": {"A=B": "x"}},
        {"command": ("true",), "environment": {"1A": "x"}},
        {"command": ("true",), "environment": {"": "x"}},
        {"command": ("true",), "environment": {"JOBFERRY_JOB": "x"}},
        {"command": ("true",), "environment": {"A": "x\0y"}},
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        JobSpec(**fields)


def test_refused_variable_does_not_show_its_value() -> None:
    with pytest.raises(SpecError) as caught:
        JobSpec(command=("true",), environment={"TOKEN": "hunter2\0"})

    assert "hunter2" not in str(caught.value)
