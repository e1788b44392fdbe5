"""Shell files that run over there."""

from importlib.resources import files


def read(name: str) -> str:
    """Return the text of a data file."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
