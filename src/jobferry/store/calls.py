"""Files beside the store: the calls of functions on their way, and their results that came home."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobferry.errors import StoreError
from jobferry.model.function import FunctionCall

_CALL = "call"


class Calls:
    """One folder for each job of functions; nothing is made before it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, function: FunctionCall) -> Path:
        """Name the file with a job's calls."""
        return self._folder / function.payload / _CALL

    def results(self, function: FunctionCall) -> list[Path]:
        """List the files with results that have come, the oldest first."""
        found = (self._folder / function.payload).glob("results-*")
        return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))

    @contextmanager
    def writing(self) -> Iterator[tuple[str, BinaryIO]]:
        """Give a new job's name for its file, and the file, on disk when the block is left.

        Raises:
            StoreError: it cannot be written.
        """
        name = secrets.token_hex(8)
        folder = self._folder / name
        try:
            folder.mkdir(mode=0o700, parents=True)
            with (folder / _CALL).open("xb") as file:
                yield name, file
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(
                f"the call cannot be written: {folder}: {exc.strerror}",
                hint="make room on that disk, or set JOBFERRY_STORE to a file on another",
            ) from exc
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def add_results(self, function: FunctionCall, pieces: Iterable[bytes]) -> Path:
        """Keep results that have come, and return their file.

        Raises:
            StoreError: they cannot be written.
        """
        folder = self._folder / function.payload
        aside = folder / f".new-{secrets.token_hex(4)}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.writelines(pieces)
            return self._place(aside, folder, len(self.results(function)))
        except OSError as exc:
            raise StoreError(f"results cannot be written: {folder}: {exc.strerror}") from exc
        finally:
            aside.unlink(missing_ok=True)

    def drop(self, functions: Iterable[FunctionCall | None]) -> None:
        """Delete the calls of jobs that are over there now; their results are kept."""
        for function in functions:
            if function is not None:
                self.file(function).unlink(missing_ok=True)

    def remove_all(self, functions: Iterable[FunctionCall | None]) -> None:
        """Delete what there is of jobs; of one that runs no function there is nothing."""
        for function in functions:
            if function is not None:
                self.remove(function)

    def remove(self, function: FunctionCall) -> None:
        """Delete what there is of a job."""
        shutil.rmtree(self._folder / function.payload, ignore_errors=True)

    @staticmethod
    def _place(aside: Path, folder: Path, number: int) -> Path:
        # another process may take the same number at the same moment: a link takes it for one only
        while True:
            path = folder / f"results-{number}"
            try:
                os.link(aside, path)
            except FileExistsError:
                number += 1
                continue
            return path
