"""Local files and folders as a tar stream, in bounded memory."""

# names stay text: for each of many small files a Path costs more than the calls it wraps

from __future__ import annotations

import logging
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobferry.errors import TransferError
from jobferry.staging.header import BLOCK, write_header
from jobferry.staging.plan import Excludes
from jobferry.staging.progress import Meter, Progress
from jobferry.staging.words import shown, summary

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
GATHER = 1 << 18
"""Small files are sent together: one write each would cost more than reading them."""

_END = b"\0" * (2 * BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or folder to send, and its path in the stream; the empty name, or a dot, is a folder's contents.

    A link named here is followed; links inside a folder are sent as links.
    """

    path: Path
    name: str


def pack(
    entries: Sequence[Entry], *, exclude: Iterable[str] = (), progress: Progress | None = None
) -> Iterator[bytes]:
    """Yield a tar stream of the entries.

    Raises:
        TransferError: at the end, with a stream that is sound, naming what could not be read whole.
    """
    packer = Packer(entries, exclude=Excludes(exclude), progress=progress)
    yield from packer
    packer.check()


class Packer:
    """A tar stream of local files, to be iterated once; troubles are kept until `check`.

    Attributes:
        troubles: what could not be sent or is not what it was, a line each.
        spoilt: a file in the stream is filled up with zeros, because it shrank while it was read.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        exclude: Excludes | None = None,
        progress: Progress | None = None,
        prefix: str = "",
        seal: str = "",
    ) -> None:
        """Prepare a stream.

        Args:
            prefix: folder in the stream that everything goes into; exclude patterns do not see it.
            seal: name of an empty file that comes last, and only if nothing in the stream is spoilt.
        """
        self._entries = entries
        self._exclude = exclude or Excludes()
        self._progress = progress
        self._prefix = prefix
        self._seal = seal
        self.troubles: list[str] = []
        self.spoilt = False

    def __iter__(self) -> Iterator[bytes]:
        total = self._scan() if self._progress is not None else None
        meter = Meter(self._progress, total)
        gathered: list[bytes] = []
        size = 0
        for chunk in self._blocks(meter):
            gathered.append(chunk)
            size += len(chunk)
            if size >= GATHER:
                yield b"".join(gathered)
                gathered.clear()
                size = 0
        yield b"".join(gathered)
        meter.finish()

    def check(self) -> None:
        """Raise what went wrong.

        Raises:
            TransferError: names every file concerned, the first few in its message.
        """
        if self.troubles:
            raise TransferError(summary("not sent whole", self.troubles))

    def _blocks(self, meter: Meter) -> Iterator[bytes]:
        for path, name, info in self._walk():
            if stat.S_ISDIR(info.st_mode):
                yield _folder_header(name, info)
            elif stat.S_ISLNK(info.st_mode):
                yield from self._link(path, name, info)
            elif stat.S_ISREG(info.st_mode):
                yield from self._file(path, name, meter)
            else:
                logger.warning("%s is no file, folder or link and is not sent", shown(path))
        if self._seal and not self.spoilt:
            yield write_header(self._seal)
        yield _END

    def _walk(self) -> Iterator[tuple[str, str, os.stat_result]]:
        for entry in self._entries:
            path = os.path.realpath(entry.path)
            top = entry.name.strip("/").removeprefix("./")
            try:
                info = os.stat(path)
            except OSError as exc:
                self._note(str(entry.path), exc)
                continue
            if top in ("", "."):
                top = "" if stat.S_ISDIR(info.st_mode) else entry.path.name
            if not top or not self._exclude.match(top, folder=stat.S_ISDIR(info.st_mode)):
                yield from self._below(path, top, info)

    def _below(self, path: str, name: str, info: os.stat_result) -> Iterator[tuple[str, str, os.stat_result]]:
        stack = [(path, name, info)]
        while stack:
            path, name, info = stack.pop()
            full = f"{self._prefix}/{name}".strip("/")
            if full:
                yield path, full, info
            if stat.S_ISDIR(info.st_mode):
                stack.extend(reversed(self._children(path, name)))

    def _children(self, folder: str, name: str) -> list[tuple[str, str, os.stat_result]]:
        try:
            with os.scandir(folder) as items:
                ordered = sorted(items, key=lambda item: item.name)
        except OSError as exc:
            self._note(folder, exc)
            return []
        found = []
        for item in ordered:
            inner = f"{name}/{item.name}" if name else item.name
            try:
                if not self._exclude.match(inner, folder=item.is_dir(follow_symlinks=False)):
                    found.append((item.path, inner, item.stat(follow_symlinks=False)))
            except OSError as exc:
                self._note(item.path, exc)
        return found

    def _scan(self) -> int:
        sizes = (info.st_size for _, _, info in self._walk() if stat.S_ISREG(info.st_mode))
        total = sum(sizes)
        # the walk that sends meets the same troubles again
        self.troubles.clear()
        return total

    def _link(self, path: str, name: str, info: os.stat_result) -> Iterator[bytes]:
        try:
            target = os.readlink(path)
        except OSError as exc:
            self._note(path, exc)
            return
        yield write_header(name, kind=tarfile.SYMTYPE, mtime=int(info.st_mtime), target=target)

    def _file(self, path: str, name: str, meter: Meter) -> Iterator[bytes]:
        try:
            # a fifo that took the file's place must not hold us up
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            self._note(path, exc)
            return
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                self.troubles.append(f"{shown(path)}: no longer a file")
                return
            yield write_header(name, mode=info.st_mode & 0o777, mtime=int(info.st_mtime), size=info.st_size)
            yield from self._content(descriptor, path, info.st_size, meter)
        finally:
            os.close(descriptor)

    def _content(self, descriptor: int, path: str, size: int, meter: Meter) -> Iterator[bytes]:
        left = size
        while left and (chunk := self._read(descriptor, path, min(left, CHUNK))):
            left -= len(chunk)
            meter.add(len(chunk))
            yield chunk
        if left:
            self.spoilt = True
            self.troubles.append(f"{shown(path)}: ended {left} bytes before its size")
            yield from _zeros(left)
        elif os.fstat(descriptor).st_size > size:
            self.troubles.append(f"{shown(path)}: grew while it was read; its first {size} bytes were sent")
        yield bytes(-size % BLOCK)

    def _read(self, descriptor: int, path: str, count: int) -> bytes:
        try:
            return os.read(descriptor, count)
        except OSError as exc:
            self._note(path, exc)
            return b""

    def _note(self, path: str, exc: OSError) -> None:
        self.troubles.append(f"{shown(path)}: {exc.strerror or exc}")


def _folder_header(name: str, info: os.stat_result) -> bytes:
    # its owner must be able to fill it, and to move it into place
    mode = info.st_mode & 0o777 | stat.S_IRWXU
    return write_header(f"{name}/", kind=tarfile.DIRTYPE, mode=mode, mtime=int(info.st_mtime))


def _zeros(count: int) -> Iterator[bytes]:
    for start in range(0, count, CHUNK):
        yield bytes(min(CHUNK, count - start))
