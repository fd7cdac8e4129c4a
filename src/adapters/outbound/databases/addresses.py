"""Where a database is: a URL, or a reference to one, that never shows its password."""

from __future__ import annotations

import os
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

SQLITE, POSTGRES, DB2 = "sqlite", "postgresql", "db2"
_BACKENDS = {
    "sqlite": SQLITE,
    "sqlite+pysqlite": SQLITE,
    "postgresql": POSTGRES,
    "postgresql+psycopg": POSTGRES,
    "db2": DB2,
    "db2+ibm_db": DB2,
    "ibm_db_sa": DB2,
}
_WRITE_IT = (
    "write it as sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE or "
    "db2+ibm_db://USER@HOST:PORT/DATABASE, or refer to one with a password: env:NAME, file:/PATH"
)
_SECRET_OPTIONS = ("password", "passwd", "pwd", "secret", "token")


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved URL: ``backend`` is one of SQLITE, POSTGRES and DB2."""

    url: URL = field(repr=False)
    backend: str

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return redact(self.url.render_as_string(hide_password=True))

    def scrubbed(self, text: str) -> str:
        """``text`` without any secret of the URL."""
        options = {
            str(value)
            for name, value in self.url.query.items()
            if any(word in name.lower() for word in _SECRET_OPTIONS)
        }
        for secret in sorted({str(self.url.password or ""), *options}, key=len, reverse=True):
            if secret:
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
        raise _no_url(f"{place} names a database that cannot be read: {url.drivername}")
    return Address(url, backend)


def _no_url(message: str) -> SpineError:
    return ValidationError(message, hint=_WRITE_IT)
