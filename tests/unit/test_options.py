"""What people write, for Python and for the shell, and what it means."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.errors import SpecError
from jobferry.model.readers import read_resources
from jobferry.model.spec import Dependency, DependencyKind, Input, JobSpec, Resources, parse_array
from jobferry.options import make_spec


def test_text_is_a_script_and_a_list_a_command() -> None:
    assert make_spec("echo hi", {}).script == "echo hi"
    assert make_spec(["echo", "hi", 3], {}).command == ("echo", "hi", "3")  # type: ignore[list-item]


def test_path_is_a_script_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "solve.v2.sh"
    path.write_text("true\n")

    spec = make_spec(path, {})

    assert ("true\n", "solve") == (spec.script, spec.name)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/bin/python3", "python3"),
        ("./run it.sh", "run-it.sh"),
        ("---", "job"),
        ("x" * 90, "x" * 40),
        ("a,b|c", "a-b-c"),
    ],
)
def test_command_is_named_after_its_program(program: str, name: str) -> None:
    assert name == make_spec([program], {}).name


def test_options_are_read() -> None:
    spec = make_spec(
        ["true"],
        {
            "name": "n",
            "nodes": "2",
            "mem": "4G",
            "time": "1h",
            "gpus_per_node": "a100:2",
            "env": ["A=1", "B=x=y"],
            "outputs": "*.txt",
            "setup": ("a", "b"),
            "array": "0-3%2",
            "signal": "USR1@30",
            "directory": "~/x",
            "labels": {"k": 5},
            "native": ["--x"],
        },
    )

    assert spec.resources == Resources(
        nodes=2, mem=4 * 1024**3, time=timedelta(hours=1), gpus_per_node=2, gpu_type="a100"
    )
    assert {"A": "1", "B": "x=y"} == dict(spec.environment)
    assert (("*.txt",), ("a", "b"), parse_array("0-3%2")) == (spec.outputs, spec.setup, spec.array)
    assert (PurePosixPath("~/x"), {"k": "5"}, ("--x",)) == (spec.directory, dict(spec.labels), spec.native)
    assert spec.signal is not None


def test_what_is_empty_is_not_given() -> None:
    assert make_spec(["true"], {}) == make_spec(
        ["true"], {"name": "", "nodes": None, "env": {}, "outputs": (), "setup": []}
    )


def test_options_stand_over_a_whole_specification() -> None:
    base = JobSpec(command=("true",), name="base", resources=Resources(nodes=1, qos="long"))

    spec = make_spec(base, {"nodes": 4, "name": "other"})

    assert (Resources(nodes=4, qos="long"), "other", ("true",)) == (spec.resources, spec.name, spec.command)


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        ("01hx", DependencyKind.AFTEROK),
        ("01hx:afterany", DependencyKind.AFTERANY),
        (SimpleNamespace(id="01hx"), DependencyKind.AFTEROK),
        (Dependency(job_id="01hx", kind=DependencyKind.AFTERNOTOK), DependencyKind.AFTERNOTOK),
    ],
)
def test_dependencies(after: object, kind: DependencyKind) -> None:
    expected = (Dependency(job_id="01hx", kind=kind),)

    assert expected == make_spec(["true"], {"after": after}).dependencies
    assert expected * 2 == make_spec(["true"], {"after": [after, after]}).dependencies


def test_inputs_start_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = Input(source=Path("/x"), destination=PurePosixPath("y"))

    inputs = make_spec(["true"], {"inputs": ["data:b", given]}).inputs

    assert (Input(source=tmp_path / "data", destination=PurePosixPath("b")), given) == inputs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodse": 2}, "did you mean 'nodes'"),
        ({"enviroment": {"A": "1"}}, "did you mean 'environment'"),
        ({"nodes": "two"}, "nodes must be a whole number"),
        ({"nodes": "9" * 30}, "nodes must be a whole number"),
        ({"mem": "4X"}, "not an amount of memory"),
        ({"time": "soon"}, "not a time"),
        ({"env": ["NOVALUE"]}, "NAME=VALUE"),
        ({"env": ["=x"]}, "NAME=VALUE"),
        ({"after": "01hx:sometime"}, "not a kind of dependency"),
        ({"array": "a-b"}, "not an array"),
        ({"signal": "BOO"}, "not a signal"),
        ({"gpus_per_node": "a100:x"}, "gpus_per_node must be a whole number"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        make_spec(["true"], options)


def test_no_command_at_all() -> None:
    with pytest.raises(SpecError, match="no command"):
        make_spec([], {})


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_script_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "job.sh"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SpecError, match="script"):
        make_spec(path, {})


def test_template_is_not_taken_for_a_script(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="template"):
        make_spec(tmp_path / "job.sh.j2", {})


@given(
    st.dictionaries(st.sampled_from(["nodes", "mem", "time", "gpus_per_node", "qos"]), st.text(max_size=12))
)
def test_any_text_is_read_or_refused(options: dict[str, str]) -> None:
    try:
        read_resources({name: text for name, text in options.items() if text})
    except SpecError as error:
        assert error.message  # noqa: PT017
