"""The commands about jobs, as processes, on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli_runner import TIME_LIMIT, Home

SUMMARY = [
    *("id", "name", "machine", "state", "native_id", "exit_code", "signal", "failure", "reason"),
    *("created_at", "submitted_at", "started_at", "ended_at", "restarts", "labels"),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str, str]:
    """A home with one job that succeeded and one that failed."""
    home = Home(tmp_path_factory.mktemp("home"))
    good = home.ok(
        "submit", "-n", "good", "--label", "kind=test", "--output", "*.txt", "--", "sh", "-c", GOOD
    )
    bad = home.ok("submit", "-n", "bad", "--", "sh", "-c", "echo lost >&2; exit 7")
    home.run("wait", "--all")
    return home, good.strip(), bad.strip()


GOOD = "echo printed; echo kept > result.txt"


# -- run


def test_run_prints_what_the_job_prints_and_nothing_else(home: Home) -> None:
    done = home.run("run", "--", sys.executable, "-c", "print(6*7)")

    assert (0, b"42\n", b"") == (done.returncode, done.stdout, done.stderr)


def test_run_passes_bytes_through_on_both_streams(home: Home) -> None:
    done = home.run("run", "--", "sh", "-c", r"printf '\377\000\n'; printf '\376' >&2")

    assert b"\xff\x00\n" == done.stdout
    assert b"\xfe" == done.stderr


@pytest.mark.parametrize(("command", "expected"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_run_ends_as_the_job_ends(home: Home, command: str, expected: int) -> None:
    assert expected == home.run("run", "--", "sh", "-c", command).returncode


def test_run_brings_outputs_to_the_current_folder(home: Home) -> None:
    home.ok("run", "--output", "*.txt", "--", "sh", "-c", GOOD)

    assert "kept\n" == (home.path / "result.txt").read_text()


def test_run_takes_a_script_with_its_arguments(home: Home) -> None:
    (home.path / "job.sh").write_text('#!/bin/sh\necho "<$1>" "<$2>"\n')

    assert "<a b> <--time>\n" == home.ok("run", "job.sh", "a b", "--time")


def test_after_two_dashes_a_file_is_a_command(home: Home) -> None:
    (home.path / "job.sh").write_text("#!/bin/sh\n")

    script = home.ok("run", "--dry-run", "--", "job.sh")

    assert "exec job.sh\n" in script


def test_without_dashes_a_word_that_is_no_file_is_a_command(home: Home) -> None:
    assert "hi\n" == home.ok("run", "echo", "hi")


def test_a_mistyped_script_is_not_taken_for_a_command(home: Home) -> None:
    done = home.run("submit", "jbo.sh")

    assert 2 == done.returncode
    assert b"no such file: jbo.sh" in done.stderr


def test_run_takes_a_job_file(home: Home) -> None:
    (home.path / "job.json").write_text('{"schema": 1, "command": ["echo", "from a file"]}')

    assert "from a file\n" == home.ok("run", "job.json")


# -- dry runs


def test_dry_run_of_a_submission_prints_the_script_and_changes_nothing(home: Home) -> None:
    before = home.files()

    done = home.run("submit", "--dry-run", "--env", "TOKEN=hush", "--time", "5m", "--", "echo", "hi")

    assert 0 == done.returncode
    assert "exec echo hi\n" in done.stdout.decode()
    assert "would submit echo to local" in done.stderr.decode()
    assert "hush" not in done.stderr.decode()
    assert before == home.files()


@pytest.mark.parametrize("verb", ["cancel", "hold", "release", "fetch", "remove"])
def test_dry_run_of_acting_on_a_job_changes_nothing(finished: tuple[Home, str, str], verb: str) -> None:
    home, good, _ = finished
    before = home.ok("list", "--cached", "--format", "json")

    done = home.run(verb, good, "--dry-run")

    assert 0 == done.returncode
    assert f"would {verb}" in done.stderr.decode()
    assert b"" == done.stdout
    assert before == home.ok("list", "--cached", "--format", "json")


# -- looking


def test_submit_prints_the_id_alone(finished: tuple[Home, str, str]) -> None:
    assert re.fullmatch(r"[0-9a-z]{12}", finished[1])


def test_list_tells_the_contracts_fields(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    told = home.json("list")

    assert 1 == told["schema"]
    assert [good, bad] == [job["id"] for job in told["jobs"]]
    assert all(SUMMARY == [*job] for job in told["jobs"])
    assert ("COMPLETED", 0) == (told["jobs"][0]["state"], told["jobs"][0]["exit_code"])


def test_list_without_a_terminal_is_aligned_and_plain(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    head, *rows = home.ok("list").splitlines()

    assert re.split(r"\s{2,}", head) == ["id", "name", "machine", "state", "native id", "time", "note"]
    assert [good, bad] == [row.split()[0] for row in rows]
    assert rows[1].endswith("exit code 7")


def test_list_filters(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    assert f"{bad}\n" == home.ok("list", "--state", "failed", "--format", "ids")
    assert f"{good}\n" == home.ok("list", "--label", "kind=test", "--format", "ids")
    assert f"{bad}\n" == home.ok("list", "--name", "b*", "--all", "--format", "ids")
    assert f"{bad}\n" == home.ok("list", "--limit", "1", "--format", "ids")


def test_list_with_an_unknown_state_names_the_known_ones(home: Home) -> None:
    done = home.run("list", "--state", "dead")

    assert 2 == done.returncode
    assert b"cancelled" in done.stderr


def test_the_environment_chooses_the_format(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    assert f"{good}\n{bad}\n" == home.run("list", JOBFERRY_FORMAT="ids").stdout.decode()


def test_show_tells_all_of_a_job(finished: tuple[Home, str, str]) -> None:
    home, good, _ = finished

    told = home.json("show", good)["job"]

    assert SUMMARY == [*told][: len(SUMMARY)]
    assert ["sh", "-c", GOOD] == told["spec"]["command"]
    assert told["paths"]["stdout"].endswith(f"{good}/out/stdout")


def test_why_tells_cause_evidence_and_the_last_words(finished: tuple[Home, str, str]) -> None:
    home, _, bad = finished

    told = home.ok("why", bad)

    assert "its command ended with exit code 7" in told
    assert re.search(r"its records +ended with exit code 7", told)
    assert "  lost" in told.splitlines()


def test_logs_prints_a_stream_or_its_end(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    assert "printed\n" == home.ok("logs", good)
    assert "lost\n" == home.ok("logs", "--stderr", bad)
    assert "printed\n" == home.ok("logs", "-f", "-n", "1", good)


# -- waiting and acting


def test_wait_ends_as_the_job_that_failed(finished: tuple[Home, str, str]) -> None:
    home, good, bad = finished

    assert 0 == home.run("wait", good).returncode
    assert 7 == home.run("wait", good, bad).returncode


def test_wait_gives_up_after_its_time(home: Home) -> None:
    home.ok("submit", "--", "sleep", "60")

    done = home.run("wait", "@last", "--timeout", "1s")

    assert 124 == done.returncode
    assert b"hint: " in done.stderr
    home.ok("cancel", "--all")
    home.run("wait", "@last")
    assert "CANCELLED" == home.json("show", "@last")["job"]["state"]


def test_nothing_to_cancel_is_fine(home: Home) -> None:
    assert 0 == home.run("cancel", "--all").returncode


def test_fetch_prints_the_paths_that_came(finished: tuple[Home, str, str]) -> None:
    home, good, _ = finished

    assert "there/result.txt\n" == home.ok("fetch", good, "--to", "there")


def test_removed_is_forgotten(home: Home) -> None:
    home.ok("run", "--", "true")

    home.ok("remove", "@last", "--remote")

    assert [] == home.json("list", "--all")["jobs"]
    assert [] == [*(home.path / ".jobferry/jobs").iterdir()]


def test_no_such_job_is_exit_5(home: Home) -> None:
    done = home.run("show", "zzzz")

    assert 5 == done.returncode
    assert b"jobferry: no job 'zzzz'\n  hint: jobferry list --all\n" == done.stderr


def test_naming_no_job_is_a_usage_error(home: Home) -> None:
    done = home.run("cancel")

    assert 2 == done.returncode
    assert b"jobferry: which job?" in done.stderr


def test_a_reader_that_leaves_is_no_error(finished: tuple[Home, str, str]) -> None:
    home, _, _ = finished
    command = f"{sys.executable} -m jobferry run -- seq 200000 | head -n 1"

    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=home.environment, cwd=home.path, timeout=TIME_LIMIT
    )

    assert (b"1\n", b"") == (done.stdout, done.stderr)


# -- retry


@pytest.fixture(scope="module")
def tried_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """A home with one job that failed, and succeeded when it was tried again."""
    home = Home(tmp_path_factory.mktemp("home"))
    job_id = home.ok("submit", "--retry", "EXIT_CODE", "--", "sh", "-c", "test $JOBFERRY_RUN -gt 1").strip()
    home.ok("wait", job_id)
    return home, job_id


def test_show_names_the_logs_of_the_last_attempt(tried_twice: tuple[Home, str]) -> None:
    home, job_id = tried_twice

    assert home.json("show", job_id)["job"]["paths"]["stdout"].endswith(f"{job_id}/runs/2/out/stdout")


def test_show_tells_how_each_attempt_ended_and_where_its_logs_are(tried_twice: tuple[Home, str]) -> None:
    home, job_id = tried_twice

    told = home.ok("show", job_id)

    assert re.search(r"^1 +\S+ +exit code 1 +out$", told, re.MULTILINE)
    assert re.search(r"^last attempt +\S+ +runs/2/out$", told, re.MULTILINE)


def test_show_tells_which_tasks_each_run_still_counts_for(home: Home) -> None:
    script = "test $JOBFERRY_ARRAY_INDEX -ne 2 || test $JOBFERRY_RUN -gt 1"
    job_id = home.ok("submit", "--array", "0-3", "--retry", "EXIT_CODE", "--", "sh", "-c", script).strip()
    home.ok("wait", job_id)

    told = home.ok("show", job_id)

    assert re.search(r"^0-1,3 +\S+ +out$", told, re.MULTILINE)
    assert re.search(r"^2 +\S+ +runs/2/out$", told, re.MULTILINE)


def test_list_and_why_tell_of_attempts(tried_twice: tuple[Home, str]) -> None:
    home, job_id = tried_twice

    assert "attempt 2" in home.ok("list")
    assert "attempt 1 ended with exit code 1" in home.ok("why", job_id)


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_retry_leaves_a_job_alone_that_has_succeeded(
    tried_twice: tuple[Home, str], option: tuple[str, ...]
) -> None:
    home, job_id = tried_twice

    done = home.run("retry", job_id, *option)

    assert 0 == done.returncode
    assert b"is left alone: it is completed" in done.stderr


def test_retry_of_what_failed_starts_it_anew(home: Home) -> None:
    job_id = home.ok("submit", "--", "sh", "-c", "test $JOBFERRY_RUN -gt 1").strip()
    home.run("wait", job_id)

    home.ok("retry", "--failed")

    home.ok("wait", job_id)


def test_retry_ends_with_an_error_when_the_batch_system_does_not_take_it(home: Home) -> None:
    failing = f"until test -e '{home.path}/go'; do sleep 0.1; done; exit 1"
    first = home.ok("submit", "--", "sh", "-c", failing).strip()
    second = home.ok("submit", "--after", first, "--", "true").strip()
    (home.path / "go").touch()
    home.run("wait", first, second)

    done = home.run("retry", second)

    assert 4 == done.returncode
    assert b"afterok cannot be met" in done.stderr


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")
def test_job_whose_start_is_slow_outlives_the_command_that_submitted_it(home: Home) -> None:
    slow = home.path / "bin" / "setsid"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.5\nexec {shutil.which("setsid")} "$@"\n')
    slow.chmod(0o755)
    path = f"{slow.parent}{os.pathsep}{home.environment['PATH']}"

    submitted = home.run("submit", "--", "sh", "-c", "exit 3", PATH=path)

    assert 0 == submitted.returncode, submitted.stderr
    assert 3 == home.run("wait", "--timeout", "20s", "@last").returncode
