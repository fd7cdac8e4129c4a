"""Which dialect a database URL asks for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ....domain.errors import ConfigurationError
from .connection_limits import DEFAULT_LIMITS, ConnectionLimits
from .dialects import Dialect

_URLS = (
    "write it as sqlite:///path/to/file.db, postgresql+psycopg://user@host/database "
    "or db2+ibm_db://user@host:50000/database; in a password, @ : / % # ? have to be written as "
    "%40 %3A %2F %25 %23 %3F, or let SPINE_DATABASE_PASSWORD_FILE name a file that holds it"
)
# What a URL may begin with, the form to recommend first.
_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "db2": ("db2+ibm_db", "db2"),
    "ibm_db_sa": ("db2+ibm_db", "ibm_db_sa"),
    "sqlite": ("sqlite", "sqlite+pysqlite"),
}


def dialect_of(url: str, limits: ConnectionLimits = DEFAULT_LIMITS) -> Dialect:
    """The dialect for a database URL.

    Raises a ConfigurationError for a URL that cannot be read, a database that is not supported,
    or a driver that is not installed.
    """
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    _check_driver(parsed)
    # A database loads only its own driver.
    if backend == "sqlite":
        from .sqlite import SqliteDialect  # noqa: PLC0415

        return SqliteDialect(parsed, limits)
    if backend == "postgresql":
        _require("psycopg", "postgres")
        from .postgres import PostgresDialect  # noqa: PLC0415

        return PostgresDialect(parsed, limits)
    if backend in ("db2", "ibm_db_sa"):
        _require("ibm_db", "db2")
        _require("ibm_db_sa", "db2")
        from .db2 import Db2Dialect  # noqa: PLC0415

        return Db2Dialect(parsed, limits)
    raise ConfigurationError(f"databases of type {backend!r} are not supported", hint=_URLS)


def with_password(url: str, file: Path) -> str:
    """The URL with the password that stands in ``file``, without the line's end.

    Raises a ConfigurationError when the file cannot be read or the URL has a password already.
    """
    parsed = _parsed(url)
    if parsed.password:
        raise ConfigurationError(
            f"the database URL has a password, and {file} is named for one too",
            hint="take the password out of the URL",
        )
    try:
        password = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"the password file {file} cannot be read: {error}",
            hint="correct SPINE_DATABASE_PASSWORD_FILE",
        ) from error
    if not password:
        raise ConfigurationError(
            f"the password file {file} is empty", hint="put the password there, with nothing else"
        )
    return parsed.set(password=password).render_as_string(hide_password=False)


def _check_driver(url: URL) -> None:
    """Another driver is never put in the place of the one that was asked for."""
    known = _DRIVERS.get(url.get_backend_name())
    if known is not None and url.drivername not in known:
        raise ConfigurationError(
            f"the driver of {url.drivername!r} is not supported", hint=f"use {known[0]}"
        )


def _require(driver: str, extra: str) -> None:
    if find_spec(driver) is None:
        raise ConfigurationError(
            f"the driver {driver} is not installed",
            hint=f"pip install 'market-spine[{extra}]'",
        )


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text is not repeated: it may hold a password where none was recognised.
        raise ConfigurationError(
            "the database URL cannot be read",
            hint=_URLS,
        ) from error
