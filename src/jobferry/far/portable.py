"""Values as JSON that any Python reads, and that runs nothing when it is read; arrays lie beside it."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import pathlib
import uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Refer = Callable[[Any], Optional[Sequence[Any]]]
    """Gives what stands for a value that is to be looked up on the other side; None for any other."""
    Resolve = Callable[[Sequence[Any]], Any]


_TAG = "$"
# numpy's kinds that are plain numbers, texts or moments; objects could hold anything
_KINDS = "biufcSUmMV"


class NotPortable(TypeError):
    """A value that JSON cannot carry; the message says where in the whole it was found, and what it is."""


def encode(value: Any, refer: Optional[Refer] = None) -> List[Buffer]:
    """Write a value: first the JSON, then the byte strings that it names by number.

    Raises:
        NotPortable: it holds something of another type.
    """
    encoder = _Encoder(refer)
    text = json.dumps(encoder.write(value, "the value"), separators=(",", ":"))
    return [text.encode(), *encoder.blobs]


def decode(parts: Sequence[Buffer], resolve: Optional[Resolve] = None) -> Any:
    """Read what `encode` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        data = json.loads(bytes(parts[0]).decode())
        return _Decoder(parts[1:], resolve).read(data)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as exc:
        raise ValueError("not a value as JSON: %r" % exc) from exc


class _Encoder:
    def __init__(self, refer: Optional[Refer]) -> None:
        self.blobs: List[Buffer] = []
        self._refer = refer

    def write(self, value: Any, where: str) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind is list:
            return [self.write(item, "%s[%d]" % (where, place)) for place, item in enumerate(value)]
        if kind is dict:
            return self._dict(value, where)
        if kind in (tuple, set, frozenset):
            return {_TAG: kind.__name__, "v": [self.write(item, "an item of " + where) for item in value]}
        if kind in (bytes, bytearray):
            return {_TAG: kind.__name__, "v": self._blob(value)}
        found = _PLAIN.get(kind)
        if found is not None:
            return {_TAG: found[0], "v": found[1](value)}
        if isinstance(value, pathlib.PurePath):
            return {_TAG: "path", "v": str(value)}
        reference = self._refer(value) if self._refer is not None else None
        if reference is not None:
            return {_TAG: "result", "v": list(reference)}
        return self._numpy(value, where)

    def _dict(self, value: Dict[Any, Any], where: str) -> Any:
        if all(type(key) is str for key in value) and _TAG not in value:
            return {key: self.write(item, "%s[%r]" % (where, key)) for key, item in value.items()}
        pairs = [
            [self.write(key, "a key of " + where), self.write(item, "%s[%r]" % (where, key))]
            for key, item in value.items()
        ]
        return {_TAG: "dict", "v": pairs}

    def _numpy(self, value: Any, where: str) -> Any:
        dtype: Any = getattr(value, "dtype", None)
        is_numpy = type(value).__module__.partition(".")[0] == "numpy" and dtype is not None
        if is_numpy and dtype.kind in _KINDS and not dtype.hasobject:
            import numpy

            tag = "scalar" if isinstance(value, numpy.generic) else "array"
            if tag == "array" and type(value) not in (numpy.ndarray, numpy.memmap):
                # what a kind of its own adds, such as a mask, would be lost
                raise NotPortable("%s is a %s, which JSON cannot carry" % (where, _name_of(type(value))))
            array = numpy.ascontiguousarray(value)
            written = numpy.lib.format.dtype_to_descr(dtype)
            shape = list(value.shape)
            return {
                _TAG: tag,
                "dtype": _lists(written),
                "shape": shape,
                "v": self._blob(_bytes_of(array)),
            }
        raise NotPortable("%s is a %s, which JSON cannot carry" % (where, _name_of(type(value))))

    def _blob(self, data: Buffer) -> int:
        self.blobs.append(data)
        return len(self.blobs) - 1


class _Decoder:
    def __init__(self, blobs: Sequence[Buffer], resolve: Optional[Resolve]) -> None:
        self._blobs = blobs
        self._resolve = resolve

    def read(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self.read(item) for item in data]
        if not isinstance(data, dict):
            return data
        if _TAG not in data:
            return {key: self.read(item) for key, item in data.items()}
        return self._tagged(data[_TAG], data)

    def _tagged(self, tag: str, data: Dict[str, Any]) -> Any:
        value = data["v"]
        if tag in _MANY:
            return _MANY[tag](self.read(item) for item in value)
        if tag in ("bytes", "bytearray"):
            found = self._blobs[value]
            return bytes(found) if tag == "bytes" else bytearray(found)
        if tag == "dict":
            return {self.read(key): self.read(item) for key, item in value}
        if tag == "result" and self._resolve is not None:
            return self._resolve(value)
        if tag in ("array", "scalar"):
            return self._array(tag, data)
        return _READERS[tag](value)

    def _array(self, tag: str, data: Dict[str, Any]) -> Any:
        import numpy

        dtype = numpy.lib.format.descr_to_dtype(_tuples(data["dtype"]))
        if dtype.hasobject:
            raise ValueError("an array of objects")
        found = self._blobs[data["v"]]
        # an array over bytes could not be written to
        memory = bytearray(found) if isinstance(found, bytes) else found
        array = numpy.frombuffer(memory, dtype=dtype).reshape(data["shape"])
        return array[()] if tag == "scalar" else array


def _bytes_of(array: Any) -> Buffer:
    # moments have no buffer of their own kind; as bytes all arrays have one
    view: Buffer = array.reshape(-1).view("u1").data if array.size and array.dtype.itemsize else b""
    return view


def _lists(description: Any) -> Any:
    return [_lists(item) for item in description] if isinstance(description, (list, tuple)) else description


def _tuples(description: Any) -> Any:
    """Read a dtype's description: a text, or fields, each of which was a tuple."""
    if not isinstance(description, list):
        return description
    return [tuple(_shape_or_fields(item) for item in field) for field in description]


def _shape_or_fields(item: Any) -> Any:
    if isinstance(item, list) and all(isinstance(size, int) for size in item):
        return tuple(item)
    return _tuples(item)


def _name_of(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    )


def _seconds(value: datetime.timedelta) -> List[int]:
    return [value.days, value.seconds, value.microseconds]


_PLAIN: Dict[type, Tuple[str, Callable[[Any], Any]]] = {
    complex: ("complex", lambda value: [value.real, value.imag]),
    range: ("range", lambda value: [value.start, value.stop, value.step]),
    datetime.datetime: ("datetime", lambda value: value.isoformat()),
    datetime.date: ("date", lambda value: value.isoformat()),
    datetime.time: ("time", lambda value: value.isoformat()),
    datetime.timedelta: ("timedelta", _seconds),
    decimal.Decimal: ("decimal", str),
    fractions.Fraction: ("fraction", str),
    uuid.UUID: ("uuid", str),
}
_MANY: Dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_READERS: Dict[str, Callable[[Any], Any]] = {
    "complex": lambda value: complex(*value),
    "range": lambda value: range(*value),
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda value: datetime.timedelta(value[0], value[1], value[2]),
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "uuid": uuid.UUID,
    "path": pathlib.Path,
}
