from __future__ import annotations

import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from jobferry.config import add_machine, load_config, remove_machine
from jobferry.errors import ConfigError, UnknownMachine
from jobferry.model.spec import Resources

TWO = """\
# all my machines
default_machine = "b"   # the usual one

# the old one
[machines.a]
host = "a"  # by name
setup = [
  "one",
]

[machines.a.defaults]
time = "1h"
# three hours are too long

# the new one
[machines.b]
host = "b"

[machines.c]
host = "c"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobferry" / "config.toml"


@pytest.fixture
def two(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(TWO)
    return path


def test_a_first_machine_makes_the_file(path: Path) -> None:
    values = {"host": "me@h", "scheduler": "slurm", "setup": ("a 'b'", 'c "d"'), "root": None, "qos": ""}

    add_machine(path, "narval", values, {"time": "1h", "nodes": "2", "gpus_per_node": "a100:2"})

    assert path.read_text() == (
        "[machines.narval]\n"
        'host = "me@h"\n'
        'scheduler = "slurm"\n'
        'setup = ["a \'b\'", "c \\"d\\""]\n'
        "\n"
        "[machines.narval.defaults]\n"
        'time = "1h"\n'
        "nodes = 2\n"
        'gpus_per_node = "a100:2"\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [path] == list(path.parent.iterdir())


def test_what_was_added_is_read_back(path: Path) -> None:
    add_machine(path, "n.1", {"host": "h", "poll_interval": timedelta(seconds=5)}, {"exclusive": True})

    machine = load_config(path.parent, {"JOBFERRY_CONFIG": str(path)}).machine("n.1")

    assert machine.host == "h"
    assert machine.poll_interval == timedelta(seconds=5)
    assert machine.defaults == Resources(exclusive=True)


def test_adding_keeps_every_byte(two: Path) -> None:
    add_machine(two, "d", {"host": "d"})

    assert two.read_text() == TWO + '\n[machines.d]\nhost = "d"\n'


def test_adding_and_removing_leave_no_trace(two: Path) -> None:
    add_machine(two, "d", {"host": "d"}, {"time": "1h"})

    remove_machine(two, "d")

    assert two.read_text() == TWO


def test_a_dialect_of_another_package_can_be_added(path: Path) -> None:
    add_machine(path, "a", {"scheduler": "moab"}, known_schedulers=frozenset({"moab"}))

    assert "moab" in path.read_text()


def test_adding_after_a_line_without_end(two: Path) -> None:
    two.write_text(TWO.rstrip("\n"))

    add_machine(two, "d", {})

    assert two.read_text() == TWO + "\n[machines.d]\n"


def test_a_taken_name_is_refused(two: Path) -> None:
    with pytest.raises(ConfigError, match="'a' is there already") as caught:
        add_machine(two, "a", {"host": "x"})

    assert caught.value.hint == "jobferry machine edit a"
    assert two.read_text() == TWO


def test_all_wrong_values_are_told_and_nothing_is_written(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        add_machine(path, "x", {"hots": "h", "scheduler": "slrum", "password": "p"}, {"time": "never"})

    assert [line.split(":")[0] for line in caught.value.message.splitlines()] == [
        "machines.x.hots",
        "machines.x.scheduler",
        "machines.x.password",
        "machines.x.defaults.time",
    ]
    assert not path.exists()


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "é"])
def test_a_bad_name_is_refused(path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not a name"):
        add_machine(path, name, {"host": "h"})


def test_a_broken_file_is_left_alone(two: Path) -> None:
    two.write_text(TWO + "[oops\n")

    with pytest.raises(ConfigError, match=r"config\.toml:21: not TOML"):
        add_machine(two, "d", {"host": "d"})
    with pytest.raises(ConfigError, match=r"config\.toml:21: not TOML"):
        remove_machine(two, "a")

    assert two.read_text() == TWO + "[oops\n"


def test_a_link_stays_a_link(two: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(two)

    add_machine(link, "d", {"host": "d"})

    assert link.is_symlink()
    assert "machines.d" in two.read_text()


def test_a_users_file_is_closed_and_a_projects_file_stays_open(two: Path, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'x'\n")
    project.chmod(0o644)
    two.chmod(0o644)

    add_machine(two, "d", {"host": "d"})
    add_machine(project, "d", {"host": "d"})

    assert stat.S_IMODE(two.stat().st_mode) == 0o600
    assert stat.S_IMODE(project.stat().st_mode) == 0o644
    assert tomllib.loads(project.read_text())["tool"]["jobferry"] == {"machines": {"d": {"host": "d"}}}


def test_what_cannot_be_added_safely_is_shown(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('machines = {a = {host = "a"}}\n')

    with pytest.raises(ConfigError, match=r"add this by hand:\n\[machines\.b\]\nhost = \"b\""):
        add_machine(path, "b", {"host": "b"})


def test_removing_takes_its_own_comments_and_no_others(two: Path) -> None:
    remove_machine(two, "a")

    assert two.read_text() == (
        "# all my machines\n"
        'default_machine = "b"   # the usual one\n'
        "# three hours are too long\n"
        "\n"
        "# the new one\n"
        "[machines.b]\n"
        'host = "b"\n'
        "\n"
        "[machines.c]\n"
        'host = "c"\n'
    )


def test_removing_the_default_takes_that_too(two: Path) -> None:
    remove_machine(two, "b")

    assert "default_machine" not in two.read_text()
    assert list(tomllib.loads(two.read_text())["machines"]) == ["a", "c"]


def test_removing_the_only_machine_leaves_a_good_file(path: Path) -> None:
    add_machine(path, "a", {"host": "h"})

    remove_machine(path, "a")
    add_machine(path, "a", {"host": "h2"})

    assert tomllib.loads(path.read_text()) == {"machines": {"a": {"host": "h2"}}}


@pytest.mark.parametrize(
    "text",
    [
        'machines = {a = {host = "a"}, b = {host = "b"}}\n',
        'default_machine = "a"\n[machines]\na.host = "a"\nb.host = "b"\n',
        '[machines]\na = {host = "a"}\n[machines.b]\nhost = "b"\n',
    ],
)
def test_machines_written_otherwise_are_removed_too(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    remove_machine(path, "a")

    assert tomllib.loads(path.read_text()) == {"machines": {"b": {"host": "b"}}}


def test_odd_characters_do_not_shift_lines(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(
        '[machines.b]\nhost = "x\u2028y\x85z" # \u2028\n[machines.a]\nhost = "a"\n', encoding="utf-8"
    )

    remove_machine(path, "a")

    assert path.read_text("utf-8") == '[machines.b]\nhost = "x\u2028y\x85z" # \u2028\n'


def test_a_machine_that_others_extend_is_kept(two: Path) -> None:
    add_machine(two, "d", {"extends": "a"})

    with pytest.raises(ConfigError, match="extended by d"):
        remove_machine(two, "a")


def test_removing_what_is_not_there_is_an_error(two: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownMachine, match="no machine 'narval'"):
        remove_machine(two, "narval")
    with pytest.raises(UnknownMachine):
        remove_machine(tmp_path / "none.toml", "a")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="Not a directory"):
        add_machine(tmp_path / "file" / "config.toml", "a", {"host": "h"})
