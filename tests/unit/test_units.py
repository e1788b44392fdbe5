"""Time and memory: all spellings in, one spelling out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.errors import SpecError
from jobferry.model.units import format_memory, format_time, parse_memory, parse_time

CENTURY = timedelta(days=36_500)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        (90, 5400),
        (timedelta(seconds=7), 7),
        ("10m", 600),
        ("10min", 600),
        ("45s", 45),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1D2H3M4S", 93_784),
        ("10:30", 630),
        ("1:00:00", 3600),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("2-03:04:05", 183_845),
        (" 5m ", 300),
    ],
)
def test_times(text: str | int | timedelta, seconds: int) -> None:
    assert timedelta(seconds=seconds) == parse_time(text)


@pytest.mark.parametrize(
    "text",
    ["", "0", 0, -1, "-5", "00:00:00", "m", "5x", "1:2:3:4", "1.5h", "1h-30m", "٣m", "9" * 31, "9" * 4000,
     True, "99999999d", timedelta(0), timedelta(days=40_000), "UNLIMITED", "1-", "-1", "1\n2"],
)  # fmt: skip
def test_what_is_no_time_is_named(text: str | int | timedelta) -> None:
    with pytest.raises(SpecError, match="not a time") as caught:
        parse_time(text)

    assert caught.value.hint


@given(st.timedeltas(timedelta(seconds=1), CENTURY))
def test_written_time_is_read_back_rounded_up(value: timedelta) -> None:
    read = parse_time(format_time(value))

    assert timedelta(0) <= read - value < timedelta(seconds=1)
    assert format_time(read) == format_time(value)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        assert timedelta(0) < parse_time(text) <= CENTURY
    except SpecError as error:
        assert error.hint  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 * 1024**3),
        ("4g", 4 * 1024**3),
        ("4GB", 4 * 1024**3),
        ("4GiB", 4 * 1024**3),
        ("1.5G", 1536 * 1024**2),
        ("512", 512 * 1024**2),
        ("512M", 512 * 1024**2),
        ("512 MB", 512 * 1024**2),
        ("100K", 102_400),
        ("2T", 2 * 1024**4),
        ("100b", 100),
        (1000, 1000),
    ],
)
def test_amounts(text: str | int, size: int) -> None:
    assert size == parse_memory(text)


@pytest.mark.parametrize(
    "text", ["", "0", 0, -1, "-4G", "G", "4X", "4 G B", "1e9", "٣G", "9" * 40, True, "4000P", "4G\n5G"]
)
def test_what_is_no_amount_is_named(text: str | int) -> None:
    with pytest.raises(SpecError, match="not an amount of memory") as caught:
        parse_memory(text)

    assert caught.value.hint


@given(st.integers(1, 2**59))
def test_written_amount_is_read_back_rounded_up_to_1_k(size: int) -> None:
    assert 0 <= parse_memory(format_memory(size)) - size < 1024


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        assert parse_memory(text) > 0
    except SpecError as error:
        assert error.hint  # noqa: PT017
