"""Put files over there, get files from there: each with one process on the other side."""

from __future__ import annotations

import contextlib
import secrets
import stat
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from jobferry import data
from jobferry.errors import TransferError, TransportError
from jobferry.model.command import Command
from jobferry.model.spec import Input
from jobferry.render.shell import expand_path, join, quote
from jobferry.staging.pack import Entry, Packer
from jobferry.staging.plan import Excludes, GetPlan, PutPlan, plan_get, plan_put, split_pattern
from jobferry.staging.progress import Progress
from jobferry.staging.stream import READ_SIZE, Chunks, Readable, after_mark
from jobferry.staging.unpack import unpack
from jobferry.staging.words import hint_for, summary
from jobferry.transports.base import Carrier


def put(
    transport: Carrier,
    source: str | Path | Sequence[str | Path],
    destination: str = "",
    *,
    exclude: Iterable[str] = (),
    progress: Progress | None = None,
    directory: PurePosixPath | None = None,
) -> None:
    """Take local files over there; the names follow rsync's rules, see `plan_put`.

    Every file takes its place by a rename, and none does before all have arrived. What could not be read here
    is named at the end, when the rest is in place. `progress` is called from another thread.

    Args:
        directory: where a relative destination starts; None is the login folder.

    Raises:
        TransferError: something was not read, or not written; in the other side's own words.
        TransportError: the link was lost; nothing is in place.
    """
    plans = _plan_all(source, destination)
    rename = _one_name(plans)
    packer = Packer(
        [Entry(path=plan.source, name=plan.name) for plan in plans],
        exclude=Excludes(exclude),
        progress=progress,
        prefix="files",
        seal="whole",
    )
    _send(transport, packer, _command(_put_script(plans[0].destination, rename), directory))


def put_inputs(
    transport: Carrier, inputs: Sequence[Input], folder: str, *, progress: Progress | None = None
) -> None:
    """Take a job's inputs to a folder there, each under the name it asked for; see `put`.

    Raises:
        TransferError: something was not read, or not written.
        TransportError: the link was lost; nothing is in place.
    """
    entries = [Entry(path=entry.source, name=str(entry.destination)) for entry in inputs]
    packer = Packer(entries, progress=progress, prefix="files", seal="whole")
    _send(transport, packer, _command(_put_script(folder, ""), None))


def _send(transport: Carrier, packer: Packer, command: Command) -> None:
    result = transport.run(command, stdin=packer)
    if packer.spoilt:
        hint = "nothing is in place over there; try again when the file is at rest"
        raise TransferError(summary("not sent whole", packer.troubles), hint=hint)
    if result.exit_code != 0:
        words = result.words or f"exit code {result.exit_code}"
        raise TransferError(summary(words, packer.troubles), hint=hint_for(words))
    packer.check()


def receive(transport: Carrier, command: Command, target: Path, *, progress: Progress | None = None) -> None:
    """Unpack what a command over there writes as a tar stream.

    Raises:
        TransferError: the command failed, or its stream is not whole.
    """
    with _stream(transport, command) as stream:
        fetch_stream(stream, target, progress=progress)


def get(
    transport: Carrier,
    source: str,
    destination: str | Path = "",
    *,
    exclude: Iterable[str] = (),
    progress: Progress | None = None,
    directory: PurePosixPath | None = None,
) -> None:
    """Bring files from there; the names follow rsync's rules, see `plan_get`.

    Every file takes its place whole, by a rename. What could not be read there is named at the end, when the
    rest is here.

    Args:
        directory: where a relative source starts; None is the login folder.

    Raises:
        TransferError: something was not read, or not written; in the other side's own words.
        TransportError: the link was lost; what is here is whole, and not all.
    """
    plan = plan_get(source, destination)
    excludes = tuple(exclude)
    token = f"jobferry-{secrets.token_hex(8)}"
    count = progress is not None and not excludes
    script = _get_script(plan, token, Excludes(excludes).simple, "yes" if count else "no")
    with _stream(transport, _command(script, directory)) as stream:
        said, rest = after_mark(stream, token.encode())
        kind, _, total = said.decode("ascii", "replace").partition(" ")
        target, only_as = _target(plan, kind)
        fetch_stream(
            rest,
            target,
            exclude=excludes,
            progress=progress,
            total=int(total) if total.isdecimal() else None,
            only_as=only_as,
        )


def fetch_stream(
    stream: Readable,
    target: Path,
    *,
    exclude: Iterable[str] = (),
    progress: Progress | None = None,
    total: int | None = None,
    only_as: str | None = None,
) -> None:
    """Unpack a tar stream and read it to its end, where its sender says what went wrong; see `unpack`."""
    unpack(stream, target, exclude=exclude, progress=progress, total=total, only_as=only_as)
    while stream.read(READ_SIZE):
        pass


def _plan_all(source: str | Path | Sequence[str | Path], destination: str) -> list[PutPlan]:
    if isinstance(source, str | Path):
        return [_plan_one(source, destination)]
    if not source:
        raise TransferError("nothing to put")
    # several things can only go inside
    return [_plan_one(each, f"{destination or '.'}/") for each in source]


def _plan_one(source: str | Path, destination: str) -> PutPlan:
    plan = plan_put(source, destination)
    try:
        mode = plan.source.stat().st_mode
    except OSError as exc:
        raise TransferError(f"{source}: {exc.strerror}", hint="look with `ls` on this machine") from exc
    if not stat.S_ISDIR(mode) and not (stat.S_ISREG(mode) and plan.name):
        raise TransferError(f"{source} is no folder" if not plan.name else f"{source} is no file or folder")
    return plan


def _one_name(plans: Sequence[PutPlan]) -> str:
    """Return the name in the stream of the file that the destination is a new name of, or nothing."""
    only = plans[0]
    return only.name if len(plans) == 1 and not only.inside and only.source.is_file() else ""


def _put_script(destination: str, rename: str) -> str:
    return (
        f"token={secrets.token_hex(8)}\n"
        f"destination={expand_path(destination)}\n"
        f"rename={quote(rename)}\n"
        f"{data.read('put.sh')}"
    )


def _get_script(plan: GetPlan, token: str, excludes: Sequence[str], count: str) -> str:
    return (
        f"token={token}\n"
        f"count={count}\n"
        f"excludes={quote(join([f'--exclude={pattern}' for pattern in excludes]))}\n"
        f"source={expand_path(plan.source)}\n"
        f"{data.read('get.sh')}\n"
        f"{_get_call(plan)}\n"
    )


def _get_call(plan: GetPlan) -> str:
    if plan.pattern:
        # a file that is really called like that comes first
        return (
            'if [ -e "$source" ]; then jf_one "$source"; exit; fi\n'
            f"cd {expand_path(plan.folder)} || exit 3\n"
            f"jf_many ./{_pattern_words(plan.pattern)}"
        )
    return 'jf_contents "$source"' if plan.contents else 'jf_one "$source"'


def _pattern_words(pattern: str) -> str:
    """Write a pattern so that the shell over there expands its wildcards and variables, and nothing else."""
    return "".join(piece if wild else _without_tilde(piece) for piece, wild in split_pattern(pattern))


def _without_tilde(text: str) -> str:
    # a tilde means home only where a path begins
    rest = text.lstrip("~")
    return quote("~" * (len(text) - len(rest))) + expand_path(rest) if rest != text else expand_path(text)


def _command(script: str, directory: PurePosixPath | None) -> Command:
    return Command(argv=("/bin/sh", "-c", script), directory=directory, timeout=None)


@contextlib.contextmanager
def _stream(transport: Carrier, command: Command) -> Iterator[Readable]:
    """Start a command and give its output to read; it is ended when we leave before its end."""
    chunks = transport.stream(command)
    try:
        yield Chunks(chunks)
    except TransportError as exc:
        # the command failed, and said why; everything more special is an error of the link, or ours
        if type(exc) is not TransportError:
            raise
        raise TransferError(exc.message, hint=hint_for(exc.message)) from exc
    finally:
        if isinstance(chunks, Generator):
            chunks.close()


def _target(plan: GetPlan, kind: str) -> tuple[Path, str | None]:
    """Decide which folder the stream goes into, and the new name of the one file in it."""
    if kind == "file" and not plan.inside and not plan.destination.is_dir():
        return plan.destination.parent, plan.destination.name
    return plan.destination, None
