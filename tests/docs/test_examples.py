"""Every fenced example of README and docs, run as it stands."""

from __future__ import annotations

import os
import pwd
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, pages, place_of, read_blocks
from tests.docs.rooms import Room, make_room
from tests.rigs.fixtures_cluster import Cluster

LANGUAGES = {"console", "python", "toml", "sh", "ssh-config"}
# drawings and tables; nobody would type them
DRAWN = {"text"}


def has_examples(page: Path) -> bool:
    return any(block.language not in DRAWN for block in read_blocks(page))


def as_parameter(page: Path) -> object:
    marks = [pytest.mark.timeout(400)] + ([pytest.mark.live] if place_of(page) else [])
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.fixture
def room(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A place for the examples of a page."""
    place = place_of(page)
    if place:
        cluster: Cluster = request.getfixturevalue("cluster")
        made = room_with_cluster(tmp_path / "home", cluster)
    else:
        made = make_room(tmp_path / "home")
    if place.endswith("with narval"):
        config = made.home / ".config" / "jobferry" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text('[machines.narval]\nhost = "narval"\nscheduler = "slurm"\n')
    yield made
    made.close()


def room_with_cluster(home: Path, cluster: Cluster) -> Room:
    """A room from which `ssh narval` goes to the rig."""
    runtime = {"XDG_RUNTIME_DIR": str(cluster.sshd.runtime)}
    there = pwd.getpwnam(cluster.sshd.user).pw_dir
    room = make_room(home, extra=runtime, renamed={there: "/home/me"})
    config = home / "rig_ssh_config"
    port = cluster.sshd.ports["plain"]
    alias = f"Host narval gaia\n  Port {port}\n  User {cluster.sshd.user}\n"
    config.write_text(f"{alias}Match all\n  Include {cluster.sshd.config}\n")
    # ssh looks for ~/.ssh/config in the home that the system knows, whatever HOME says
    ssh = home / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
    ssh.chmod(0o755)
    return room


@pytest.mark.parametrize("page", [as_parameter(page) for page in pages() if has_examples(page)])
def test_examples_are_true(page: Path, room: Room) -> None:
    for block in read_blocks(page):
        if block.language not in DRAWN:
            room.run(block)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_fence_says_what_it_is(page: Path) -> None:
    unknown = [block.where for block in read_blocks(page) if block.language not in LANGUAGES | DRAWN]

    assert unknown == []
    assert page.read_text("utf-8").count("\n```") % 2 == 0


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not target.startswith(("http:", "https:")) and not (page.parent / target).exists()
    ]

    assert broken == []


def test_no_page_is_orphaned() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")

    missing = [
        str(page.relative_to(ROOT))
        for page in pages()[1:]
        if page.name != "index.md" and os.path.relpath(page, ROOT / "docs") not in index
    ]

    assert missing == []
