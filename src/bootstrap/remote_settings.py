"""Which server to ask, if any. Read apart from all other settings, which need slow libraries."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..domain.errors import ConfigurationError
from .config_file import config_file, unreadable


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """A server, and by what both sides recognise each other; the files are PEM."""

    server: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def remote_settings(server: str | None) -> RemoteSettings | None:
    """``server``, else the one of ``SPINE_SERVER`` or of the file; None where none is named.

    Raises a ConfigurationError for a file that cannot be read.
    """
    given = _given()
    found = server or given("server")
    if found is None:
        return None
    return RemoteSettings(
        found,
        token=given("token") or _token(given("token_file")),
        ca=_path(given("server_ca")),
        cert=_path(given("client_cert")),
        key=_path(given("client_key")),
    )


def _given() -> Callable[[str], str | None]:
    """The text of a setting: from the environment, else from the file."""
    written = _written()

    def text(name: str) -> str | None:
        found = os.environ.get(f"SPINE_{name.upper()}") or written.get(name)
        return str(found) if found else None

    return text


def _written() -> Mapping[str, Any]:
    file = config_file()
    if file is None:
        return {}
    import tomllib

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise unreadable(file, error) from error


def _token(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the token cannot be read from {file}: {error}",
            hint="see SPINE_TOKEN_FILE; the file holds the token and nothing else",
            cause=error,
        ) from error


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
