"""Names on the way: rsync's rules and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.staging.plan import Excludes, plan_get, plan_put, split_pattern


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data", "data"),
        ("data/", ""),
        ("/a/data", "data"),
        ("/a/data//", ""),
        (".", ""),
        ("..", ""),
        ("a/.", ""),
    ],
)
def test_trailing_slash_means_the_contents(source: str, name: str) -> None:
    assert plan_put(source).name == name


@pytest.mark.parametrize(
    ("destination", "inside"),
    [
        ("", True),
        (".", True),
        ("~", True),
        ("new", False),
        ("new/", True),
        ("a/..", True),
        ("$SCRATCH", False),
    ],
)
def test_destination_says_when_it_is_certainly_a_folder(destination: str, inside: bool) -> None:
    assert plan_put("file", destination).inside is inside
    assert plan_get("file", destination).inside is inside


def test_missing_destination_is_the_login_folder_there_and_this_folder_here() -> None:
    assert plan_put("file").destination == "."
    assert plan_get("file").destination == Path()


@pytest.mark.parametrize(
    ("source", "folder", "pattern"),
    [
        ("runs/*/out", "runs/", "*/out"),
        ("*.txt", ".", "*.txt"),
        ("/a/b[0-9].c", "/a/", "b[0-9].c"),
        ("a/b?/", "a/", "b?"),
        ("plain", "", ""),
        ("odd[", "", ""),
        ("odd[$(id)]", "", ""),
    ],
)
def test_source_is_parted_before_its_first_pattern(source: str, folder: str, pattern: str) -> None:
    plan = plan_get(source)

    assert (plan.folder, plan.pattern) == (folder, pattern)


@given(st.text(alphabet="ab*?[]!-$(){} '\"`\n/~"))
def test_pieces_of_a_pattern_make_it_again(text: str) -> None:
    assert "".join(piece for piece, _ in split_pattern(text)) == text


@pytest.mark.parametrize(
    ("pattern", "path", "folder", "hidden"),
    [
        ("*.o", "a.o", False, True),
        ("*.o", "deep/in/a.o", False, True),
        ("*.o", "a.out", False, False),
        ("__pycache__", "src/__pycache__", True, True),
        ("__pycache__", "src/__pycache__/x.pyc", False, True),
        ("build/", "a/build", True, True),
        ("build/", "a/build", False, False),
        ("build/", "a/build/x", False, True),
        ("/top", "top", False, True),
        ("/top", "a/top", False, False),
        ("a/b", "x/a/b", False, True),
        ("a/b", "x/aa/b", False, False),
        ("[!a]x", "bx", False, True),
        ("[!a]x", "ax", False, False),
        ("?", "new\nline", False, False),
        ("new*", "new\nline", False, True),
        ("", "a", False, False),
        ("/", "a", True, False),
    ],
)
def test_excludes_match_as_rsync_does(pattern: str, path: str, folder: bool, hidden: bool) -> None:
    assert Excludes([pattern]).hide(path, folder=folder) is hidden


def test_only_patterns_that_all_tars_read_alike_go_over() -> None:
    assert Excludes(["*.o", "/top", "dir/", "a\\b", "a/b"]).simple == ("*.o", "a/b")


def test_very_deep_paths_are_no_problem() -> None:
    assert Excludes(["z"]).hide("/".join("a" * 5000), folder=False) is False
