"""Ways to write arguments and results, by name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping


class Serialiser:
    """A way to write a value as bytes and to read it again."""

    def __init__(self, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
        self.dumps = dumps
        self.loads = loads


def _dump_yaml(value: Any) -> bytes:
    import yaml  # type: ignore[import-untyped,unused-ignore]

    return bytes(yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode())


def _load_yaml(data: bytes) -> Any:
    import yaml

    return yaml.safe_load(bytes(data).decode())


def _dump_dill(value: Any) -> bytes:
    import dill  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return bytes(dill.dumps(value, recurse=True))


def _load_dill(data: bytes) -> Any:
    import dill

    return dill.loads(bytes(data))


KNOWN: Mapping[str, Serialiser] = {
    "yaml": Serialiser(_dump_yaml, _load_yaml),
    "dill": Serialiser(_dump_dill, _load_dill),
}
NEEDS: Mapping[str, str] = {"yaml": "yaml", "dill": "dill"}
"""The module each of them takes."""
