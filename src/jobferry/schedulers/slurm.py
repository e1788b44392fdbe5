"""Slurm.

Sources: sbatch(1), squeue(1) "JOB STATE CODES", sacct(1), scancel(1), scontrol(1); captures of 22.05.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from jobferry.errors import ParseError, SchedulerBusy, SchedulerError, SpecError, SubmitLimit, SubmitRefused
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import MachineFacts
from jobferry.model.retry import requeues
from jobferry.model.spec import JobSpec, format_array
from jobferry.model.units import format_memory, format_time
from jobferry.schedulers.base import Answer, Capabilities
from jobferry.schedulers.slurm_answers import parse_accounting, parse_names, parse_queue, parse_scontrol
from jobferry.schedulers.slurm_words import AMBIGUOUS, LIMITS, OURS, REASONS, REFUSALS, quote_word

_QUEUE_FORMAT = "%i|%T|%S|%N|%r|%j"
_HISTORY_FIELDS = "JobID,State,ExitCode,Start,End,NodeList,JobName"
# seconds since 1970 need no time zone; the length of an array's list must not be cut
_ENVIRONMENT = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

_ID = re.compile(r"^(\d+)(?:;\S+)?[ \t\r]*$", re.MULTILINE | re.ASCII)
_EXCLUDE = re.compile(r"\s*(?:--exclude[= ]|-x\s*)(\S+)\s*", re.ASCII)
_SUBMITTED = re.compile(r"Submitted batch job (\d+)", re.ASCII)
# any of many limits, unless a line before names it; see LIMITS
_POLICY = re.compile(r"\A(?!.*\b(?:QOS|Assoc)\w+).*violates accounting/QOS policy", re.DOTALL)
# what a killed client leaves behind; sbatch itself exits 255 for an option it cannot read
_KILLED = range(129, 193)
# above so many, one look at all jobs is cheaper for the controller than a look at each
_FEW = 8


class Slurm:
    """The dialect of Slurm, from 20.02 on."""

    name = "slurm"
    prefix = "#SBATCH"
    capabilities = Capabilities(history=True, hold=True, poll_seconds=30.0)

    # -- directives

    def directives(self, spec: JobSpec, native_name: str) -> tuple[str, ...]:
        """Write one sbatch option a line; our own log takes what the launch script itself says."""
        log = "out/launch" if spec.array is None else "out/launch.%a"
        options: list[tuple[str, str | None]] = [
            ("job-name", _job_name(native_name)),
            ("output", log),
            ("open-mode", "append"),
            *_resource_options(spec),
        ]
        if spec.array is not None:
            options.append(("array", format_array(spec.array)))
        if spec.signal is not None:
            # to the batch shell alone: the launch script passes it on to the command
            options.append(("signal", f"B:{spec.signal.name}@{int(spec.signal.before.total_seconds())}"))
        if requeues(spec.retry, spec.signal):
            # without it a cluster whose JobRequeue is 0 would not let the job start itself again
            options.append(("requeue", None))
        for flag in spec.native:
            _refuse_ours(flag)
        lines = [f"--{name}" if value is None else f"--{name}={quote_word(value)}" for name, value in options]
        return (*lines, *spec.native)

    def exclude_flags(self, nodes: Sequence[str], native: Sequence[str]) -> tuple[str, ...]:
        """Keep a job away from nodes, and from those its own flags name: of two options the last counts."""
        own = [match[1] for flag in native if (match := _EXCLUDE.fullmatch(flag))]
        return (f"--exclude={quote_word(','.join([*own, *nodes]))}",) if nodes else ()

    # -- submission

    def submit_command(self, script: str, job_id: str, dependencies: Mapping[str, Sequence[str]]) -> Command:
        flags = []
        if dependencies:
            kinds = ",".join(":".join([kind, *ids]) for kind, ids in dependencies.items())
            flags = [f"--dependency={kinds}", "--kill-on-invalid-dep=yes"]
        return Command(argv=("jf_sbatch", script, "--parsable", *flags))

    def parse_submit(self, result: CommandResult) -> str:
        if result.exit_code != 0:
            if not result.words or result.exit_code in _KILLED or AMBIGUOUS.search(result.words):
                raise SchedulerBusy(_said(result.words, "sbatch: "))
            if LIMITS.search(result.words) or _POLICY.search(result.words):
                certain = LIMITS.search(result.words) is not None
                hint = _refusal_hint(result.words)
                raise SubmitLimit(_said(result.words, "sbatch: "), certain=certain, hint=hint)
            raise SubmitRefused(_said(result.words, "sbatch: "), hint=_refusal_hint(result.words))
        found = _ID.findall(result.text) or _SUBMITTED.findall(result.text)
        if not found:
            raise ParseError("sbatch took the job but named no id", text=result.text)
        return str(found[-1])

    # -- status

    def status_command(self, native_ids: Sequence[str]) -> Command:
        which = f"--jobs={native_ids[0]}" if len(native_ids) == 1 else "--me"
        return Command(
            argv=("squeue", which, "--noheader", "--states=all", f"--format={_QUEUE_FORMAT}"),
            environment=_ENVIRONMENT,
        )

    def parse_status(self, result: CommandResult, native_ids: Sequence[str]) -> Answer:
        if result.exit_code != 0:
            # squeue exits 1 for one unknown id, but 0 for two
            if "Invalid job id" in result.words:
                return {}
            raise SchedulerBusy(_said(result.words, "squeue: "))
        return parse_queue(result.text, frozenset(native_ids))

    def history_command(self, native_ids: Sequence[str], facts: MachineFacts) -> Command:
        ids = ",".join(native_ids)
        if not facts.accounting:
            # slurmctld itself still knows exit codes for as long as it remembers the job
            show = ("env", "SLURM_TIME_FORMAT=%s", "scontrol", "show", "job", "-o")
            return Command(argv=("jf_each", *show, "--", *native_ids) if len(native_ids) <= _FEW else show)
        return Command(
            argv=("sacct", "-nPX", f"--jobs={ids}", f"--format={_HISTORY_FIELDS}"), environment=_ENVIRONMENT
        )

    def parse_history(self, result: CommandResult, native_ids: Sequence[str]) -> Answer:
        words = result.stderr.decode("utf-8", "backslashreplace")
        if "JobId=" in result.text or "Invalid job id" in words:
            if AMBIGUOUS.search(words):
                # of many questions some were answered; what the others would have said is not known
                raise SchedulerBusy(_said(words.strip(), "scontrol: "))
            return parse_scontrol(result.text, frozenset(native_ids))
        if "accounting storage is disabled" in words:
            # switched off since the machine was last looked over: it knows nothing, and that is an answer
            return {}
        if result.exit_code != 0:
            raise SchedulerBusy(_said(result.words, "sacct: "))
        if result.text.startswith("No jobs in the system"):
            return {}
        return parse_accounting(result.text, frozenset(native_ids))

    def find_command(self, native_names: Sequence[str], facts: MachineFacts) -> Command:
        names = ",".join(map(_job_name, native_names))
        return Command(argv=("jf_slurm_find", names, *(["accounting"] if facts.accounting else [])))

    def parse_find(self, result: CommandResult, native_names: Sequence[str]) -> Mapping[str, str | None]:
        seen, is_whole = parse_names(result.text)
        asked = {name: _job_name(name) for name in native_names}
        found = {name: seen[written] for name, written in asked.items() if written in seen}
        if result.exit_code == 0 and is_whole:
            return {name: found.get(name) for name in native_names}
        if not found:
            # what cannot be read does not say that there is no such job
            raise SchedulerBusy(_said(result.words, "looking the job up: "))
        return found

    # -- control

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        return Command(argv=("scancel", *native_ids))

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        return Command(argv=("scontrol", "hold", ",".join(native_ids)))

    def release_command(self, native_ids: Sequence[str]) -> Command:
        return Command(argv=("scontrol", "release", ",".join(native_ids)))

    # -- what is there

    def probe_command(self) -> Command:
        return Command(argv=("jf_slurm_probe",))

    def parse_probe(self, result: CommandResult) -> MachineFacts:
        """Read ``sbatch --version``, ``scontrol show config`` and ``sinfo``, as ``data/slurm.sh`` asks."""
        version = re.search(r"^slurm(?:-wlm)? (\S+)", result.text, re.MULTILINE)
        config = dict(re.findall(r"^(\w+)\s*=\s(.*?)\s*$", result.text, re.MULTILINE))
        if version is None or "MaxArraySize" not in config:
            raise SchedulerError(
                _said(result.words or "sbatch is not there", "slurm does not answer: "),
                hint="see whether `sinfo` works over there; the machine's `scheduler` may be wrong",
            )
        limits = {
            name: config[name] for name in ("MaxArraySize", "MaxJobCount", "MinJobAge") if name in config
        }
        return MachineFacts(
            scheduler=self.name,
            scheduler_version=version[1],
            max_array_size=_leading_number(config["MaxArraySize"]),
            min_job_age=_leading_number(config.get("MinJobAge", "")),
            accounting=config.get("AccountingStorageType", "").endswith("slurmdbd"),
            requeue_exits=_exit_codes(config, "RequeueExit", "RequeueExitHold"),
            partitions=tuple(re.findall(r"^partition (.*\S)", result.text, re.MULTILINE)),
            limits=limits,
        )

    def explain(self, reason: str) -> str | None:
        words = reason.strip("()")
        return REASONS.get(words) or REASONS.get(words.split(",")[0].split(" ")[0])


def _resource_options(spec: JobSpec) -> Iterator[tuple[str, str | None]]:
    asked = spec.resources
    for name in ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task"):
        if (count := getattr(asked, name)) is not None:
            yield name.replace("_", "-"), str(count)
    kind = f"{asked.gpu_type}:" if asked.gpu_type else ""
    for name in ("gpus_per_node", "gpus_per_task"):
        if (count := getattr(asked, name)) is not None:
            yield name.replace("_", "-"), f"{kind}{count}"
    for name in ("mem", "mem_per_cpu"):
        if (amount := getattr(asked, name)) is not None:
            yield name.replace("_", "-"), format_memory(amount)
    if asked.time is not None:
        yield "time", format_time(asked.time)
    for name in ("partition", "account", "qos", "constraint", "reservation"):
        if (word := getattr(asked, name)) is not None:
            yield name, word
    if asked.exclusive:
        yield "exclusive", None


def _job_name(native_name: str) -> str:
    """Write a name so that it can be looked up: squeue and sacct take commas for the end of a name."""
    return native_name.replace(",", "_")


def _refuse_ours(flag: str) -> None:
    """Refuse a flag that would take from us what a job is found by.

    Raises:
        SpecError: there is an option of our own for it.
    """
    option = re.match(r"\s*(--[a-z-]+|-[A-Za-z])", flag)
    hint = OURS.get(option[1] if option else "")
    if hint is not None:
        raise SpecError(f"a flag that jobferry sets itself: {flag}", hint=hint)


def _leading_number(text: str) -> int | None:
    match = re.match(r"\d+", text)
    return int(match[0]) if match else None


def _exit_codes(config: Mapping[str, str], *names: str) -> tuple[int, ...]:
    """Read lists such as ``1-3,99``."""
    spans = re.findall(r"(\d+)(?:-(\d+))?", ",".join(config.get(name, "") for name in names))
    codes = {code for first, last in spans for code in range(int(first), int(last or first) + 1)}
    return tuple(sorted(codes))


def _said(words: str, otherwise: str) -> str:
    """Return the other side's words on their own, marked when the program did not sign them."""
    if not words:
        return f"{otherwise}it failed without a word"
    return (
        words
        if re.match(r"(sbatch|squeue|sacct|scontrol|slurm|slurm_[a-z_]+)\b", words)
        else f"{otherwise}{words}"
    )


def _refusal_hint(words: str) -> str | None:
    for word, hint in REFUSALS.items():
        if word in words.lower():
            return hint
    return None
