"""Which dialect a database URL asks for."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ....domain.errors import ConfigurationError
from .dialects import Dialect


def dialect_of(url: str, *, busy_timeout: float) -> Dialect:
    """The dialect for a database URL.

    ``busy_timeout`` is how many seconds a writer waits for another one. Raises a
    ConfigurationError for a URL that cannot be read, or a database that is not supported.
    """
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        from .sqlite import SqliteDialect  # noqa: PLC0415  # a database loads only its own driver

        return SqliteDialect(parsed, busy_timeout=busy_timeout)
    raise ConfigurationError(
        f"databases of type {backend!r} are not supported",
        hint="use sqlite:///path/to/file.db",
    )


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text is not repeated: it may hold a password where none was recognised.
        raise ConfigurationError(
            "the database URL cannot be read",
            hint="write it as sqlite:///path/to/file.db",
        ) from error
