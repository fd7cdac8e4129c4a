"""From a path, a glob or a list of them to the files they mean."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path, PurePath

from ....domain.errors import SourceError, ValidationError

Location = str | PurePath


def as_locations(path: Location | Sequence[Location] | None) -> tuple[str, ...]:
    """The paths and patterns as given; raises a ValidationError when there is none."""
    given = [path] if isinstance(path, str | PurePath) else list(path or ())
    found = tuple(str(place) for place in given)
    if not found or any(not place or "\0" in place for place in found):
        raise ValidationError("a file source needs a path", hint="give path=FILE, or a pattern")
    return found


def find_files(locations: Sequence[str]) -> list[Path]:
    """The files, those of a pattern sorted by path; a file that two locations mean comes once.

    Raises a SourceError for a pattern that no file matches.
    """
    found: dict[Path, None] = {}
    for location in locations:
        found.update(dict.fromkeys(_matches(location)))
    return list(found)


def _matches(location: str) -> list[Path]:
    path = Path(location).expanduser()
    # A file may well have [ in its name: what exists is no pattern.
    if _exists(path) or not glob.has_magic(location):
        return [path]
    # pathlib's glob takes no absolute pattern.
    matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207  # see above
    files = [match for match in matches if not match.is_dir()]
    if not files:
        fixed = path.parent
        while glob.has_magic(str(fixed)):
            fixed = fixed.parent
        state = "which holds no such file" if fixed.is_dir() else "which does not exist"
        raise SourceError(
            f"no file matches {location} in {fixed.absolute()}, {state}",
            hint="check the pattern and the working folder",
        )
    return files


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # a name that is too long, for one: opening it tells what is wrong


def shown_name(locations: Sequence[str]) -> str:
    """A short name: that of the file or pattern, or of the first of several."""
    first = PurePath(locations[0]).name or locations[0]
    others = len(locations) - 1
    return f"{first} and {others} more" if others else first
