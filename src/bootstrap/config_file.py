"""The TOML file with settings: the one that ``SPINE_CONFIG`` names, else ``spine.toml``."""

from __future__ import annotations

import os
from pathlib import Path

from ..domain.errors import ConfigurationError
from ..domain.redaction import redact

CONFIG_VARIABLE = "SPINE_CONFIG"
CONFIG_FILE = "spine.toml"


def config_file() -> Path | None:
    """The file, None where there is none.

    Raises a ConfigurationError when ``SPINE_CONFIG`` names something that is no file.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else Path(CONFIG_FILE)
    if path.is_file():
        return path
    if named:
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {named}, which is no file")
    return None


def unreadable(file: Path | None, error: ValueError) -> ConfigurationError:
    """The error for a file that is no TOML."""
    return ConfigurationError(
        f"{file} cannot be read: {redact(str(error))}", hint="it has to be valid TOML"
    )
