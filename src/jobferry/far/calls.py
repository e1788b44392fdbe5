"""The file that takes calls of functions over there: the calls, one after another, then the functions.

Written in one go and read from its end, so that neither side holds more of it in memory than one call.
"""

from __future__ import annotations

import struct
import sys

from . import texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, List, Sequence, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]


_MAGIC = b"JFCALL01"
_FOOT = struct.Struct("<Q8s")
_COUNT = struct.Struct("<I")
_SIZE = struct.Struct("<Q")
# above this many bytes a part is read apart from the others, into memory of its own
SMALL = 1 << 16


class CallWriter:
    """Writes calls into a file, one after another."""

    def __init__(self, file: BinaryIO) -> None:
        import array

        self._file = file
        self._offsets = array.array("Q")
        self._functions = array.array("I")
        self._position = 0

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, function: int, parts: Sequence[Buffer]) -> None:
        """Write the arguments of one call, and which of the functions it is of."""
        self._offsets.append(self._position)
        self._functions.append(function)
        self._parts(parts)

    def finish(self, header: Dict[str, Any], functions: Sequence[Sequence[Buffer]]) -> None:
        """Write the functions, each in parts, and what holds for all calls."""
        places = []
        for parts in functions:
            places.append(self._position)
            self._parts(parts)
        table = self._position
        for numbers in (self._offsets, self._functions):
            if sys.byteorder == "big":
                numbers.byteswap()
            self._write(numbers.tobytes())
        text = texts.write(dict(header, count=len(self), table=table, functions=places)).encode()
        self._write(text)
        self._write(_FOOT.pack(len(text), _MAGIC))

    def _parts(self, parts: Sequence[Buffer]) -> None:
        views = [memoryview(part).cast("B") for part in parts]
        self._write(_COUNT.pack(len(views)) + b"".join(_SIZE.pack(len(view)) for view in views))
        for view in views:
            self._write(view)

    def _write(self, data: Buffer) -> None:
        self._file.write(data)
        self._position += len(data)


class CallReader:
    """Reads calls from a file.

    Raises:
        ValueError: it is no such file, or is cut short.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        end = file.seek(0, 2)
        if end < _FOOT.size:
            raise ValueError("the file with the call is cut short")
        file.seek(end - _FOOT.size)
        length, magic = _FOOT.unpack(file.read(_FOOT.size))
        if magic != _MAGIC:
            raise ValueError("the file with the call is cut short")
        file.seek(end - _FOOT.size - length)
        self.header: Dict[str, Any] = texts.read(file.read(length).decode())

    def arguments(self, index: int) -> Tuple[int, List[Buffer]]:
        """Read the arguments of one call, and which of the functions it is of."""
        count, table = self.header["count"], self.header["table"]
        if not 0 <= index < count:
            raise ValueError("there is no call %d among %d" % (index, count))
        self._file.seek(table + 8 * index)
        place = _SIZE.unpack(self._file.read(8))[0]
        self._file.seek(table + 8 * count + 4 * index)
        function = _COUNT.unpack(self._file.read(4))[0]
        return function, self._parts(place)

    def function(self, number: int) -> List[Buffer]:
        """Read one of the functions."""
        return self._parts(self.header["functions"][number])

    def _parts(self, place: int) -> List[Buffer]:
        self._file.seek(place)
        count = _COUNT.unpack(self._file.read(4))[0]
        sizes = [_SIZE.unpack(self._file.read(8))[0] for _ in range(count)]
        return [self._part(size) for size in sizes]

    def _part(self, size: int) -> Buffer:
        if size <= SMALL:
            return self._file.read(size)
        # what an array lies in can be written to, and is read without a second copy of it
        part = bytearray(size)
        view = memoryview(part)
        while view:
            count = self._file.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise ValueError("the file with the call is cut short")
            view = view[count:]
        return part
