"""Where the store lies, and what the disk under it can do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jobferry.errors import StoreError

# WAL needs memory shared by all processes, which no network file system gives. What is not known to be a
# local disk is taken for one of those: the rollback journal is slower, but right everywhere
_LOCAL_DISKS = frozenset(
    {
        "apfs",
        "bcachefs",
        "btrfs",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "hfs",
        "jfs",
        "overlay",
        "ramfs",
        "reiserfs",
    }
    | {"tmpfs", "xfs", "zfs"}
)
_MOUNTS = Path("/proc/mounts")


def default_store_path(environ: Mapping[str, str] | None = None) -> Path:
    """Name the user's store: ``$JOBFERRY_STORE``, or ``jobferry/jobs.db`` in the XDG data folder."""
    environ = os.environ if environ is None else environ
    if named := environ.get("JOBFERRY_STORE"):
        return Path(named).expanduser()
    data = environ.get("XDG_DATA_HOME", "")
    # the XDG standard: a relative path is invalid and to be ignored
    folder = Path(data) if data.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local/share"
    return folder / "jobferry" / "jobs.db"


def prepare_file(path: Path) -> None:
    """Create an empty file that only its owner can read, and its folder; keep what is there.

    SQLite gives its own side files the mode of this one.

    Raises:
        StoreError: it cannot be created.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as exc:
        raise StoreError(
            f"the store {path} cannot be created: {exc.strerror}", hint="set JOBFERRY_STORE to another file"
        ) from exc


def journal_mode(path: Path) -> str:
    """Choose how SQLite keeps its journal on the file system of this file: ``wal`` or ``delete``."""
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return "delete"
    return "wal" if file_system(path.resolve(), mounts) in _LOCAL_DISKS else "delete"


def file_system(path: Path, mounts: str) -> str:
    """Find the type of the file system an absolute path is on, in the text of ``/proc/mounts``."""
    best, found = -1, ""
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        depth = len(Path(_unescape(point)).parts)
        # the later of two mounts on one point hides the earlier
        if point and path.is_relative_to(_unescape(point)) and depth >= best:
            best, found = depth, kind
    return found


def _unescape(point: str) -> str:
    # proc(5): space, tab, newline and backslash are written as \ooo
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
