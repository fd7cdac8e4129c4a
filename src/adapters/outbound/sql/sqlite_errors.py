"""What SQLite's errors mean, by result code, and what to do about them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import StatementError

from ....domain.errors import (
    Category,
    ConfigurationError,
    LoadError,
    SpineError,
)
from .database_faults import Fault, fault_error, foreign_error

_PRIMARY = 0xFF
_CONSTRAINTS = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Fault.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Fault.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: Fault.FOREIGN_KEY,
}
_SCHEMA_HINT = "run 'spine db upgrade', and check that the URL names the right database"


def explain(error: BaseException, path: Path, busy_timeout: float) -> SpineError:
    """The typed error for ``error``, met while working on the database in ``path``."""
    if isinstance(error, StatementError) and isinstance(error.orig, BaseException):
        error = error.orig
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        return _by_code(code, error, path, busy_timeout)
    if isinstance(error, OSError):
        return _by_os(error, path)
    return foreign_error(error, str(path))


def _by_code(code: int, error: sqlite3.Error, path: Path, busy_timeout: float) -> SpineError:
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return LoadError(
            f"other processes kept {path} locked for more than {busy_timeout:g} s",
            category=Category.TRANSIENT,
            hint="run it again, or allow a longer SPINE_DATABASE_TIMEOUT",
            cause=error,
            metadata={"fault": Fault.LOCK_TIMEOUT.value},
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return _forbidden(error, path)
    if code == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(error, path)
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(
            f"{path} is no SQLite database",
            hint="check the path in the database URL; the file was left as it is",
            cause=error,
            metadata={"fault": Fault.NO_DATABASE.value},
        )
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return SpineError(f"the store used {path} wrongly: {error}", cause=error)
    return fault_error(_fault_of(code, error), str(path), error, detail=str(error))


def _fault_of(code: int, error: sqlite3.Error) -> Fault:
    if code == sqlite3.SQLITE_CONSTRAINT:
        return _CONSTRAINTS.get(error.sqlite_errorcode, Fault.CONSTRAINT)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return Fault.NO_SPACE
    if code == sqlite3.SQLITE_CORRUPT:
        return Fault.DAMAGED
    text = str(error)
    if text.startswith("no such") or "has no column" in text or "already exists" in text:
        return Fault.MISSING_OBJECT
    return Fault.OTHER


def _by_os(error: OSError, path: Path) -> SpineError:
    if isinstance(error, PermissionError):
        return _forbidden(error, path)
    return ConfigurationError(
        f"there can be no database at {path}: {error.strerror or error}",
        hint="check the path in the database URL",
        cause=error,
        metadata={"fault": Fault.NO_DATABASE.value},
    )


def _cannot_open(error: sqlite3.Error, path: Path) -> SpineError:
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return _forbidden(error, path)
    if path.is_dir():
        return ConfigurationError(
            f"{path} is a folder, not a database",
            hint="name a file in it in the database URL",
            cause=error,
            metadata={"fault": Fault.NO_DATABASE.value},
        )
    return ConfigurationError(
        f"the database {path} cannot be opened: {error}",
        hint=_SCHEMA_HINT,
        cause=error,
        metadata={"fault": Fault.NO_DATABASE.value},
    )


def _forbidden(error: BaseException, path: Path) -> SpineError:
    return LoadError(
        f"{path} may not be written: {error}",
        category=Category.PERMISSION,
        hint="give this user the right to write the file and the folder it is in",
        cause=error,
        metadata={"fault": Fault.FORBIDDEN.value},
    )
