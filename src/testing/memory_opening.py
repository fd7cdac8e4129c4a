"""Sources, files and progress that exist in memory only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..domain.errors import SourceError, ValidationError
from ..ports.progress import ProgressTask
from ..ports.sources import Source


class MemorySources:
    """Opens the sources that it was given, by type; they take the options named in ``takes``."""

    def __init__(
        self, types: Mapping[str, Callable[[], Source]], *, takes: Iterable[str] = ()
    ) -> None:
        self._types = dict(types)
        self._takes = set(takes)

    def open(self, type: str, **options: Any) -> Source:
        if type not in self._types:
            raise ValidationError(
                f"there is no source type {type!r}", hint=f"known: {', '.join(self._types)}"
            )
        for name in options:
            if name not in self._takes:
                raise ValidationError(f"source type {type} takes no option {name!r}")
        return self._types[type]()


class MemoryFileFinder:
    """Finds among the paths that it was given."""

    def __init__(self, *paths: Path) -> None:
        self._paths = sorted(paths)

    def find(self, where: Path) -> list[Path]:
        found = [
            path
            for path in self._paths
            if not path.name.startswith(".")
            and (where in (path, path.parent) or fnmatch(str(path), str(where)))
        ]
        if not found:
            raise SourceError(f"nothing matches {where}", hint="check the path")
        return found


class RecordedProgress:
    """Keeps what it was told: labels as they began, and the amounts by which tasks moved."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.moved = 0

    @contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> Iterator[ProgressTask]:
        del total, unit
        self.labels.append(label)
        yield _Recorded(self)


class _Recorded:
    def __init__(self, progress: RecordedProgress) -> None:
        self._progress = progress

    def advance(self, amount: int = 1) -> None:
        self._progress.moved += amount

    def describe(self, text: str) -> None:
        self._progress.labels.append(text)
