"""Results in a file: one frame a result, each with its own checksum, so that a cut one loses only its end."""

from __future__ import annotations

import struct
import zlib

from . import texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Sequence, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Header = Dict[str, Any]


_MAGIC = b"JFR1"
# the mark, the header's length and its checksum
_HEAD = struct.Struct("<4sII")
_SUM = struct.Struct("<I")
_PIECE = 1 << 20
_LONGEST_HEADER = 1 << 26


def write_frame(write: Callable[[Buffer], object], header: Header, parts: Sequence[Buffer]) -> None:
    """Write one frame: a header that JSON can hold, and any number of byte strings."""
    views = [memoryview(part).cast("B") for part in parts]
    text = texts.write(dict(header, sizes=[len(view) for view in views])).encode()
    write(_HEAD.pack(_MAGIC, len(text), zlib.crc32(text)) + text)
    total = 0
    for view in views:
        total = zlib.crc32(view, total)
        write(view)
    write(_SUM.pack(total))


def read_frames(file: BinaryIO) -> Iterator[Tuple[Header, int]]:
    """Yield the header of each whole frame and where its parts begin; what is torn is passed over."""
    position = 0
    while True:
        position = _next_mark(file, position)
        if position < 0:
            return
        header = _read_header(file, position)
        if header is not None:
            begin = file.tell()
            if _is_whole(file, header["sizes"]):
                yield header, begin
                position = begin + sum(header["sizes"]) + _SUM.size
                continue
        position += 1


def read_parts(file: BinaryIO, header: Header, begin: int) -> List[bytearray]:
    """Read the byte strings of a frame, each into memory of its own that can be written to."""
    file.seek(begin)
    parts = []
    for size in header["sizes"]:
        part = bytearray(size)
        view = memoryview(part)
        while view:
            count = file.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError("a result is cut short")
            view = view[count:]
        parts.append(part)
    return parts


def _next_mark(file: BinaryIO, position: int) -> int:
    """Find the next mark at or after a position; -1 when there is none."""
    file.seek(position)
    if file.read(len(_MAGIC)) == _MAGIC:
        # as a rule one frame follows the other
        return position
    file.seek(position)
    kept = b""
    while True:
        piece = file.read(_PIECE)
        if not piece:
            return -1
        text = kept + piece
        found = text.find(_MAGIC)
        if found >= 0:
            return position - len(kept) + found
        position += len(piece)
        kept = text[-(len(_MAGIC) - 1) :]


def _read_header(file: BinaryIO, position: int) -> Union[Header, None]:
    file.seek(position)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    _, length, total = _HEAD.unpack(head)
    if length > _LONGEST_HEADER:
        return None
    text = file.read(length)
    if len(text) < length or zlib.crc32(text) != total:
        return None
    header: Header = texts.read(text.decode())
    return header


def _is_whole(file: BinaryIO, sizes: Sequence[int]) -> bool:
    total, left = 0, sum(sizes)
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            return False
        total = zlib.crc32(piece, total)
        left -= len(piece)
    return file.read(_SUM.size) == _SUM.pack(total)
