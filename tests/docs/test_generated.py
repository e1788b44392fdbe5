"""What `make docs` writes is what stands in docs."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import sys
from types import ModuleType

import pytest

from tests.docs.markdown import ROOT


@pytest.fixture(scope="module")
def build_docs() -> ModuleType:
    found = importlib.util.spec_from_file_location("build_docs", ROOT / "tools" / "build_docs.py")
    assert found is not None
    assert found.loader is not None
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


def test_reference_pages_are_up_to_date(build_docs: ModuleType) -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in build_docs.reference_pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]

    assert stale == [], "run `make docs`"


def test_reference_pages_name_every_command_and_every_error(build_docs: ModuleType) -> None:
    import jobferry

    text = "".join(build_docs.reference_pages().values())

    assert [name for name in build_docs.root.helps if f"## jobferry {name}\n" not in text] == []
    public = [
        name for name in jobferry.__all__ if name.endswith(("Error", "Failed", "Refused", "Timeout", "Lost"))
    ]
    assert [name for name in public if f"`{name}`" not in text] == []


@pytest.mark.skipif(
    sys.platform == "win32", reason="the picture is drawn from a terminal, which Windows has not"
)
def test_picture_shows_what_is_printed_now(build_docs: ModuleType) -> None:
    shown = [line.plain for line in build_docs.play(build_docs.SESSION)]

    picture = re.sub(r"<style.*?</style>|<title>.*?</title>|<[^>]*>", "", _picture(), flags=re.DOTALL)
    words = [*html.unescape(picture).split()]
    assert words[0] == "jobferry"
    assert "".join(words[1:]) == "".join("".join(shown).split())


def test_picture_says_nothing_of_where_it_was_drawn_and_loads_nothing() -> None:
    picture = _picture()

    assert [word for word in (os.uname().nodename + ":", "/tmp", "/home", "/root") if word in picture] == []
    assert set(re.findall(r"https?://[^\"' )]+", picture)) <= {"http://www.w3.org/2000/svg"}


def _picture() -> str:
    return (ROOT / "docs" / "images" / "demo.svg").read_text("utf-8")
