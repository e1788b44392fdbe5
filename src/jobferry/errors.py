"""Every error Jobferry raises, and the exit code each gives.

::

    JobferryError
    ├─ ConfigError 2   UnknownMachine 2   SpecError 2            yours to mend
    ├─ TransportError 3                                          the road
    │  ├─ ConnectError   AuthError   HostKeyError
    │  └─ CommandTimeout   TransferError
    ├─ SchedulerError 4                                          the other side
    │  └─ SubmitRefused   SubmitLimit   SchedulerBusy   ParseError
    ├─ JobError 1
    │  ├─ JobNotFound 5   JobFailed 1 (or the job's own code)
    │  │                  └─ RemoteError 1
    │  └─ JobLost 1   WaitTimeout 124   ResultError 1
    └─ StoreError 6                                              the local index
"""

from __future__ import annotations

from typing import ClassVar


class JobferryError(Exception):
    """Base of all errors: one sentence, and what can be done about it.

    Args:
        message: one sentence, the other side's own words where there are any.
        hint: a next step that can be pasted or followed.
        machine: name of the machine it happened on.
        job_id: the job it happened to.
        command: the command that failed, as one would type it.
    """

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False
    """Whether the same call can succeed later with nothing changed by the user."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        machine: str | None = None,
        job_id: str | None = None,
        command: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.machine = machine
        self.job_id = job_id
        self.command = command

    def __str__(self) -> str:
        return self.message


class ConfigError(JobferryError):
    """The configuration cannot be used; carries every problem found, not the first only."""

    exit_code = 2


class UnknownMachine(ConfigError):
    """No machine of that name is configured."""


class SpecError(JobferryError):
    """A job was described in a way that cannot be run."""

    exit_code = 2


class TransportError(JobferryError):
    """A command could not be run over there, or its end was not seen.

    Attributes:
        unsent: whether it is certain that nothing was run; False where that is not known.
    """

    exit_code = 3
    transient = True
    unsent = False


class ConnectError(TransportError):
    """The machine was not reached, or the link was lost."""


class AuthError(TransportError):
    """The machine refused us, or wants a person at the keyboard."""

    transient = False


class HostKeyError(TransportError):
    """The host key is unknown or has changed."""

    transient = False


class CommandTimeout(TransportError):
    """No answer came in the time allowed; whether the command ran is not known."""


class TransferError(TransportError):
    """Files could not be moved, or did not arrive whole."""


class SchedulerError(JobferryError):
    """The batch system said no, or something that was not understood."""

    exit_code = 4


class SubmitRefused(SchedulerError):
    """The batch system certainly did not take the job."""


class SubmitLimit(SubmitRefused):
    """The batch system did not take the job because as many are there as it allows; later it may.

    Attributes:
        certain: whether the words leave no doubt that it is the number of jobs.
    """

    transient = True

    def __init__(
        self, message: str, *, certain: bool = True, hint: str | None = None, machine: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, machine=machine)
        self.certain = certain


class SchedulerBusy(SchedulerError):
    """The batch system gave no clear answer; nothing is known about the job yet."""

    transient = True


class ParseError(SchedulerError):
    """Output that does not fit the dialect; ``text`` holds it whole."""

    def __init__(
        self, message: str, *, text: str, hint: str | None = None, machine: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, machine=machine)
        self.text = text


class JobError(JobferryError):
    """Something about one job."""


class JobNotFound(JobError):
    """No job, or more than one, answers to that name."""

    exit_code = 5


class JobFailed(JobError):
    """The job ended without success; ``code`` is the job's own exit code, 128 + n for signal n, or 1."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 1,
        hint: str | None = None,
        machine: str | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, machine=machine, job_id=job_id)
        self.code = code


class RemoteError(JobFailed):
    """A function raised what cannot come back as itself.

    Attributes:
        kind: name of the exception's class over there.
        traceback: as it would have been printed over there.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        traceback: str = "",
        code: int = 1,
        hint: str | None = None,
        machine: str | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, machine=machine, job_id=job_id)
        self.kind = kind
        self.traceback = traceback


class RemoteTraceback(Exception):
    """Where an exception was raised over there: the cause of the one that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text.rstrip()}"


class ResultError(JobError):
    """A function ran, and what it returned cannot be brought home."""


class JobLost(JobError):
    """The job is in no queue, in no accounting and left no record."""


class WaitTimeout(JobError):
    """The time given for waiting is over; the job goes on."""

    exit_code = 124
    transient = True


class StoreError(JobferryError):
    """The local index cannot be read or written."""

    exit_code = 6
