"""A machine's handle: what one can do there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from jobferry.checkup import Finding, check
from jobferry.errors import SpecError
from jobferry.job_handle import Job, open_job
from jobferry.model.command import Command, CommandResult
from jobferry.model.machine import Machine as MachineDescription
from jobferry.model.spec import JobSpec
from jobferry.options import Work
from jobferry.render.shell import command_line

if TYPE_CHECKING:
    from jobferry.client import Client
    from jobferry.functions.function_job import FunctionJob
    from jobferry.functions.sweep import Parameters, Sweep
    from jobferry.staging.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Machine(MachineDescription):
    """A machine, configured in a file or right here; nothing is connected before it is needed.

    Options of `submit` and `run` are the fields of a job and its resources, as text or typed: ``time="10m"``,
    ``mem="4G"``, ``gpus_per_node="a100:2"``, ``outputs=["*.txt"]``, ``array="0-9%2"``, ``after=job``.
    """

    client: Client | None = field(default=None, repr=False, compare=False)

    def submit(self, work: Work | Callable[..., object], *args: Any, **options: Any) -> Job:
        """Submit a job and return its handle: a list is a command, text a shell script, a path a script file.

        A function is called there with the arguments that follow; see `call`.

        Raises:
            SpecError: it cannot be run here; nothing was sent.
            SubmitRefused: the batch system said no.
            SchedulerBusy: whether it was taken is not known yet; waiting for the job finds out.
        """
        if callable(work) and not isinstance(work, JobSpec):
            return self.call(work, *args, **options)
        if args:
            raise SpecError("a command's words are one list")
        client = self.opened_client
        progress: Progress | None = options.pop("progress", None)
        record = client.submit(self, [client.draft(self, work, options)], progress=progress)[0]
        return open_job(record, client)

    def call(
        self,
        function: Callable[..., object],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> FunctionJob:
        """Call a Python function there and return a handle: ``machine.call(f, 3, b=7, time="5m").result()``.

        What the function uses of your own modules travels along; nothing needs to be installed over there but
        a Python of at least 3.8. Keyword arguments that the function does not have are options of the job;
        and ``progress``, told of bytes on their way.
        A handle among the arguments stands for its result: the call waits for that over there.

        Raises:
            SpecError: the call cannot be made there; nothing was sent.
        """
        from jobferry.functions.calling import call

        return call(self.opened_client, self, function, args, kwargs)

    def sweep(
        self,
        work: Callable[..., object] | Sequence[str] | None = None,
        params: Parameters | None = None,
        *,
        name: str | None = None,
        concurrency: int | None = None,
        tasks_per_job: int = 1,
        force: bool = False,
        **options: Any,
    ) -> Sweep:
        """Run a function, or a command or shell line with ``{name}``, over many sets of parameters: an array.

        With a name it is the same sweep in any process: nothing runs twice, and new parameters only add.

        Args:
            work: what to run; without it the sweep of that name, to read its results.
            params: dicts, such as ``jobferry.grid(a=[1, 2], b=[3, 4])``; without, ``Sweep.add`` adds some.
            concurrency: how many elements of the array run at a time.
            tasks_per_job: how many tasks share one element, run side by side on its processors.
            force: run all tasks anew, also when what is run has changed.
            options: the job's, such as ``time="5m"``; and arguments that are the same for all tasks.

        Raises:
            SpecError: it cannot be run there, or the sweep of that name runs something else.
        """
        from jobferry.functions.sweeping import SweepStyle, sweep

        how = SweepStyle(name=name, limit=concurrency, chunk=tasks_per_job, force=force)
        return sweep(self.opened_client, self, work, params, options, how)

    def submit_all(self, works: Iterable[Work], **options: Any) -> list[Job]:
        """Submit many jobs in one request; all share the options."""
        client = self.opened_client
        drafts = [client.draft(self, work, options) for work in works]
        return [open_job(record, client) for record in client.submit(self, drafts)] if drafts else []

    def run(self, work: Work, **options: Any) -> Job:
        """Submit a job, wait for its end, fetch its outputs to the current folder, and raise if it failed.

        Raises:
            JobFailed: with the job's own exit code.
        """
        job = self.submit(work, **options)
        job.wait()
        if job.record.spec.outputs:
            job.fetch(".")
        job.check()
        return job

    def exec(
        self,
        command: str | Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        directory: str | PurePosixPath | None = None,
        timeout: float | None = 60.0,
    ) -> Output:
        """Run a command there and return what it printed; a non-zero exit code is a result.

        Args:
            command: text for the shell, or a program with its arguments.
            timeout: seconds.

        Raises:
            TransportError: it could not be run.
            CommandTimeout: it did not end in time.
        """
        argv = ("sh", "-c", command) if isinstance(command, str) else tuple(command)
        wanted = Command(
            argv=argv,
            environment=environment or {},
            directory=PurePosixPath(directory) if directory is not None else None,
            timeout=timeout,
        )
        connection = self.opened_client.open(self).connection
        if stdin:
            return Output.of(connection.run(wanted, stdin=stdin))
        # what runs twice may do harm, so a lost link is not followed by a second try
        seconds = timeout if timeout is not None else 365 * 86400.0
        return Output.of(connection.request(command_line(wanted), timeout=seconds, repeatable=False))

    def put(
        self,
        source: str | Path,
        destination: str = "",
        *,
        exclude: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Copy a file or folder there; as with rsync, ``data/`` is its contents, ``data`` the folder itself.

        Raises:
            TransferError: it did not arrive; nothing half-written is left under its name.
        """
        from jobferry.staging.transfer import put

        put(self.opened_client.open(self).connection, source, destination, exclude=exclude, progress=progress)

    def get(
        self,
        source: str,
        destination: str | Path = "",
        *,
        exclude: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Copy a file, folder or pattern of names from there, never outside `destination`.

        Raises:
            TransferError: it did not arrive; nothing half-written is left under its name.
        """
        from jobferry.staging.transfer import get

        get(self.opened_client.open(self).connection, source, destination, exclude=exclude, progress=progress)

    def check(self) -> list[Finding]:
        """Look at the connection, the folders and the batch system; each finding says what to do about it."""
        return check(self.opened_client.open(self))

    def login(self) -> None:
        """Open the shared connection with a person at the terminal, who may be asked for passwords and codes.

        Raises:
            AuthError, HostKeyError, ConnectError: it was not opened.
        """
        self.opened_client.open(self).connection.transport.login()

    def jobs(self) -> list[Job]:
        """Return this machine's jobs, the newest last, as last seen."""
        client = self.opened_client
        return [open_job(record, client) for record in client.store.find(machine=self.name)]

    @property
    def opened_client(self) -> Client:
        """The client that acts for this handle: its own, or this process's."""
        if self.client is not None:
            return self.client
        from jobferry.client import default_client

        return default_client()


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, as text, and how it ended."""

    stdout: str
    stderr: str
    exit_code: int

    @classmethod
    def of(cls, result: CommandResult) -> Output:
        """Read the bytes of a result as UTF-8."""
        return cls(
            result.stdout.decode("utf-8", "replace"),
            result.stderr.decode("utf-8", "replace"),
            result.exit_code,
        )
