"""What every command tells of itself, and what it costs to be told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from jobferry.cli import root
from jobferry.cli._group import Command, LazyGroup


def commands(group: LazyGroup, *above: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*above, name)
        found = group.get_command(context, name)
        if isinstance(found, LazyGroup):
            yield from commands(found, *above, name)


ALL = [*commands(root)]


def find(path: tuple[str, ...]) -> tuple[LazyGroup, click.Command]:
    group: LazyGroup = root
    found: click.Command | None = None
    for name in path:
        if isinstance(found, LazyGroup):
            group = found
        found = group.get_command(click.Context(group), name)
    assert found is not None
    return group, found


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(root, [*path, "--help"], prog_name="jobferry")
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_ends_in_an_example_of_the_command_itself(path: tuple[str, ...]) -> None:
    text = help_of(path)

    examples = text.partition("\nExamples:\n")[2]
    assert f"jobferry {' '.join(path)}" in examples


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_fits_eighty_columns(path: tuple[str, ...]) -> None:
    assert [line for line in help_of(path).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_one_line_help_is_the_same_in_the_list_and_in_the_command(path: tuple[str, ...]) -> None:
    group, found = find(path)

    listed = group.helps[path[-1]]
    assert (found.help or "").splitlines()[0] == listed
    assert re.fullmatch(r"[A-Z].*\.", listed)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    _, found = find(path)

    options = [param for param in found.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_is_a_plain_or_a_lazy_one(path: tuple[str, ...]) -> None:
    _, found = find(path)

    assert isinstance(found, (Command, LazyGroup))
    assert found.name == path[-1]


def test_group_help_imports_no_command() -> None:
    program = "import sys; from jobferry.cli import main; sys.argv = ['jobferry', '--help']\n"
    program += "try:\n    main()\nexcept SystemExit:\n    print(*sorted(sys.modules), file=sys.stderr)\n"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert {"jobferry.client", "jobferry.api", "rich", "sqlite3", "tomlkit", "asyncio"} & loaded == set()
    assert {name for name in loaded if name.startswith("jobferry.cli.")} == {"jobferry.cli._group"}


def test_no_arguments_show_the_help() -> None:
    result = CliRunner().invoke(root, [], prog_name="jobferry")

    assert result.exit_code == 2
    assert "Submit a job" in result.output
