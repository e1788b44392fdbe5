"""A machine without a batch system: jobs are detached processes, kept by their own launch scripts.

Source: ``data/direct.sh`` and ``data/launch_direct.sh``, which are the batch system here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jobferry.errors import ParseError, SchedulerBusy, SpecError, SubmitRefused
from jobferry.model.command import Command, CommandResult
from jobferry.model.identity import ID_LENGTH
from jobferry.model.machine import MachineFacts
from jobferry.model.spec import JobSpec
from jobferry.model.status import JobState
from jobferry.schedulers.base import Answer, Capabilities, Observation

STATES: Mapping[str, JobState] = {"R": JobState.RUNNING}

# HOST:PID:START:JOB, see data/direct.sh
_ID = re.compile(rf"^[ \t]*([^\s:]+:\d+:\w+:[0-9a-z]{{{ID_LENGTH}}})[ \t\r]*$", re.MULTILINE | re.ASCII)
_STATUS = re.compile(r"^[ \t]*([^\s:]+:\d+:\w+:\w+) (\S+)[ \t\r]*$", re.MULTILINE | re.ASCII)
_FOUND = re.compile(rf"^[ \t]*([^\s:]+:\d+:\w+:[0-9a-z]{{{ID_LENGTH}}}) (.*?)\r?$", re.MULTILINE | re.ASCII)
# what a killed process leaves behind
_KILLED = range(129, 193)

# counts that one machine satisfies, or that the job's own program acts upon
_HONOURED = frozenset({"nodes", "ntasks", "cpus_per_task", "time"})


class Direct:
    """The dialect of plain processes."""

    name = "direct"
    prefix = "#"
    capabilities = Capabilities(history=False, hold=False, poll_seconds=2.0, supervised=True)

    def directives(self, spec: JobSpec, native_name: str) -> tuple[str, ...]:
        """Refuse what only a batch system can give; the time limit is kept by the launch script.

        Raises:
            SpecError: a field that cannot be honoured.
        """
        asked = spec.resources
        for name, value in asked.given().items():
            if name not in _HONOURED and value is not False:
                raise _cannot(name.replace("_", "-"))
        if (asked.nodes or 1) > 1:
            raise _cannot("nodes above 1")
        if spec.native:
            raise _cannot(f"the native flag {spec.native[0]}")
        if spec.signal is not None and asked.time is None:
            raise SpecError("a warning signal needs a time limit", hint="add --time")
        return (f"job {native_name}", *(f"{name}: {value}" for name, value in asked.given().items()))

    def exclude_flags(self, nodes: Sequence[str], native: Sequence[str]) -> tuple[str, ...]:
        """Return nothing: there is one node."""
        return ()

    def submit_command(self, script: str, job_id: str, dependencies: Mapping[str, Sequence[str]]) -> Command:
        others = [f"{kind}:{native_id}" for kind, ids in dependencies.items() for native_id in ids]
        return Command(argv=("jf_direct_start", script, job_id, *others))

    def parse_submit(self, result: CommandResult) -> str:
        if result.exit_code in _KILLED:
            raise SchedulerBusy(result.words or "whoever was to start the job was killed")
        if result.exit_code != 0:
            raise SubmitRefused(result.words or "the job could not be started")
        found = _ID.findall(result.text)
        if not found:
            raise ParseError("the job was started but named no id", text=result.text)
        return str(found[-1])

    def status_command(self, native_ids: Sequence[str]) -> Command:
        return Command(argv=("jf_direct_status", *native_ids))

    def parse_status(self, result: CommandResult, native_ids: Sequence[str]) -> Answer:
        if result.exit_code != 0:
            raise SchedulerBusy(result.words or "the processes could not be listed")
        said = dict(_STATUS.findall(result.text))
        if not said and result.stdout.strip():
            raise ParseError("no line of the answer can be read", text=result.text)
        return {
            native_id: {None: Observation(state=STATES.get(said[native_id]), native_state=said[native_id])}
            for native_id in native_ids
            if said.get(native_id, "gone") != "gone"
        }

    def history_command(self, native_ids: Sequence[str], facts: MachineFacts) -> None:
        return None

    def parse_history(self, result: CommandResult, native_ids: Sequence[str]) -> Answer:
        return {}

    def find_command(self, native_names: Sequence[str], facts: MachineFacts) -> Command:
        return Command(argv=("jf_direct_find", *native_names))

    def parse_find(self, result: CommandResult, native_names: Sequence[str]) -> Mapping[str, str | None]:
        seen = {name: native_id for native_id, name in _FOUND.findall(result.text)}
        found = {name: seen[name] for name in native_names if name in seen}
        unread = [line for line in result.text.splitlines() if line.strip() and not _FOUND.match(line)]
        if result.exit_code == 0 and not unread:
            return {name: found.get(name) for name in native_names}
        if not found:
            raise SchedulerBusy(result.words or "the job's folder could not be read")
        return found

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        return Command(argv=("jf_direct_cancel", *native_ids))

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        raise SpecError("there is no queue here in which a job could be held", hint="cancel it instead")

    def release_command(self, native_ids: Sequence[str]) -> Command:
        raise SpecError("there is no queue here in which a job could be held")

    def probe_command(self) -> Command:
        return Command(argv=("uname", "-sr"))

    def parse_probe(self, result: CommandResult) -> MachineFacts:
        return MachineFacts(scheduler=self.name, scheduler_version=result.text.strip())

    def explain(self, reason: str) -> str | None:
        return _REASONS.get(reason)


_REASONS = {
    "elsewhere": "it runs on another host behind the same name; only that host can tell more",
}


def _cannot(what: str) -> SpecError:
    return SpecError(
        f"a machine without a batch system cannot honour {what}",
        hint="leave it out, or choose a machine with a batch system",
    )
