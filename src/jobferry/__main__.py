"""``python -m jobferry``."""

from jobferry.cli import main

if __name__ == "__main__":
    main()
