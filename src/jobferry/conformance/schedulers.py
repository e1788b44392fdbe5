"""What every dialect must do: subclass `SchedulerSuite`, fill in its table of real outputs, run pytest."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import ClassVar

import pytest

from jobferry.errors import ParseError, SchedulerBusy, SpecError, SubmitRefused
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import Machine, MachineFacts
from jobferry.model.spec import RESOURCE_NAMES, WORDS, Array, JobSpec, Resources
from jobferry.model.status import JobState
from jobferry.model.warning import WarningSignal
from jobferry.render.script import launch_script
from jobferry.schedulers.base import Scheduler

JOB = "0123456789ab"
BANNERS = (
    "",
    "*** Welcome to the machine ***\nLast login: Sat Nov 21 04:33:00 2026 from ::1\n\n",
    "You have used 97% of 100 GB: clean up by 12:00:00\n",
)
HOSTILE = (
    "two words",
    "it's",
    'say "hi"',
    "#hash",
    "a #comment",
    "-n",
    "100%j",
    "$HOME `id` $(id)",
    "back\\slash\\",
    "a;b&c|d<e>f(g)",
    "a,b",
    "*?[x]",
    "grüße ☃ 日本",
)
INVENTED = "TRANSMOGRIFYING"
# below Linux's limit of 128 KiB for one argument
_LONGEST_ARGUMENT = 100_000

_SOME: Mapping[str, object] = {
    **dict.fromkeys(("nodes", "ntasks", "ntasks_per_node", "cpus_per_task"), 1),
    **dict.fromkeys(("gpus_per_node", "gpus_per_task"), 2),
    **dict.fromkeys(WORDS, "word"),
    **dict.fromkeys(("mem", "mem_per_cpu"), 3 * 1024**3),
    "time": timedelta(hours=2),
    "exclusive": True,
}


class _Table:
    """What a subclass supplies.

    Attributes:
        scheduler: the dialect.
        accepted: native id -> outputs of submissions that were given this id.
        refused: what a submission prints on standard error, with exit code 1, that was certainly not taken.
        ambiguous: how a submission ends, as exit code and errors, that may or may not have been taken.
        ids: at least three native ids.
        states: every documented word of the queue.
        failed_queries: how a question ends, as exit code and errors, that was not answered.
        commands: programs that a question about 1,000 jobs may start.
        facts: a machine that has this batch system, with accounting where there is any.
    """

    scheduler: ClassVar[Scheduler]
    accepted: ClassVar[Mapping[str, Sequence[str]]]
    refused: ClassVar[Sequence[str]]
    ambiguous: ClassVar[Sequence[tuple[int, str]]]
    ids: ClassVar[Sequence[str]]
    states: ClassVar[Mapping[str, JobState]]
    failed_queries: ClassVar[Sequence[tuple[int, str]]]
    commands: ClassVar[int] = 1
    facts: ClassVar[MachineFacts]

    def queue(self, words: Mapping[str, str]) -> str:
        """Write what the queue prints when each native id is in the state of that word."""
        raise NotImplementedError("queue")

    def history(self, words: Mapping[str, str]) -> str:
        """Write what accounting prints; not asked for without `capabilities.history`."""
        raise NotImplementedError("supply `history`")


class _Submitting(_Table):
    def test_id_is_found_with_and_without_banners_around_it(self) -> None:
        for native_id, outputs in self.accepted.items():
            for said, before, after in product(outputs, BANNERS, BANNERS):
                answer = _answer(f"{before}{said}{after}")

                assert native_id == self.scheduler.parse_submit(answer), answer.text

    def test_refused_submission_keeps_what_was_said(self) -> None:
        for said in self.refused:
            with pytest.raises(SubmitRefused) as caught:
                self.scheduler.parse_submit(_answer("", 1, said))

            assert " ".join(said.split()) in caught.value.message

    def test_ambiguous_submission_is_neither_taken_nor_refused(self) -> None:
        for code, said in self.ambiguous:
            with pytest.raises(SchedulerBusy):
                self.scheduler.parse_submit(_answer("", code, said))

    @pytest.mark.parametrize(
        "garbage", ["", "\n\n", "welcome\n", "\x00\x1b[31m\xff\n", "12:30:45 up 3 days\n"]
    )
    def test_garbage_is_kept_for_whoever_reads_the_error(self, garbage: str) -> None:
        with pytest.raises(ParseError) as caught:
            self.scheduler.parse_submit(_answer(garbage))

        assert garbage == caught.value.text

    def test_dependencies_reach_the_command(self) -> None:
        first, second, *_ = self.ids

        command = self.scheduler.submit_command("launch.x", JOB, {"afterok": [first], "afterany": [second]})

        words = " ".join(command.argv)
        assert all(word in words for word in ("launch.x", "afterok", first, "afterany", second))


class _Asking(_Table):
    def test_every_documented_state_is_known(self) -> None:
        for word, state in self.states.items():
            seen = self.scheduler.parse_status(_answer(self.queue({self.ids[0]: word})), self.ids)

            assert state is seen[self.ids[0]][None].state, word
            assert word == seen[self.ids[0]][None].native_state

    def test_invented_state_keeps_the_last_one_and_leaves_its_neighbours_alone(self) -> None:
        word, state = next((word, state) for word, state in self.states.items() if not state.final)
        said = self.queue({self.ids[0]: word, self.ids[1]: INVENTED, self.ids[2]: word})

        seen = self.scheduler.parse_status(_answer(said), self.ids)

        assert [state, None, state] == [seen[native_id][None].state for native_id in self.ids[:3]]
        assert seen[self.ids[1]][None].native_state == INVENTED

    def test_absent_jobs_are_absent(self) -> None:
        word = next(iter(self.states))
        first, second, *_ = self.ids
        seen = self.scheduler.parse_status(_answer(self.queue({first: word, second: word})), [second])

        assert [second] == list(seen)

    def test_banners_and_junk_hide_no_job(self) -> None:
        word, state = next(iter(self.states.items()))
        for banner in (*BANNERS, "|||||\n", "::: :\n", "\x00\xff\n"):
            seen = self.scheduler.parse_status(_answer(banner + self.queue({self.ids[0]: word})), self.ids)

            assert state is seen[self.ids[0]][None].state

    def test_empty_answer_is_no_error(self) -> None:
        assert {} == self.scheduler.parse_status(_answer(""), self.ids)
        assert {} == self.scheduler.parse_history(_answer(""), self.ids)
        assert {f"job-{JOB}": None} == self.scheduler.parse_find(_answer(""), [f"job-{JOB}"])

    def test_answer_that_cannot_be_read_is_no_empty_queue(self) -> None:
        for garbage in (*BANNERS[1:], "Segmentation fault\n", "\x00\xff\n", "{}\n"):
            with pytest.raises((ParseError, SchedulerBusy)):
                self.scheduler.parse_status(_answer(garbage), self.ids)
            with pytest.raises(SchedulerBusy):
                self.scheduler.parse_find(_answer(garbage), [f"job-{JOB}"])

    def test_failed_question_never_looks_like_an_empty_queue(self) -> None:
        for code, said in self.failed_queries:
            with pytest.raises(SchedulerBusy):
                self.scheduler.parse_status(_answer("", code, said), self.ids)
            with pytest.raises(SchedulerBusy):
                self.scheduler.parse_find(_answer("", code, said), [f"job-{JOB}"])
            if self.scheduler.capabilities.history:
                with pytest.raises(SchedulerBusy):
                    self.scheduler.parse_history(_answer("", code, said), self.ids)

    def test_accounting_knows_the_same_words(self) -> None:
        if not self.scheduler.capabilities.history:
            assert self.scheduler.history_command(self.ids, self.facts) is None
            return
        for word, state in self.states.items():
            said = self.history({self.ids[0]: word, self.ids[1]: INVENTED})
            seen = self.scheduler.parse_history(_answer(said), self.ids)

            assert state is seen[self.ids[0]][None].state, word
            assert seen[self.ids[1]][None].state is None

    def test_a_thousand_jobs_take_few_commands(self) -> None:
        many = [f"{self.ids[0]}{number}" for number in range(1000)]
        asked: list[Command | None] = [
            self.scheduler.status_command(many),
            self.scheduler.cancel_command(many),
        ]
        for known in (True, False):
            asked.append(self.scheduler.history_command(many, replace(self.facts, accounting=known)))

        for command in filter(None, asked):
            assert _programs(command) <= self.commands, command.argv[0]
            assert max(map(len, command.argv)) < _LONGEST_ARGUMENT


class _Rendering(_Table):
    @pytest.mark.parametrize("name", RESOURCE_NAMES)
    def test_resource_is_rendered_or_refused(self, name: str) -> None:
        # a kind of GPU cannot be asked for without a number of them
        base = {"gpus_per_node": 2} if name == "gpu_type" else {}
        plain = self.written(JobSpec(command=("true",), resources=Resources(**base)))  # type: ignore[arg-type]
        asked = Resources(**base, **{name: _SOME[name]})  # type: ignore[arg-type]

        assert plain is None or plain != self.written(JobSpec(command=("true",), resources=asked))

    def test_array_and_warning_are_rendered_or_refused(self) -> None:
        limit = Resources(time=timedelta(hours=1))
        warning = WarningSignal(name="USR1", before=timedelta(minutes=1))
        base = JobSpec(command=("true",), resources=limit)
        plain = self.written(base)
        array = Array(indices=(1, 2, 7), limit=2)
        for spec in (
            replace(base, array=array),
            replace(base, signal=warning),
            replace(base, native=("-x",)),
        ):
            assert plain is None or plain != self.written(spec)

    def test_same_job_gives_the_same_text(self) -> None:
        spec = JobSpec(command=("true",), environment={"B": "2", "A": "1"}, outputs=("b*", "a"))

        assert self.script(spec) == self.script(spec)

    @pytest.mark.parametrize("bad", ["\n", "\r", "\x00", "\x1b", "\x7f", "\n#x --evil"])
    def test_control_characters_in_a_directive_are_refused(self, bad: str) -> None:
        for name in WORDS:
            with pytest.raises(SpecError):
                Resources(gpus_per_node=1, **{name: f"a{bad}b"})  # type: ignore[arg-type]
        limit = Resources(time=timedelta(hours=1))
        warning = WarningSignal(name=f"USR1{bad}", before=timedelta(minutes=1))
        with pytest.raises(SpecError):
            self.script(JobSpec(command=("true",), name=f"a{bad}b"))
        with pytest.raises(SpecError):
            self.script(JobSpec(command=("true",), native=(f"--a{bad}b",)))
        script = self.written(JobSpec(command=("true",), resources=limit, signal=warning)) or ""
        assert not any(bad in line for line in self.scheduler_lines(script))

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_name_is_one_line_that_any_shell_takes(self, name: str) -> None:
        plain = self.script(JobSpec(command=("true",), environment={"NAME": "x"}, outputs=("x",)))

        script = self.script(
            JobSpec(command=("true", name), name=name, environment={"NAME": name}, outputs=(name,))
        )

        assert plain.count("\n") == script.count("\n")
        assert JOB in "".join(self.scheduler_lines(script))
        for shell in ("bash", "dash", "sh"):
            if shutil.which(shell):
                checked = subprocess.run(
                    [shell, "-n"], input=script.encode(), capture_output=True, check=False
                )
                assert (0, b"") == (checked.returncode, checked.stderr)

    def test_job_is_looked_up_by_what_makes_its_name_unique(self) -> None:
        for name in HOSTILE:
            command = self.scheduler.find_command([f"{name}-{JOB}", f"{name}-{JOB}.2"], self.facts)

            assert 2 == " ".join(command.argv).count(JOB)

    def script(self, spec: JobSpec) -> str:
        return launch_script(spec, JOB, Machine(name="here"), self.scheduler)

    def written(self, spec: JobSpec) -> str | None:
        """Write a job's launch script; None when the dialect refuses the job."""
        try:
            return self.script(spec)
        except SpecError:
            return None

    def scheduler_lines(self, script: str) -> list[str]:
        return [line for line in script.split("\n") if line.startswith(self.scheduler.prefix)]


class SchedulerSuite(_Submitting, _Asking, _Rendering):
    """What every dialect must do; a subclass supplies the attributes and methods of `_Table`."""


def _answer(stdout: str, code: int = 0, stderr: str = "") -> CommandResult:
    return CommandResult(exit_code=code, stdout=stdout.encode(), stderr=stderr.encode())


def _programs(command: Command) -> int:
    """Count what a command starts: ``jf_each`` starts a program for each word after ``--``."""
    if command.argv[0] != "jf_each":
        return 1
    return len(command.argv) - command.argv.index("--") - 1
