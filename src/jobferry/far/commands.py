"""Commands run as calls, where many of them share a job."""

from __future__ import annotations

import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


def run(words: Sequence[str]) -> None:
    """Run a command; leave with its exit code, as a shell would tell it, unless that is 0."""
    sys.stdout.flush()
    try:
        code = subprocess.call(list(words), stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write("%s: %s\n" % (words[0], error.strerror))
        raise SystemExit(127 if isinstance(error, FileNotFoundError) else 126) from error
    if code:
        raise SystemExit(code if code > 0 else 128 - code)
