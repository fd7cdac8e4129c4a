"""What SQLite's errors mean for one who reads, by result code, and what to do about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ....domain.errors import Category, SourceError, SpineError, ValidationError
from .addresses import Address
from .request import Request

_ROOT = 0xFF
_REFUSED = {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY}
_FILE = "it has to be an SQLite database that is not damaged; check it with PRAGMA integrity_check"
_MEANINGS: dict[int, tuple[Category, str]] = {
    sqlite3.SQLITE_BUSY: (Category.TRANSIENT, "another process is writing: try again"),
    sqlite3.SQLITE_LOCKED: (Category.TRANSIENT, "another process is writing: try again"),
    sqlite3.SQLITE_PERM: (Category.PERMISSION, "let the user of this process read the file"),
    sqlite3.SQLITE_NOMEM: (Category.RESOURCE, "ask for less at once"),
    sqlite3.SQLITE_FULL: (Category.RESOURCE, "free some space for temporary files"),
    sqlite3.SQLITE_IOERR: (Category.SOURCE, "check the disk that the file is on"),
    sqlite3.SQLITE_CANTOPEN: (Category.SOURCE, "check the file, its folder and who may read them"),
    sqlite3.SQLITE_CORRUPT: (Category.SOURCE, _FILE),
    sqlite3.SQLITE_NOTADB: (Category.SOURCE, _FILE),
}


def translated(
    error: sqlite3.Error | sqlite3.Warning,
    address: Address,
    request: Request,
    refused: Sequence[str],
) -> SpineError:
    """The typed error that says what the driver's error means; ``refused`` is what it denied."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _ROOT
    cause = address.cause(error)
    where = f"{request.origin} of {address.shown}"
    if code in _REFUSED or refused:
        what = f"{refused[0]} is not allowed" if refused else str(error)
        return ValidationError(
            f"{where} is refused: {what}",
            hint="a database source only reads: give one SELECT that changes nothing",
            cause=cause,
        )
    if code == sqlite3.SQLITE_INTERRUPT and request.timeout is not None:
        return SourceError(
            f"{where}: not done after {request.timeout:g} seconds",
            category=Category.TIMEOUT,
            hint="give a longer timeout, ask for less, or read by pages of a key",
            cause=cause,
        )
    if "decode to UTF-8" in str(error):
        return ValidationError(
            f"{where} holds text that is not UTF-8: {error}",
            hint="cast the column in the query: CAST(... AS BLOB)",
            cause=cause,
        )
    if code in _MEANINGS:
        category, hint = _MEANINGS[code]
        return SourceError(f"{where}: {error}", category=category, hint=hint, cause=cause)
    return ValidationError(
        f"{where} cannot be read: {error}",
        hint="check the query against the tables and their columns",
        cause=cause,
    )
