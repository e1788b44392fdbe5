"""Job ids: unique, in the order of time, and forgiving to those who type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.model.identity import ID_LENGTH, is_job_id, mint_ids, normalise_prefix

MOMENTS = st.datetimes(datetime(2026, 1, 2), datetime(2300, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.integers(1, 50))
def test_ids_have_their_form_and_differ(now: datetime, count: int) -> None:
    ids = mint_ids(now, count)

    assert count == len(set(ids))
    assert all(is_job_id(job_id) and len(job_id) == ID_LENGTH for job_id in ids)


@given(MOMENTS, st.integers(1, 10**6))
def test_later_ids_sort_later(now: datetime, later: int) -> None:
    first = mint_ids(now, 1)[0]
    second = mint_ids(now + timedelta(milliseconds=20 + later), 1)[0]

    assert first < second


def test_ids_of_one_moment_differ_between_processes() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)

    assert len({mint_ids(now)[0] for _ in range(100)}) > 90


def test_ids_follow_each_other() -> None:
    ids = mint_ids(datetime(2026, 6, 1, tzinfo=UTC), 2000)

    assert ids == sorted(ids)


def test_clock_before_the_epoch_still_gives_ids() -> None:
    assert is_job_id(mint_ids(datetime(1999, 1, 1, tzinfo=UTC))[0])


@pytest.mark.parametrize(
    "text",
    ["", "0123456789a", "0123456789abc", "0123456789aB", "0123456789al", "０123456789ab", "0123456789ab\n"],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_job_id(text)


@pytest.mark.parametrize(("typed", "meant"), [(" 01HX ", "01hx"), ("oIl", "011"), ("OiL", "011"), ("", "")])
def test_what_people_type_is_read_as_they_mean_it(typed: str, meant: str) -> None:
    assert meant == normalise_prefix(typed)


@given(MOMENTS)
def test_an_id_typed_in_capitals_is_the_same(now: datetime) -> None:
    job_id = mint_ids(now)[0]

    assert job_id == normalise_prefix(job_id.upper())
