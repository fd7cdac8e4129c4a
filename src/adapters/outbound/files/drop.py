"""Files that were brought, in a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from ....domain.errors import Category, SpineError

_KEPT_SECONDS = 7 * 24 * 60 * 60.0
_COMING = "coming-"


class FolderDrop:
    """Files in ``folder``/DIGEST/NAME, each complete and synced.

    A week after it came a file is removed: whatever captured it has it in the archive.
    """

    def __init__(self, folder: Path, *, kept_seconds: float = _KEPT_SECONDS) -> None:
        self._folder = folder
        self._kept_seconds = kept_seconds

    def begin(self) -> FolderIncoming:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, name = tempfile.mkstemp(prefix=_COMING, dir=self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error
        return FolderIncoming(self._folder, Path(name), os.fdopen(number, "wb"))

    def sweep(self) -> int:
        oldest = time.time() - self._kept_seconds
        removed = 0
        if not self._folder.is_dir():
            return removed
        for item in self._folder.iterdir():
            files = list(item.iterdir()) if item.is_dir() else [item]
            if all(file.stat().st_mtime < oldest for file in files):
                removed += len(files)
                shutil.rmtree(item, ignore_errors=True) if item.is_dir() else item.unlink()
        return removed


class FolderIncoming:
    """A file that grows beside the others until it is complete."""

    def __init__(self, folder: Path, path: Path, file: BinaryIO) -> None:
        self._folder = folder
        self._path = path
        self._file = file

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise _failed(self._folder, error) from error

    def keep(self, digest: str, name: str) -> Path:
        # Where a list of paths is expected, a comma would part one into two.
        goal = self._folder / digest / name.replace(",", "_")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            goal.parent.mkdir(exist_ok=True, mode=0o700)
            self._path.replace(goal)
            for changed in (goal.parent, self._folder):
                _sync(changed)
        except OSError as error:
            raise _failed(self._folder, error) from error
        return goal.resolve()

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """So that the name is on disk as well; Windows knows no such thing."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _failed(folder: Path, error: OSError) -> SpineError:
    return SpineError(
        f"a file that is brought cannot be kept in {folder}: {error.strerror}",
        category=Category.RESOURCE,
        hint="see that there is room, and that the server may write there",
        cause=error,
    )
