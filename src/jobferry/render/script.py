"""From a job's specification to its launch script."""

from __future__ import annotations

from jobferry.errors import SpecError
from jobferry.model.identity import native_name
from jobferry.model.machine import Machine
from jobferry.model.retry import requeues
from jobferry.model.spec import JobSpec, check_line, format_indices
from jobferry.model.submission import Submission
from jobferry.render.shell import expand_path, join, quote, quote_pattern
from jobferry.schedulers.base import Scheduler

LAUNCHER = "launcher.sh"
USER_SCRIPT = "script"
# of a function: the calls, in the job's folder; and what runs them, in a folder of the root for all jobs
CALLS = "call"
RUNTIMES = "runtimes"
RUN = "run.py"


_FIRST = Submission()


def script_name(scheduler: Scheduler, submission: Submission = _FIRST) -> str:
    """Name the launch script: ``launch.slurm``, of a job's further submission ``launch-2.slurm``."""
    part = "" if submission.number == 1 else f"-{submission.number}"
    return f"launch{part}.{scheduler.name}"


def launch_script(
    spec: JobSpec, job_id: str, machine: Machine, scheduler: Scheduler, submission: Submission = _FIRST
) -> str:
    """Write the script that is submitted: directives, then the job's own lines, last and as they are.

    Every process of the job reads this file. The shell reads a script line by line, so only the one that runs
    the job's own lines ever sees them: they may be in bash while the rest is for any ``sh``.

    Raises:
        SpecError: the batch system cannot honour a field.
    """
    directives = scheduler.directives(spec, native_name(spec.name, job_id, submission.number))
    for line in directives:
        check_line("directive", line)
    lines = [
        "#!/bin/sh",
        *(f"{scheduler.prefix} {line}" for line in directives),
        "",
        *_settings(spec, job_id, machine, scheduler, submission),
        f'. "$jobferry_folder/{LAUNCHER}"',
        # whatever the launcher is: without it nothing runs
        '[ "${1-}" = body ] || exit 125',
        "",
        *_own_lines(spec, machine),
    ]
    return "\n".join(lines) + "\n"


def _settings(
    spec: JobSpec, job_id: str, machine: Machine, scheduler: Scheduler, submission: Submission
) -> list[str]:
    lines = [
        "jobferry_folder=${1:-${SLURM_SUBMIT_DIR:-$PWD}}",
        "[ $# -eq 0 ] || shift",
        f"JOBFERRY_JOB={job_id}",
        f"jobferry_script={script_name(scheduler, submission)}",
        f"jobferry_shell={quote(login_shell(machine))}",
        *_plain_words(spec, machine),
        *([f"jobferry_run={submission.run}"] if submission.run > 1 else []),
        *([f"jobferry_offset={submission.offset}"] if submission.offset else []),
    ]
    if times := requeues(spec.retry, spec.signal or spec.function):
        lines.append(f"jobferry_requeues={times}")
        lines.append(f"jobferry_warns={spec.signal.name if spec.signal else ''}")
    if spec.function is not None:
        lines += _for_functions(spec)
    lines += [f"{name}={quote(value)}" for name, value in _supervision(spec, scheduler).items()]
    if spec.directory is not None:
        lines.append(f"jobferry_directory={expand_path(str(spec.directory))}")
    return [*lines, *_outputs(spec)]


def _outputs(spec: JobSpec) -> list[str]:
    """Define what lists the outputs: of an array whose calls have folders of their own, those of one task."""
    if not spec.outputs:
        return []
    patterns = [quote_pattern(pattern) for pattern in spec.outputs]
    if not spec.task_folders:
        return [f"jobferry_outputs() {{ jf_manifest {' '.join(patterns)}; }}"]
    inside = " ".join(f'"$jobferry_each"/{pattern}' for pattern in patterns)
    return [
        "jobferry_outputs() {",
        f"    jobferry_each=$((JOBFERRY_ARRAY_INDEX * {spec.task_folders}))",
        f'    while [ "$jobferry_each" -lt $(((JOBFERRY_ARRAY_INDEX + 1) * {spec.task_folders})) ]; do',
        f"        jf_manifest {inside}",
        "        jobferry_each=$((jobferry_each + 1))",
        "    done",
        "}",
    ]


def _plain_words(spec: JobSpec, machine: Machine) -> list[str]:
    """Define what the job is where no shell is needed for it: no login, and no lines of its own."""
    own = (spec.environment, spec.setup, spec.teardown, spec.launcher, spec.script, machine.setup)
    if machine.host is not None or any(own):
        return []
    return [f'jobferry_words() {{ "$@" {_command(spec)}; }}']


def _for_functions(spec: JobSpec) -> list[str]:
    """Tell a function what it may ask for: how much time it has, and what will warn it."""
    lines = []
    if spec.resources.time is not None:
        lines.append(f"export JOBFERRY_TIME_LIMIT={int(spec.resources.time.total_seconds())}")
    if spec.signal is not None:
        lines.append(f"export JOBFERRY_WARNING={spec.signal.name}")
    return lines


def login_shell(machine: Machine) -> str:
    """Name the shell that a job's own lines run in, with its option."""
    # over there a login shell: it defines `module` and the user's own PATH; here the job inherits ours
    return "bash -l" if machine.host is not None else "bash"


def _supervision(spec: JobSpec, scheduler: Scheduler) -> dict[str, str]:
    """Return the settings for a machine where the launch script itself is the batch system."""
    if not scheduler.capabilities.supervised:
        return {}
    settings = {"jobferry_direct": "1"}
    if spec.array is not None:
        settings["jobferry_indices"] = format_indices(spec.array.indices)
        if spec.array.limit is not None:
            settings["jobferry_limit"] = str(spec.array.limit)
    if spec.resources.time is not None:
        seconds = int(spec.resources.time.total_seconds())
        settings["jobferry_seconds"] = str(seconds)
        if spec.signal is not None:
            settings["jobferry_warning"] = spec.signal.name
            settings["jobferry_warn_before"] = str(max(0, seconds - int(spec.signal.before.total_seconds())))
    return settings


def _own_lines(spec: JobSpec, machine: Machine) -> list[str]:
    lines = [f"export {name}={quote(value)}" for name, value in spec.environment.items()]
    for line in (*machine.setup, *spec.setup):
        lines += [line, f"jobferry_check {quote(line)}"]
    command = _command(spec)
    if not spec.teardown:
        return [*lines, f"exec {command}"]
    return [*lines, f"jobferry_run {command}", "jobferry_code=$?", *spec.teardown, 'exit "$jobferry_code"']


def _command(spec: JobSpec) -> str:
    if spec.function is not None:
        where = f'"$jobferry_folder/../../{RUNTIMES}/{spec.function.runtime}/{RUN}"'
        words = f'{expand_path(spec.function.interpreter)} {where} "$jobferry_folder"'
    elif spec.script is None:
        words = join(spec.command)
    else:
        words = " ".join(
            [f'{_interpreter(spec.script)}"$jobferry_folder/{USER_SCRIPT}"', join(spec.arguments)]
        )
    return f"{spec.launcher} {words}".strip() if spec.launcher else words.strip()


def _interpreter(script: str) -> str:
    """Return what runs a script that does not say it itself."""
    if script.startswith("#!"):
        return ""
    if not script.strip():
        raise SpecError("the script is empty")
    return '"${BASH:-/bin/sh}" '
