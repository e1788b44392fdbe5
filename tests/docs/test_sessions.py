"""What counts as the same output, and what does not."""

from __future__ import annotations

import pytest

from tests.docs.sessions import Ids, Step, read_session


def test_session_is_taken_apart_into_commands_and_their_output() -> None:
    text = "$ one \\\n    two\nsaid\nmore\n$ three\n"

    assert [Step("one \\\n    two", "said\nmore\n"), Step("three", "")] == read_session(text)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("42\n", "42\n"),
        ("a  b\n", "a      b  \n"),
        ("slurm 22.05...\n", "slurm 22.05.8\n"),
        ("first\n...\nlast\n", "first\nx\ny\nlast\n"),
        ("first\n...\nlast\n", "first\nlast\n"),
        ("ran for 00:00:01\n", "ran for 00:12:34\n"),
        ("deep  48211  3s\n", "deep  7  1m02s\n"),
        ("laptop:4711:7291:02kf9neptqzz\n", "node7:12:9_a:02kfamn5tfek\n"),
    ],
)
def test_output_of_the_same_kind_is_the_same(expected: str, actual: str) -> None:
    assert Ids().matches(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("42\n", "43\n"),
        ("42\n", "42\n43\n"),
        ("", "something\n"),
        ("something\n", ""),
        ("completed\n", "failed\n"),
        ("02kf9neptqzz\n", "not-an-id\n"),
    ],
)
def test_other_output_is_not(expected: str, actual: str) -> None:
    assert not Ids().matches(expected, actual)


def test_an_id_of_the_page_stands_for_one_job_throughout() -> None:
    ids = Ids()

    assert ids.matches("02kf9neptqzz and 02kf9neptqzz\n", "02kfamn5tfek and 02kfamn5tfek\n")
    assert "jobferry wait 02kfamn5tfek" == ids.put_into("jobferry wait 02kf9neptqzz")
    assert not ids.matches("02kf9neptqzz\n", "02kfb1e8s6qk\n")
    assert not Ids().matches("02kf9neptqzz 02kf9neptqzz\n", "02kfamn5tfek 02kfb1e8s6qk\n")
