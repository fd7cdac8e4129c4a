"""Finding input files, and taking those that are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class FileFinder(Protocol):
    """Which files a folder or a pattern means."""

    def find(self, where: Path) -> list[Path]:
        """Files directly in the folder ``where``, or those that match it as a glob, by name.

        Hidden files are passed over. Raises a SourceError when nothing is found.
        """
        ...


class FileRoots(Protocol):
    """The folders below which whoever asks from elsewhere may name files."""

    @property
    def folders(self) -> Sequence[Path]: ...

    def opened(self, path: str) -> str | None:
        """The real path of a file, folder or glob; None when it leads outside of all folders.

        Symbolic links are followed first. A relative path is looked for below each folder. Raises
        a ValidationError for a path below one of them at which there is nothing.
        """
        ...


class IncomingFile(Protocol):
    """A file that is being brought, piece by piece."""

    def write(self, piece: bytes) -> None: ...

    def keep(self, digest: str, name: str) -> Path:
        """Where it stands from now on: the same place for the same content and name.

        It is on disk, whatever happens next.
        """
        ...

    def discard(self) -> None:
        """Forget what was written; nothing happens when it was kept."""
        ...


class FileDrop(Protocol):
    """Where files are put that were brought."""

    def begin(self) -> IncomingFile: ...

    def sweep(self) -> int:
        """Remove what was brought long ago, or not to its end; how many files those were."""
        ...
