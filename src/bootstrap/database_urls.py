"""Database URLs as commands are given them: written out, or by the place where they stand."""

from __future__ import annotations

import os
from pathlib import Path

from ..domain.errors import ConfigurationError


def read_url(given: str) -> str:
    """The URL itself; for ``env:NAME`` and ``file:PATH`` what the variable or the file holds.

    A command line can be read by every user of the machine, so a password has no place there.
    Raises a ConfigurationError when there is nothing at the place.
    """
    kind, _, place = given.partition(":")
    if kind == "env":
        found = os.environ.get(place, "")
        where = f"the environment variable {place}"
    elif kind == "file" and not place.startswith("//"):
        where = f"the file {place}"
        try:
            found = Path(place).expanduser().read_text()
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"{where} with a database URL cannot be read: {error}",
                hint="write it as file:/path/to/file",
            ) from error
    else:
        return given
    if not found.strip():
        raise ConfigurationError(
            f"{where} holds no database URL", hint="put the URL there, with nothing else"
        )
    return found.strip()
