"""Finding input files in local folders."""

from __future__ import annotations

import glob
from pathlib import Path

from ....domain.errors import SourceError

_SUFFIXES = (".csv", ".psv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
_PACKED = (".gz", ".zst", ".zip")


class LocalFileFinder:
    """Folders and globs of the local file system."""

    def find(self, where: Path) -> list[Path]:
        if where.is_dir():
            found = [item for item in where.iterdir() if item.is_file() and _is_data(item)]
        elif where.is_file():
            found = [where]
        else:
            found = [Path(item) for item in glob.glob(str(where))]  # noqa: PTH207  # absolute too
            found = [item for item in found if item.is_file() and not item.name.startswith(".")]
        if not found:
            raise SourceError(
                f"no file found in {where}" if where.is_dir() else f"nothing matches {where}",
                hint=f"expected names that end in {', '.join(_SUFFIXES)}, plain or with "
                f"{', '.join(_PACKED)} behind",
            )
        return sorted(found)


def _is_data(item: Path) -> bool:
    name = item.name.lower()
    for packed in _PACKED:
        if name.endswith(packed):
            name = name.removesuffix(packed)
            return "." not in name or name.endswith(_SUFFIXES)
    return not name.startswith(".") and name.endswith(_SUFFIXES)
