"""Headers of tar streams, written and read the short way where they are plain.

For thousands of small files headers are most of the work: `tarfile` spends over 40 microseconds on each.
"""

from __future__ import annotations

import tarfile

BLOCK = tarfile.BLOCKSIZE
ENCODING = "utf-8"
ERRORS = "surrogateescape"

_PLAIN_LIMIT = 8**11
_PLAIN_NAME = 100
_GNU_MAGIC = b"ustar  \0"
# name, mode, uid, gid, size, mtime; then the checksum, the kind, the target, and the end of the block
_HEAD = b"%s%07o\0" + b"0000000\0" * 2 + b"%011o\0%011o\0"
_TAIL = b"%s%s" + _GNU_MAGIC + bytes(BLOCK - 265)
_PLAIN_KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE)


def write_header(
    name: str,
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    mtime: int = 0,
    size: int = 0,
    target: str = "",
) -> bytes:
    """Write a header in GNU's form, with as many blocks as a long name needs; it names no owner."""
    raw, link = name.encode(ENCODING, ERRORS), target.encode(ENCODING, ERRORS)
    if max(len(raw), len(link)) > _PLAIN_NAME or not (0 <= mtime < _PLAIN_LIMIT and size < _PLAIN_LIMIT):
        return _write_by_tarfile(name, kind, mode, mtime, size, target)
    head = _HEAD % (raw.ljust(_PLAIN_NAME, b"\0"), mode, size, mtime)
    tail = _TAIL % (kind, link.ljust(_PLAIN_NAME, b"\0"))
    # the checksum counts its own eight places as spaces
    return b"%s%06o\0 %s" % (head, sum(head) + sum(tail) + 8 * 32, tail)


def _write_by_tarfile(name: str, kind: bytes, mode: int, mtime: int, size: int, target: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, mtime
    member.size, member.linkname = size, target
    # GNU's form and not pax: busybox drops the long names of pax, and names stay the bytes they are
    return member.tobuf(tarfile.GNU_FORMAT, ENCODING, ERRORS)


class Member(tarfile.TarInfo):
    """A member of a stream whose header, where it is a plain file or folder, is read the short way."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Member:
        return cls._plain(bytes(buf)) or super().frombuf(buf, encoding, errors)

    @classmethod
    def _plain(cls, block: bytes) -> Member | None:
        kind = block[156:157]
        if len(block) != BLOCK or kind not in _PLAIN_KINDS or block[257:265] != _GNU_MAGIC or block[345]:
            return None
        try:
            mode, size, mtime = int(block[100:107], 8), int(block[124:135], 8), int(block[136:147], 8)
            checksum = int(block[148:154], 8)
        except ValueError:
            return None
        if checksum != sum(block[:148]) + sum(block[156:]) + 8 * 32:
            return None
        name = block[:_PLAIN_NAME].partition(b"\0")[0].decode(ENCODING, ERRORS)
        member = cls(name.rstrip("/") if kind == tarfile.DIRTYPE else name)
        member.type, member.mode, member.size, member.mtime = kind, mode, size, mtime
        return member
