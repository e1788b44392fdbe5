"""Launch scripts as text, and what becomes of hostile words when real shells run them.

``JOBFERRY_WRITE_GOLDEN=1 pytest tests/unit/test_script.py`` writes the golden files anew.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.errors import SpecError
from jobferry.model.machine import Machine
from jobferry.model.spec import JobSpec, Resources, parse_array
from jobferry.model.warning import WarningSignal
from jobferry.render.script import launch_script, script_name
from jobferry.render.shell import compact, expand_path, octal, quote, quote_pattern
from jobferry.schedulers.base import Scheduler
from jobferry.schedulers.direct import Direct
from jobferry.schedulers.slurm import Slurm
from jobferry.staging.manifest import parse_manifest
from tests.unit.launching import SHELLS, Launch, need
from tests.unit.records import specs

GOLDEN = Path(__file__).parents[1] / "golden"
JOB = "0123456789ab"
FAR = Machine(name="cluster", host="login.example.org", setup=("module load gcc",))
HERE = Machine(name="here")
LIMIT = Resources(time=timedelta(hours=1), cpus_per_task=2)
WARNING = WarningSignal(name="USR2", before=timedelta(minutes=5))

EXAMPLES: dict[str, tuple[JobSpec, Machine, Scheduler]] = {
    "slurm-command": (
        JobSpec(
            command=("./solve", "--mesh", "fine mesh.msh", "it's"),
            name="solve",
            resources=Resources(nodes=2, ntasks_per_node=8, mem=6 * 1024**3, partition="long", account="lab"),
            environment={"OMP_NUM_THREADS": "2", "GREETING": "hello $USER"},
            launcher="srun --cpu-bind=cores",
            native=("--mail-type=END",),
        ),
        FAR,
        Slurm(),
    ),
    "slurm-script": (
        JobSpec(script="#!/bin/bash\nmake\n", arguments=("all", "two words"), name="build", resources=LIMIT),
        FAR,
        Slurm(),
    ),
    "slurm-array": (
        JobSpec(
            script="echo $JOBFERRY_ARRAY_INDEX",
            array=parse_array("0-9,12%4"),
            outputs=("result.*", "my logs/*.txt"),
            resources=Resources(time=timedelta(hours=2), gpus_per_node=1, gpu_type="a100"),
            signal=WARNING,
        ),
        FAR,
        Slurm(),
    ),
    "direct-limit": (JobSpec(command=("sleep", "60"), resources=LIMIT, signal=WARNING), HERE, Direct()),
    "direct-array": (JobSpec(command=("true",), array=parse_array("1-3%2")), HERE, Direct()),
    "setup-teardown": (
        JobSpec(command=("./run",), setup=("ulimit -c 0", "cd sub"), teardown=("rm -rf scratch",)),
        FAR,
        Direct(),
    ),
    "directory": (
        JobSpec(command=("make",), directory=PurePosixPath("$SCRATCH/my project"), outputs=("*.o",)),
        FAR,
        Direct(),
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden(name: str) -> None:
    spec, machine, scheduler = EXAMPLES[name]
    path = GOLDEN / f"{name}.sh"

    written = launch_script(spec, JOB, machine, scheduler)

    if os.environ.get("JOBFERRY_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, "utf-8")
    assert path.read_text("utf-8") == written


def test_every_golden_file_is_tested() -> None:
    assert {f"{name}.sh" for name in EXAMPLES} == {path.name for path in GOLDEN.iterdir()}


@given(specs())
def test_same_job_gives_the_same_text(spec: JobSpec) -> None:
    for scheduler in (Slurm(), Direct()):
        try:
            first = launch_script(spec, JOB, FAR, scheduler)
        except SpecError:
            continue
        assert first == launch_script(spec, JOB, FAR, scheduler)
        assert first.startswith("#!/bin/sh\n")


def test_scripts_are_named_after_the_batch_system() -> None:
    assert (script_name(Slurm()), script_name(Direct())) == ("launch.slurm", "launch.direct")


@pytest.mark.parametrize("text", ["", "\n", " \n\t"])
def test_empty_script_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="empty"):
        launch_script(JobSpec(script=text), JOB, HERE, Direct())


def test_values_of_the_environment_are_in_no_repr() -> None:
    assert "hunter2" not in repr(JobSpec(command=("true",), environment={"TOKEN": "hunter2"}))


# -- words that reach real shells

# all that a program can be given: no NUL, and nothing that is not text
WORDS = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])
    | st.sampled_from("'\"\\$`!*?[]{}()<>|&;#~%=- \t\n\r\x01\x1b\x7f"),
    max_size=30,
)
NAMES = st.text(st.sampled_from("abc'\"\\$`!*?{}()<>|&;#~%=- \t\n\x01^]é☃"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
few = settings(max_examples=12, deadline=None)


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return need(request.param)


def run(spec: JobSpec, shell: tuple[str, ...], root: str) -> Launch:
    """Run a job for real: launch script and the job's own lines in the same kind of shell."""
    launch = Launch(Path(root), spec, shell=shell, lines=shell).lay_out()
    assert launch.run() == 0, (launch.said(), launch.stderr())
    return launch


@few
@given(arguments=st.lists(WORDS, max_size=4), value=WORDS, script=st.booleans())
def test_words_and_variables_arrive_as_they_are(
    shell: tuple[str, ...], arguments: list[str], value: str, script: bool
) -> None:
    text = 'printf "%s\\0" "$VALUE" "$@" end'
    with tempfile.TemporaryDirectory() as root:
        spec = (
            JobSpec(script=f"#!/bin/sh\n{text}\n", arguments=tuple(arguments), environment={"VALUE": value})
            if script
            else JobSpec(command=("sh", "-c", text, "sh", *arguments), environment={"VALUE": value})
        )

        launch = run(spec, shell, root)

        expected = "".join(f"{word}\0" for word in (value, *arguments, "end"))
        assert expected.encode() == (launch.folder / "out" / "stdout").read_bytes()


@few
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_outputs_of_any_name_are_listed(shell: tuple[str, ...], names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        launch = Launch(
            Path(root), JobSpec(command=("true",), outputs=tuple(names)), shell=shell, lines=shell
        )
        launch.lay_out()
        for name in names:
            (launch.folder / "work" / name).write_text(name)

        assert launch.run() == 0

        entries = parse_manifest((launch.state / "job.outputs").read_bytes())
        assert {name: len(name.encode()) for name in names} == {entry.name: entry.size for entry in entries}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", {"a.txt", "b c.txt"}),
        ("b c.*", {"b c.txt", "b c.dat"}),
        ("[ab]*.txt", {"a.txt", "b c.txt"}),
        ("?.txt", {"a.txt"}),
        ("[!a]*.txt", {"b c.txt"}),
        ("[a-b]*.dat", {"b c.dat"}),
        ("[b c]*.dat", {"b c.dat"}),
        ("$HOME", {"$HOME"}),
        ("none*", set()),
        ("", set()),
        ("-n*", {"-n"}),
        ("d", {"d", "d/e"}),
        ("*/e", {"d/e"}),
        ("~", set()),
    ],
)
def test_patterns_mean_what_they_mean_in_a_shell(
    shell: tuple[str, ...], tmp_path: Path, pattern: str, expected: set[str]
) -> None:
    launch = Launch(tmp_path, JobSpec(command=("true",), outputs=(pattern,)), shell=shell).lay_out()
    (launch.folder / "work" / "d").mkdir()
    for name in ("a.txt", "b c.txt", "b c.dat", "$HOME", "-n", "d/e"):
        (launch.folder / "work" / name).touch()

    assert launch.run() == 0
    listed = {entry.name for entry in parse_manifest((launch.state / "job.outputs").read_bytes())}
    assert expected == listed


@few
@given(
    st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=15)
)
def test_folder_of_any_name(shell: tuple[str, ...], name: str) -> None:
    if name in (".", "..") or name.startswith("~") or re.search(r"\$[{A-Za-z_]", name) or name.endswith("\n"):
        # `$NAME` is expanded over there; a test of pwd loses a last newline
        return
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "at", name)
        folder.mkdir(parents=True)
        directory = PurePosixPath(folder)

        launch = run(JobSpec(command=("pwd",), directory=directory), shell, root)

        assert f"{directory}\n".encode() == (launch.folder / "out" / "stdout").read_bytes()


def test_launcher_is_a_command_line_of_its_own(shell: tuple[str, ...], tmp_path: Path) -> None:
    spec = JobSpec(
        command=("printf", "[%s]", "a b"),
        launcher="env GREETING='hi there' sh -c 'echo $GREETING; \"$@\"' sh",
    )

    assert run(spec, shell, str(tmp_path)).stdout() == "hi there\n[a b]"


def test_script_without_an_interpreter_runs_in_the_jobs_shell(shell: tuple[str, ...], tmp_path: Path) -> None:
    assert run(JobSpec(script='echo "$1"', arguments=("a  b",)), shell, str(tmp_path)).stdout() == "a  b\n"


# -- the quoters


@given(WORDS)
def test_quoted_word_is_one_word(text: str) -> None:
    assert shlex.split(quote(text)) == [text]


@pytest.mark.parametrize("call", [quote, quote_pattern, expand_path])
def test_nul_is_refused(call: object) -> None:
    with pytest.raises(SpecError, match="NUL"):
        call("a\0b")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("~", '"${HOME:?}"'),
        ("~/a b", '"${HOME:?}/a b"'),
        ("a~", '"a~"'),
        ("~user/x", '"~user/x"'),
        ("$SCRATCH/x", '"${SCRATCH:?}/x"'),
        ("${A}b$C", '"${A:?}b${C:?}"'),
        ("$(id)/`id`", '"\\$(id)/\\`id\\`"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
    ],
)
def test_paths_expand_only_home_and_variables(path: str, written: str) -> None:
    assert written == expand_path(path)


@few
@given(st.binary(max_size=60))
def test_bytes_survive_printf(shell: tuple[str, ...], data: bytes) -> None:
    text = octal(data)
    printed = subprocess.run([*shell, "-c", 'printf %b "$1"', "sh", text], capture_output=True, check=True)

    assert text.isprintable() or "\n" in text or "\t" in text
    assert data == printed.stdout


def test_compacting_keeps_what_is_run() -> None:
    assert compact("# a\n\nf() {\n    # b\n    echo x\n}\n") == "f() {\necho x\n}\n"
