"""Secrets from the environment and from files, such as those that an orchestrator mounts."""

from __future__ import annotations

import os
from pathlib import Path

from ....domain.errors import ConfigurationError


class PlacedSecrets:
    """Reads ``env:NAME`` and ``file:PATH``; a line end behind a secret is no part of it."""

    def reveal(self, reference: str) -> str:
        kind, _, place = reference.partition(":")
        if kind == "env":
            found = os.environ.get(place, "")
            where = f"the environment variable {place}"
        elif kind == "file":
            where = f"the file {place}"
            try:
                found = Path(place).expanduser().read_text().rstrip("\r\n")
            except (OSError, UnicodeError) as error:
                raise ConfigurationError(
                    f"{where}, which should hold a secret, cannot be read: {error}",
                    hint="it has to be there for the process that executes the run",
                ) from error
        else:
            raise ConfigurationError(
                "a secret is referred to by something that is no place",
                hint="write env:NAME or file:PATH",
            )
        if not found:
            raise ConfigurationError(
                f"{where} holds no secret",
                hint="set it for the process that executes the run",
            )
        return found
