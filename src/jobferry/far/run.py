"""Begins over there: ``python run.py FOLDER``."""

import sys

from jobferry_far.runner import main  # type: ignore[import-not-found,unused-ignore]

sys.exit(main(sys.argv[1]))
