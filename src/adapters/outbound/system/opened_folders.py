"""Which local folders are opened to those who ask from elsewhere."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from ....domain.errors import ValidationError

_MOST_LOOKED_AT = 100_000


class LocalFileRoots:
    """Folders of the local file system, as they really are when each path is looked at."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    @property
    def folders(self) -> Sequence[Path]:
        return self._folders

    def opened(self, path: str) -> str | None:
        if not path or "\0" in path or ".." in Path(path).parts:
            return None
        roots = [folder.resolve() for folder in self._folders]
        # An absolute path replaces what is before it. The last one is for who names a folder as
        # the operator does, from where the server was started.
        places = [*(root / path for root in roots), Path.cwd() / path]
        for place in places:
            found = _real(place)
            if found is not None and any(_is_below(found, folder) for folder in roots):
                return str(found) if _stays_below(found, roots) else None
        if any(_would_be_below(place, roots) for place in places):
            # Of places that are not opened it is not told what there is.
            raise ValidationError(
                f"there is no {path} below {', '.join(map(str, self._folders))}",
                hint="name it as it is called below one of these folders, or by its whole path",
            )
        return None


def _real(path: Path) -> Path | None:
    """The path without links, None when there is nothing; the names of a glob stay as they are."""
    plain, pattern = path, list[str]()
    try:
        while glob.has_magic(str(plain)) and not plain.exists():
            pattern.insert(0, plain.name)
            plain = plain.parent
        return plain.resolve(strict=True).joinpath(*pattern)
    except (OSError, RuntimeError):
        return None


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _would_be_below(path: Path, folders: Sequence[Path]) -> bool:
    """Whether a path at which there is nothing leads to one of the folders all the same."""
    try:
        followed = path.resolve()
    except (OSError, RuntimeError):
        return False
    return _real(path) is None and any(_is_below(followed, folder) for folder in folders)


def _stays_below(path: Path, roots: Sequence[Path]) -> bool:
    """Whether nothing that the folder or glob means leads out by a link."""
    if path.is_file():
        return True
    # As those look who read it later: ** goes down, and follows links.
    matching = glob.iglob(str(path), recursive=True)  # noqa: PTH207  # absolute
    named = path.iterdir() if path.is_dir() else map(Path, matching)
    for number, item in enumerate(named):
        if number == _MOST_LOOKED_AT:
            return False
        if not any(_is_below(item.resolve(), root) for root in roots):
            return False
    return True
