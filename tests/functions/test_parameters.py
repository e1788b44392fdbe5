"""Parameter sets: made, typed, named, put into texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.errors import SpecError
from jobferry.functions.parameters import as_pattern, fill, grid, key_of, label_of, zipped
from jobferry.functions.ranges import parse_parameters, parse_values


def test_grid_is_every_combination_in_order() -> None:
    expected = [{"a": 1, "b": "xy"}, {"a": 2, "b": "xy"}]

    assert expected == grid(a=[1, 2], b="xy")
    assert [{}] == grid()
    assert [3, 4, 3, 4] == [each["b"] for each in grid(a=range(2), b=(3, 4))]


def test_zipped_goes_side_by_side() -> None:
    assert [{"a": 1, "b": 3, "c": 0}, {"a": 2, "b": 4, "c": 0}] == zipped(a=[1, 2], b=[3, 4], c=0)
    with pytest.raises(SpecError, match="a has 2, b has 3"):
        zipped(a=[1, 2], b=[1, 2, 3])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1,0.20", ["0.1", "0.20"]),
        ("1..4", ["1", "2", "3", "4"]),
        ("3..1", ["3", "2", "1"]),
        ("0..1:0.25", ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ("-1..1", ["-1", "0", "1"]),
        ("008..010", ["008", "009", "010"]),
        ("0..0.0000002:0.0000001", ["0.0000000", "0.0000001", "0.0000002"]),
        ("../x,1..a", ["../x", "1..a"]),
        ("a\\,b,c", ["a,b", "c"]),
        ("", [""]),
        ("1..2,9", ["1", "2", "9"]),
        ("..", [".."]),
    ],
)
def test_values_as_they_are_typed(text: str, expected: list[str]) -> None:
    assert expected == parse_values(text)


@pytest.mark.parametrize(
    "entry", ["lr", "=1", "1x=2", "a=1..2:0", "a=0..1e9:1", "a b=1", "a=0..9999999", "a=1..5:-1"]
)
def test_parameter_that_makes_no_sense_is_refused(entry: str) -> None:
    if entry == "a=0..1e9:1":
        assert {"a": ["0..1e9:1"]} == parse_parameters([entry])
        return
    with pytest.raises(SpecError):
        parse_parameters([entry])


def test_parameter_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="twice"):
        parse_parameters(["a=1", "a=2"])


def test_fields_are_filled_and_other_braces_stay() -> None:
    params = {"lr": 0.25, "name": "x"}

    assert "--lr 0.250 x" == fill("--lr {lr:.3f} {name}", params)
    assert "{name} {print $1} {}" == fill("{{name}} {print $1} {}", params)
    assert '{"a": {"b": 1}}' == fill('{"a": {"b": 1}}', params)
    with pytest.raises(SpecError, match=r"no parameter 'nam'.*did you mean 'name'"):
        fill("{nam}", params)
    with pytest.raises(SpecError, match="does not fit"):
        fill("{name:.3f}", params)
    assert "out-*.txt" == as_pattern("out-{lr}.txt")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(min_size=1), values, max_size=3))
def test_equal_parameters_have_the_same_key_in_any_order(params: dict[str, object]) -> None:
    assert key_of(params) == key_of(dict(reversed(params.items())))


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=3))
def test_label_is_safe_as_a_file_name(params: dict[str, object]) -> None:
    label = label_of(params)

    assert 0 < len(label) <= 80
    assert "/" not in label
    assert label.isascii()


def test_different_parameters_have_different_keys() -> None:
    sets: list[dict[str, object]] = [
        {"a": 1},
        {"a": 1.0},
        {"a": "1"},
        {"a": True},
        {"a": None},
        {"b": 1},
        {"a": b"1"},
        {"a": (1,)},
        {"a": [1]},
    ]

    assert len(sets) == len({key_of(each) for each in sets})
