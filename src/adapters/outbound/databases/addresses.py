"""Where a database is: a URL, or a reference to one, that never shows its password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError

from ....domain.errors import (
    Category,
    ConfigurationError,
    ForeignCause,
    SpineError,
    ValidationError,
)
from ....domain.redaction import MASK, redact
from .shown_urls import secrets, shown

SQLITE, POSTGRES, DB2 = "sqlite", "postgresql", "db2"
# What a URL may begin with, the form to recommend first: the same as for a store.
_DRIVERS = {
    SQLITE: ("sqlite", "sqlite+pysqlite"),
    POSTGRES: ("postgresql+psycopg", "postgresql"),
    DB2: ("db2+ibm_db", "db2", "ibm_db_sa"),
}
_BACKENDS = {name: backend for backend, names in _DRIVERS.items() for name in names}
_MEANT = {**_BACKENDS, "postgres": POSTGRES}
_WRITE_IT = (
    "write it as sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE or "
    "db2+ibm_db://USER@HOST:PORT/DATABASE, or say where it stands: env:NAME or file:/PATH"
)
_OPTIONS_WITHIN = re.compile(r"[=;]|://")


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved URL: ``backend`` is one of SQLITE, POSTGRES and DB2."""

    url: URL = field(repr=False)
    backend: str

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return shown(self.url)

    def scrubbed(self, text: str) -> str:
        """``text`` without any secret of the URL."""
        for secret in secrets(self.url):
            text = text.replace(secret, MASK)
        return redact(text)

    def cause(self, error: BaseException) -> ForeignCause:
        """A driver's exception as a value, without secrets."""
        kind = type(error)
        return ForeignCause(f"{kind.__module__}.{kind.__qualname__}", self.scrubbed(str(error)))


@dataclass(frozen=True, slots=True)
class GivenUrl:
    """A URL as the user gave it: itself, ``env:NAME`` or ``file:/PATH``."""

    text: str = field(repr=False)

    @property
    def reference(self) -> bool:
        return self.text.startswith(("env:", "file:"))

    @property
    def shown(self) -> str:
        """The reference, or the URL without secrets."""
        return self.text if self.reference else _parsed(self.text, "the URL").shown

    def check(self) -> None:
        """Raises a ValidationError for a URL that cannot be one; looks up no reference."""
        if not self.reference:
            _parsed(self.text, "the URL")

    def resolved(self) -> Address:
        """The URL meant, now.

        Raises a ConfigurationError for a reference to nothing, a ValidationError for no URL.
        """
        if self.text.startswith("env:"):
            name = self.text.removeprefix("env:")
            value = os.environ.get(name, "").strip()
            if not value:
                raise ConfigurationError(
                    f"the environment variable {name} is not set",
                    hint="set it to the URL of the database",
                )
            return _parsed(value, f"the environment variable {name}")
        if self.text.startswith("file:"):
            path = self.text.removeprefix("file:")
            return _parsed(_read(Path(path).expanduser()), f"the file {path}")
        return _parsed(self.text, "the URL")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError) as error:
        denied = isinstance(error, PermissionError)
        said = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"the file {path} cannot be read: {said}",
            category=Category.PERMISSION if denied else None,
            hint="it has to hold the URL of the database and nothing else",
        ) from None


def _parsed(text: str, place: str) -> Address:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _no_url(f"{place} holds no database URL") from None
    backend = _BACKENDS.get(url.drivername)
    if backend is None:
        message = f"{place} names a database that cannot be read: {url.drivername}"
        known = _DRIVERS.get(_MEANT.get(url.get_backend_name(), ""))
        raise _no_url(message, f"use {known[0]}; " if known else "")
    _check_parts(url, backend, place)
    return Address(url, backend)


def _check_parts(url: URL, backend: str, place: str) -> None:
    """Nothing is repeated here: what stands in a wrong place may be a secret."""
    if backend == SQLITE:
        if url.host or url.username or url.password or url.port:
            raise _no_url(
                f"{place} names a server, and SQLite has none",
                "put three slashes before a relative path, four before an absolute one; ",
            )
    elif "@" in (url.host or ""):
        raise _no_url(f"{place} has an @ in its password", "write %40 for it; ")
    elif _OPTIONS_WITHIN.search(url.database or ""):
        raise _no_url(
            f"{place} has options where the name of the database belongs",
            "put them behind a question mark, ?NAME=VALUE; ",
        )


def _no_url(message: str, first: str = "") -> SpineError:
    return ValidationError(message, hint=first + _WRITE_IT)
