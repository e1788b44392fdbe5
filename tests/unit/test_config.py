from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from jobferry.config import Config, Origin, config_paths, load_config, machine_table, sources
from jobferry.config.lines import find_places
from jobferry.errors import ConfigError, UnknownMachine
from jobferry.model.machine import Machine
from jobferry.model.readers import RESOURCE_READERS
from jobferry.model.spec import RESOURCE_NAMES, Resources

EXAMPLE = """\
default_machine = "narval"

[machines.narval]
host = "me@narval.example.org"     # whatever `ssh` accepts; absent: this machine
scheduler = "slurm"
transport = "openssh"
root = "$SCRATCH/jobferry"
account = "def-prof"
setup = ["module load python/3.11", "source ~/venvs/ml/bin/activate"]
python = "python3"
ssh = "ssh"
poll_interval = "30s"

[machines.narval.defaults]
time = "1h"
mem = "4G"

[machines.narval-gpu]
extends = "narval"
account = "rrg-prof"
"""


class Place:
    """A home and a project folder to write files into."""

    def __init__(self, folder: Path) -> None:
        self.user = folder / "config" / "jobferry" / "config.toml"
        self.user.parent.mkdir(parents=True)
        self.cwd = folder / "project" / "deep"
        self.cwd.mkdir(parents=True)
        self.project = self.cwd.parent / "jobferry.toml"
        self.environ = {"HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "config")}

    def load(self, **environ: str) -> Config:
        return load_config(self.cwd, {**self.environ, **environ})

    def read(self, text: str) -> Config:
        self.user.write_text(text)
        return self.load()

    def problems(self, text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.read(text)
        return caught.value.message.replace(str(self.user), "FILE").splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_example_of_the_documentation_is_read(place: Place) -> None:
    config = place.read(EXAMPLE)

    narval = Machine(
        name="narval",
        host="me@narval.example.org",
        scheduler="slurm",
        transport="openssh",
        root="$SCRATCH/jobferry",
        account="def-prof",
        setup=("module load python/3.11", "source ~/venvs/ml/bin/activate"),
        python="python3",
        poll_interval=timedelta(seconds=30),
        defaults=Resources(time=timedelta(hours=1), mem=4 * 1024**3),
    )
    assert narval == config.machine()
    assert config.machine("narval-gpu").host == narval.host
    assert config.machine("narval-gpu").account == "rrg-prof"
    assert config.machine("narval-gpu").defaults == narval.defaults
    assert {"local", "narval", "narval-gpu"} == set(config.machines)


def test_without_any_file_there_is_this_computer(place: Place) -> None:
    assert Machine(name="local", scheduler="direct") == place.load().machine()
    assert Config().machine() == place.load().machine()


def test_the_project_overrides_the_user(place: Place) -> None:
    place.user.write_text(EXAMPLE)
    place.project.write_text('default_machine = "gaia"\n[machines]\nnarval.account = "x"\ngaia.host = "g"\n')

    config = place.load()

    assert config.machine().host == "g"
    assert config.machine("narval").account == "x"
    assert config.machine("narval-gpu").account == "rrg-prof"
    assert config.machine("narval").scheduler == "slurm"


def test_a_pyproject_file_can_hold_it(place: Place) -> None:
    place.project.with_name("pyproject.toml").write_text(
        "[project]\nname = 'x'\n\n[tool.jobferry.machines.a]\nhost='h'\n"
    )

    config = place.load()

    assert config.machine("a").host == "h"
    assert config.origins["machines.a.host"].line == 5


def test_the_nearest_project_file_counts_alone(place: Place) -> None:
    place.project.write_text('[machines.far]\nhost = "f"\n')
    (place.cwd / "pyproject.toml").write_text('[project]\ndependencies = ["jobferry"]\n')
    assert "far" in place.load().machines

    (place.cwd / "jobferry.toml").write_text('[machines.near]\nhost = "n"\n')
    assert {"local", "near"} == set(place.load().machines)


def test_a_strangers_file_in_a_public_folder_is_passed_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.project.write_text('[machines.evil]\nssh = "./steal"\n')
    monkeypatch.setattr("os.getuid", lambda: 54321)
    monkeypatch.setattr(sources, "_ROOT", 54322)
    assert "evil" in place.load().machines

    place.project.parent.chmod(0o1777)

    assert "evil" not in place.load().machines


def test_the_environment_overrides_files(place: Place) -> None:
    place.user.write_text(EXAMPLE)

    config = place.load(
        JOBFERRY_DEFAULT_MACHINE="narval-gpu",
        JOBFERRY_MACHINE_ACCOUNT="env",
        JOBFERRY_MACHINE_POLL_INTERVAL="5",
        JOBFERRY_MACHINE_HOST="",
    )

    assert (config.machine().name, config.machine().account) == ("narval-gpu", "env")
    assert config.machine("local").account == "env"
    assert config.machine().poll_interval == timedelta(seconds=5)
    assert config.machine().host == "me@narval.example.org"
    assert Origin("$JOBFERRY_MACHINE_ACCOUNT") == config.origins["machines.*.account"]


def test_options_override_the_environment(place: Place) -> None:
    config = place.load(JOBFERRY_MACHINE_ACCOUNT="env", JOBFERRY_MACHINE_QOS="env")

    machine = config.machine(
        account="mine", setup="module load x", root=None, defaults={"gpus_per_node": "a:2"}
    )

    assert (machine.account, machine.qos) == ("mine", "env")
    assert machine.setup == ("module load x",)
    assert machine.defaults == Resources(gpus_per_node=2, gpu_type="a")


def test_a_higher_account_wins_over_a_lower_default(place: Place) -> None:
    config = place.read(
        '[machines.a]\n[machines.a.defaults]\naccount = "low"\n[machines.b]\nextends="a"\naccount="b"\n'
    )

    assert config.machine("b").resources(Resources()).account == "b"
    assert config.machine("a", account="high").resources(Resources()).account == "high"


def test_memory_of_one_kind_displaces_the_other(place: Place) -> None:
    text = '[machines.a.defaults]\nmem = "1G"\n[machines.b]\nextends = "a"\ndefaults = {mem_per_cpu = "2G"}\n'

    assert place.read(text).machine("b").defaults == Resources(mem_per_cpu=2 * 1024**3)


@pytest.mark.parametrize("override", [{"acount": "x"}, {"poll_interval": "soon"}, {"extends": "a"}])
def test_a_wrong_option_is_an_error(place: Place, override: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(override))):
        place.load().machine(**override)  # type: ignore[arg-type]


def test_an_unknown_machine_lists_the_known(place: Place) -> None:
    config = place.read(EXAMPLE)

    with pytest.raises(UnknownMachine, match="no machine 'narva', did you mean 'narval'") as caught:
        config.machine("narva")

    assert "known: local, narval, narval-gpu" in (caught.value.hint or "")


def test_an_unknown_default_machine_tells_where_it_is_named(place: Place) -> None:
    config = place.read('\ndefault_machine = "gone"\n')

    with pytest.raises(UnknownMachine, match=r"config\.toml:2: default_machine: no machine 'gone'"):
        config.machine()


def test_every_value_knows_its_line(place: Place) -> None:
    origins = place.read(EXAMPLE).origins

    assert origins["default_machine"].line == 1
    assert origins["machines.narval.setup"] == Origin(str(place.user), 9)
    assert origins["machines.narval.defaults.mem"].line == 16
    assert origins["machines.narval-gpu.account"].line == 20
    assert origins["machines.narval-gpu.host"].line == 4
    assert origins["machines.local.scheduler"] == Origin("built-in")


def test_extends_goes_through_chains(place: Place) -> None:
    text = """
        [machines.c]
        extends = "b"
        [machines.b]
        extends = "a"
        defaults.time = 5
        [machines.a]
        host = "h"
        defaults = {time = "9m", nodes = 2, exclusive = true}
    """

    machine = place.read(text).machine("c")

    assert machine.host == "h"
    assert machine.defaults == Resources(time=timedelta(minutes=5), nodes=2, exclusive=True)


def test_all_problems_are_told_at_once(place: Place) -> None:
    text = """\
default_machin = "x"
[machines.narval]
scheduelr = "slurm"
scheduler = "slrum"
setup = [1]
poll_interval = 0.5
root = ""
[machines.narval.defaults]
time = "abc"
nodes = 0
nodse = 1
mem = "lots"
[machines."bad name"]
[machines.x]
extends = "narvl"
password = "hunter2"
port = 22
"""

    assert place.problems(text) == [
        "FILE:1: default_machin: unknown key, did you mean 'default_machine'?",
        "FILE:3: machines.narval.scheduelr: unknown key, did you mean 'scheduler'?",
        "FILE:4: machines.narval.scheduler: unknown scheduler 'slrum', did you mean 'slurm'?",
        "FILE:5: machines.narval.setup: must be a list of shell lines, not [1]",
        "FILE:6: machines.narval.poll_interval: must be from 1 second to 11 days, not 0.5",
        "FILE:7: machines.narval.root: must not be empty",
        "FILE:9: machines.narval.defaults.time: not a time: 'abc'; write it as 90 (minutes), 10m, 1h30m, 2d, "
        "HH:MM:SS, D-HH[:MM[:SS]]",
        "FILE:10: machines.narval.defaults.nodes: must be a whole number of at least 1, not 0",
        "FILE:11: machines.narval.defaults.nodse: unknown key, did you mean 'nodes'?",
        "FILE:12: machines.narval.defaults.mem: not an amount of memory: 'lots'; write it as 4G, 512M, 4GiB "
        "(units of 1024; a bare number is megabytes)",
        "FILE:13: machines.bad name: not a name: 'bad name'; use letters, digits and . _ -",
        "FILE:16: machines.x.password: Jobferry keeps no secrets; use ssh keys or an ssh agent",
        "FILE:17: machines.x.port: unknown key; ssh settings belong into ~/.ssh/config, under the name given "
        "as host",
        "FILE:15: machines.x.extends: no machine 'narvl', did you mean 'narval'?",
    ]


def test_problems_of_all_layers_are_told_at_once(place: Place) -> None:
    place.user.write_text("x = 1\n")
    place.project.write_text("y = \n")

    with pytest.raises(ConfigError) as caught:
        place.load(JOBFERRY_MACHINE_FOO="1", JOBFERRY_MACHINE_SCHEDULER="x", JOBFERRY_DEFAULT_MACHINE="a b")

    words = caught.value.message.splitlines()
    assert words[0] == f"{place.user}:1: x: unknown key"
    assert words[1] == f"{place.project}:1: not TOML: invalid value"
    assert words[2].startswith("$JOBFERRY_DEFAULT_MACHINE: default_machine: not a name")
    assert words[3].startswith("$JOBFERRY_MACHINE_FOO: foo: unknown key")
    assert words[4].startswith(
        "$JOBFERRY_MACHINE_SCHEDULER: scheduler: unknown scheduler 'x'; known: direct,"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\n\n[x", "FILE:3: not TOML: expected ']' at the end of a table declaration"),
        ("a = 1\na = 2\n", "FILE:2: not TOML: cannot overwrite a value"),
        ("machines = 5", "FILE:1: machines: must be a table, not 5"),
        ("machines.a = 5", "FILE:1: machines.a: must be a table, not 5"),
        ("[[machines]]\n", "FILE:1: machines: must be a table, not [{}]"),
        ("[machines.a]\ndefaults = 5", "FILE:2: machines.a.defaults: must be a table, not 5"),
        ("default_machine = 5", "FILE:1: default_machine: not a name: 5; use letters, digits and . _ -"),
        (
            "[machines.a]\nhost = '-oProxyCommand=x'",
            "FILE:2: machines.a.host: not a host: '-oProxyCommand=x'",
        ),
        ("[machines.a]\nhost = 'a\tb'", "FILE:2: machines.a.host: must not hold control characters"),
        ("[machines.a]\naccount = 5", "FILE:2: machines.a.account: must be text, not 5"),
        (
            "[machines.a.defaults]\ntime = 01:00:00",
            "FILE:2: machines.a.defaults.time: not a time: '01:00:00'; put",
        ),
        (
            "[machines.a.defaults]\nexclusive = 1",
            "FILE:2: machines.a.defaults.exclusive: must be true or false",
        ),
        ("[machines.a.defaults]\nnodes = true", "FILE:2: machines.a.defaults.nodes: must be a whole number"),
        ("[machines.a.defaults]\nmem = 1.5", "FILE:2: machines.a.defaults.mem: not an amount"),
        (
            "[machines.a.defaults]\ngpus_per_node = 'x:y'",
            "FILE:2: machines.a.defaults.gpus_per_node: must be",
        ),
        ("[machines.a.defaults]\ngpu_type = 'x'", "FILE:1: machines.a.defaults: gpu_type without a number"),
        ("[machines.a]\nextends = 'a'", "FILE:2: machines.a.extends: a cycle: a -> a"),
        (
            "[machines.b]\nextends = 'a'\n[machines.a]\nextends = 'b'\n[machines.c]\nextends = 'b'",
            "FILE:4: machines.a.extends: a cycle: a -> b -> a",
        ),
        ("[machines.a]\nssh-token = 'x'", "FILE:2: machines.a.ssh-token: Jobferry keeps no secrets"),
        ("x = '\udcff'", "FILE:1: not UTF-8 text"),
        ("x = " + "[" * 5000, "FILE: nested too deeply"),
    ],
)
def test_a_problem_is_told_with_its_place(place: Place, text: str, problem: str) -> None:
    place.user.write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ConfigError) as caught:
        place.load()

    (line,) = caught.value.message.replace(str(place.user), "FILE").splitlines()
    assert line.startswith(problem)


def test_a_file_that_cannot_be_read_is_a_problem(place: Place) -> None:
    place.user.mkdir()

    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        place.load()


@pytest.mark.parametrize(
    ("text", "seconds"), [('"30s"', 30), ("30", 30), ("1.5", 1.5), ('"45"', 45), ('"2m"', 120)]
)
def test_a_poll_interval_counts_seconds(place: Place, text: str, seconds: float) -> None:
    machine = place.read(f"[machines.a]\npoll_interval = {text}").machine("a")

    assert machine.poll_interval == timedelta(seconds=seconds)


def test_a_bare_number_of_memory_is_megabytes(place: Place) -> None:
    machine = place.read("[machines.a.defaults]\nmem = 4000").machine("a")

    assert machine.defaults.mem == 4000 * 1024**2


def test_known_names_can_be_given(place: Place) -> None:
    place.user.write_text('[machines.a]\nscheduler = "moab"\ntransport = "pigeon"\n')

    known = load_config(
        place.cwd,
        place.environ,
        known_schedulers=frozenset({"moab", "direct"}),
        known_transports=frozenset({"pigeon"}),
    )

    assert known.machine("a").transport == "pigeon"
    with pytest.raises(ConfigError, match="unknown scheduler 'moab'"):
        place.load()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"JOBFERRY_CONFIG": "/x/y.toml", "XDG_CONFIG_HOME": "/c", "HOME": "/h"}, "/x/y.toml"),
        ({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}, "/c/jobferry/config.toml"),
        ({"XDG_CONFIG_HOME": "c", "HOME": "/h"}, "/h/.config/jobferry/config.toml"),
        ({"HOME": "/h"}, "/h/.config/jobferry/config.toml"),
    ],
)
def test_the_users_file_follows_the_environment(place: Place, environ: dict[str, str], expected: str) -> None:
    assert (Path(expected),) == config_paths(place.cwd, environ)


def test_the_projects_file_comes_last(place: Place) -> None:
    place.project.touch()

    assert (place.user, place.project) == config_paths(place.cwd, place.environ)


def test_every_resource_can_be_a_default() -> None:
    assert set(RESOURCE_NAMES) == set(RESOURCE_READERS)


def test_a_machine_is_shown_as_it_would_be_written(place: Place) -> None:
    config = place.read(EXAMPLE)
    shown = machine_table(config.machine("narval"))

    again = place.read(tomlkit.dumps({"machines": {"narval": shown}}))

    assert config.machine("narval") == again.machine("narval")
    assert shown["poll_interval"] == "30s"
    assert shown["defaults"] == {"mem": "4G", "time": "01:00:00"}


TRICKY = '''\
# a comment with [brackets] and "quotes"
title."odd.key" = """
[not.a.table]
x = "\\""" y" """
list = [
  "a]", # ]
  { inner = 1 },
  ['"',
   "}"],
]
[ machines . "na.rval" ]
when = 1979-05-27 07:32:00 # when
'single' = '\\'
inline = { a = 1, "b c".d = { e = [1, 2] } } # x
empty = {}
lines = \'\'\'
it's [ok]\'\'\'\'
last = true
[[jobs]]
name = 1
[[jobs]]
[jobs.sub]
'''


def test_tricky_toml_is_found_its_way_through() -> None:
    tomllib.loads(TRICKY)
    places = find_places(TRICKY)

    expected = {
        ("title",): 2,
        ("title", "odd.key"): 2,
        ("list",): 5,
        ("machines",): 11,
        ("machines", "na.rval"): 11,
        ("machines", "na.rval", "when"): 12,
        ("machines", "na.rval", "single"): 13,
        ("machines", "na.rval", "inline"): 14,
        ("machines", "na.rval", "inline", "a"): 14,
        ("machines", "na.rval", "inline", "b c"): 14,
        ("machines", "na.rval", "inline", "b c", "d"): 14,
        ("machines", "na.rval", "inline", "b c", "d", "e"): 14,
        ("machines", "na.rval", "empty"): 15,
        ("machines", "na.rval", "lines"): 16,
        ("machines", "na.rval", "last"): 18,
        ("jobs",): 19,
        ("jobs", "name"): 20,
        ("jobs", "sub"): 22,
    }
    assert expected == places.lines
    assert [(section.first_line, section.last_line) for section in places.sections] == [
        (11, 18),
        (19, 20),
        (21, 21),
        (22, 22),
    ]
    assert expected == find_places(TRICKY.replace("\n", "\r\n")).lines


KEYS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=6)
LEAVES = (
    st.integers(-9, 9) | st.booleans() | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8)
)
TABLES = st.recursive(
    st.dictionaries(KEYS, LEAVES | st.lists(LEAVES, max_size=3), max_size=4),
    lambda inner: st.dictionaries(KEYS, inner | LEAVES, max_size=3),
    max_leaves=12,
)


@given(TABLES)
def test_every_key_of_any_toml_has_a_line(data: dict[str, object]) -> None:
    text = tomlkit.dumps(data)

    assert set(_paths(data, ())) == set(find_places(text).lines)


def _paths(data: dict[str, object], above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = []
    for key, value in data.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found += _paths(value, (*above, key))
    return found
