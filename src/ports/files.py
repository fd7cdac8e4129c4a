"""Finding input files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class FileFinder(Protocol):
    """Which files a folder or a pattern means."""

    def find(self, where: Path) -> list[Path]:
        """Files directly in the folder ``where``, or those that match it as a glob, by name.

        Hidden files are passed over. Raises a SourceError when nothing is found.
        """
        ...
