"""Begins over there: ``python run.py FOLDER``."""

import sys

before = frozenset(sys.modules)

from jobferry_far.leaving import leave  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
from jobferry_far.runner import main  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

leave(main(sys.argv[1]), before)
