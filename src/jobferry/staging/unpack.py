"""A tar stream as local files, whatever its sender had in mind."""

# names stay text: for each of many small files a Path costs more than the calls it wraps

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from jobferry.errors import TransferError
from jobferry.staging.aside import name_aside
from jobferry.staging.header import ENCODING, ERRORS, Member
from jobferry.staging.plan import Excludes
from jobferry.staging.progress import Meter, Progress
from jobferry.staging.stream import Incoming, Readable
from jobferry.staging.words import hint_for, shown, summary

CHUNK = 1 << 20
PERMISSIONS = 0o777
DEPTH = 500
"""Folders in folders; nobody honest goes deeper, and many programs could not remove it again."""
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(
    stream: Readable,
    target: Path,
    *,
    exclude: Iterable[str] = (),
    progress: Progress | None = None,
    total: int | None = None,
    only_as: str | None = None,
) -> None:
    """Write what a tar stream holds below `target`, each file aside and then renamed.

    `target` is made with the first thing that goes into it. Nothing is written outside it: a name that leads
    out ends the extraction; links that lead out, devices and pipes are left out and named at the end.

    Args:
        only_as: name for the one file that the stream holds.

    Raises:
        TransferError: the stream ends early, is no tar stream, is hostile, or cannot be written here.
    """
    _Unpacker(target, Excludes(exclude), Meter(progress, total), only_as).unpack(Incoming(stream))


class _Unpacker:
    def __init__(self, target: Path, exclude: Excludes, meter: Meter, only_as: str | None) -> None:
        self._target = target
        self._exclude = exclude
        self._meter = meter
        self._only_as = only_as
        self._aside = name_aside()
        self._root = ""
        self._folders: dict[str, str] = {}
        self._made: dict[str, tuple[int, float]] = {}
        self._troubles: list[str] = []

    def unpack(self, incoming: Incoming) -> None:
        for member in _members(incoming):
            try:
                self._place(member, incoming)
            except OSError as exc:
                words = exc.strerror or str(exc)
                raise TransferError(
                    f"{shown(member.name)} cannot be written: {words}", hint=hint_for(words)
                ) from exc
        self._finish_folders()
        self._meter.finish()
        if self._troubles:
            raise TransferError(
                summary("not brought home", self._troubles), hint="everything else has arrived"
            )

    def _place(self, member: tarfile.TarInfo, incoming: Incoming) -> None:
        path = self._local_name(member)
        if self._exclude.hide(path, folder=member.isdir()):
            return
        if member.isdir():
            self._folder_member(path, member)
        elif member.isreg():
            self._file(path, member, incoming)
        elif member.issym():
            self._link(path, member)
        elif member.islnk():
            self._hard_link(path, member)
        else:
            self._troubles.append(f"{shown(path)} is no file, folder or link")

    def _local_name(self, member: tarfile.TarInfo) -> str:
        path = _relative(member.name)
        if self._only_as is None:
            return path
        if not member.isreg() or "/" in path:
            raise TransferError(f"one file was asked for, and {shown(member.name)} came")
        return self._only_as

    def _folder(self, path: str) -> str:
        """Return where a folder really is, made if it is missing, and certainly inside the target."""
        known = self._folders.get(path)
        if known is not None:
            return known
        here = self._top()
        walked = ""
        for name in path.split("/") if path else ():
            walked = f"{walked}/{name}" if walked else name
            here = self._folders.get(walked) or self._enter(here, name)
            self._folders[walked] = here
        return here

    def _top(self) -> str:
        if not self._root:
            self._target.mkdir(parents=True, exist_ok=True)
            self._root = os.path.realpath(self._target)
        return self._root

    def _enter(self, above: str, name: str) -> str:
        here = os.path.join(above, name)
        try:
            os.mkdir(here)
        except FileExistsError:
            # what was there before may be a link: only where it leads counts
            here = os.path.realpath(here, strict=True)
            if not self._holds(here):
                raise TransferError(f"{shown(name)} is a link that leads out of {self._target}") from None
            if not os.path.isdir(here):
                raise
        return here

    def _holds(self, real: str) -> bool:
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")

    def _folder_member(self, path: str, member: tarfile.TarInfo) -> None:
        if not path:
            self._top()
            return
        name = os.path.join(self._folder(posixpath.dirname(path)), posixpath.basename(path))
        missing = not os.path.lexists(name)
        here = self._folder(path)
        if missing or here in self._made:
            self._made[here] = (member.mode & PERMISSIONS, member.mtime)

    def _finish_folders(self) -> None:
        # last, and the inmost first: what is written inside would change the time, or be refused
        for folder, (mode, mtime) in reversed(self._made.items()):
            os.chmod(folder, mode)
            _set_time(folder, mtime)

    @contextlib.contextmanager
    def _renamed_to(self, path: str) -> Iterator[str]:
        """Give a name to write to, which becomes `path` when all went well, and is gone in any case."""
        above, _, name = path.rpartition("/")
        folder = self._folder(above)
        aside = f"{folder}/{self._aside}"
        try:
            yield aside
            os.replace(aside, f"{folder}/{name}")
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            raise

    def _file(self, path: str, member: tarfile.TarInfo, incoming: Incoming) -> None:
        if not path:
            raise TransferError("a file without a name")
        with self._renamed_to(path) as aside:
            descriptor = os.open(aside, NEW_FILE, 0o600)
            try:
                self._fill(descriptor, member, incoming)
                os.fchmod(descriptor, member.mode & PERMISSIONS)
                _set_time(descriptor, member.mtime)
            finally:
                os.close(descriptor)

    def _fill(self, descriptor: int, member: tarfile.TarInfo, incoming: Incoming) -> None:
        incoming.seek(member.offset_data)
        for offset, count in _regions(member):
            if offset:
                os.lseek(descriptor, offset, os.SEEK_SET)
            while count:
                part = incoming.take(min(count, CHUNK))
                _write(descriptor, part)
                count -= len(part)
                self._meter.add(len(part))
        if member.sparse is not None:
            os.ftruncate(descriptor, member.size)

    def _link(self, path: str, member: tarfile.TarInfo) -> None:
        folder = self._folder(posixpath.dirname(path))
        if self._leads_out(folder, member.linkname):
            self._troubles.append(f"{shown(path)} is a link that leads out, to {shown(member.linkname)}")
            return
        with self._renamed_to(path) as aside:
            os.symlink(member.linkname, aside)

    def _leads_out(self, folder: str, target: str) -> bool:
        names = [name for name in target.split("/") if name not in ("", ".")]
        ups = next((count for count, name in enumerate(names) if name != ".."), len(names))
        # after a name, `..` climbs from wherever that name will lead when the link is used
        if not target or "\0" in target or target.startswith("/") or ".." in names[ups:]:
            return True
        real = folder
        for _ in range(ups):
            if real == self._root:
                return True
            real = os.path.dirname(real)
        return not self._holds(_settle(os.path.join(real, *names[ups:])))

    def _hard_link(self, path: str, member: tarfile.TarInfo) -> None:
        first = _relative(member.linkname)
        source = os.path.join(self._folder(posixpath.dirname(first)), posixpath.basename(first))
        if not os.path.isfile(source) or os.path.islink(source):
            self._troubles.append(f"{shown(path)} is the same file as {shown(first)}, which is not here")
            return
        with self._renamed_to(path) as aside:
            try:
                os.link(source, aside, follow_symlinks=False)
            except PermissionError:
                # file systems without hard links say so in this way
                shutil.copy2(source, aside, follow_symlinks=False)
        # two names of one file are not renamed over each other
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)


def _members(incoming: Incoming) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a stream that ends as a tar stream ends."""
    member = None
    try:
        archive = tarfile.TarFile(
            fileobj=cast(BinaryIO, incoming), mode="r", tarinfo=Member, encoding=ENCODING, errors=ERRORS
        )
        while (member := archive.next()) is not None:
            # tarfile would remember every member of a stream of millions
            archive.members.clear()  # type: ignore[attr-defined]
            if member.size < 0:
                raise TransferError(f"not a sound tar stream: {shown(member.name)} has a negative size")
            yield member
    except (tarfile.TarError, ValueError, LookupError, OverflowError, RecursionError) as exc:
        raise TransferError(f"not a sound tar stream: {exc}") from exc
    # tarfile takes a bad header for the end; the end is a block of zeros
    if incoming.last.strip(b"\0"):
        raise TransferError("not a sound tar stream: a header is damaged")


def _regions(member: tarfile.TarInfo) -> Sequence[tuple[int, int]]:
    """Return where in the file the stream's bytes go: for sparse files, what lies between is holes."""
    regions = cast("Sequence[tuple[int, int]] | None", member.sparse)
    if regions is None:
        return ((0, member.size),)
    end = 0
    for offset, count in regions:
        if offset < end or count < 0 or offset + count > member.size:
            raise TransferError(f"not a sound tar stream: {shown(member.name)} has overlapping parts")
        end = offset + count
    return regions


def _relative(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if len(parts) > DEPTH:
        raise TransferError(f"{shown(name)} lies too deep")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise TransferError(f"{shown(name)} leads out of the folder: nothing more was taken from this stream")
    return "/".join(parts)


def _settle(path: str) -> str:
    """Resolve a path as far as it exists; the root folder stands for what cannot be resolved."""
    try:
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return os.path.realpath(path)
    except OSError:
        return "/"


def _set_time(file: str | int, mtime: float) -> None:
    # a time that this file system cannot hold is no reason to lose the file
    with contextlib.suppress(ValueError, OverflowError):
        os.utime(file, (mtime, mtime))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
