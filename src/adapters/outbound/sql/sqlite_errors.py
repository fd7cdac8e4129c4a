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

_PRIMARY = 0xFF
_SCHEMA_HINT = "run 'spine db upgrade', and check that the URL names the right database"


def explain(error: BaseException, path: Path, busy_timeout: float) -> SpineError:
    """The typed error for ``error``, met while working on the database in ``path``."""
    if isinstance(error, StatementError) and isinstance(error.orig, BaseException):
        error = error.orig
    if isinstance(error, SpineError):
        return error
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        return _by_code(code, error, path, busy_timeout)
    if isinstance(error, OSError):
        return _by_os(error, path)
    if isinstance(error, UnicodeError | OverflowError | TypeError | ValueError):
        return LoadError(
            f"a value cannot be stored in {path}: {error}",
            category=Category.VALIDATION,
            hint="text must be valid Unicode and whole numbers must fit into 64 bits",
            cause=error,
        )
    return SpineError(
        f"the database {path} failed: {type(error).__name__}: {error}",
        hint="this is a defect of the store; the log has the traceback",
        cause=error,
    )


def _by_code(code: int, error: sqlite3.Error, path: Path, busy_timeout: float) -> SpineError:
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return LoadError(
            f"other processes kept {path} locked for more than {busy_timeout:g} s",
            category=Category.TRANSIENT,
            hint="run it again, or allow a longer busy time-out",
            cause=error,
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return LoadError(
            f"{path} refused what was written: {error}",
            hint="the rows contradict what is stored, or each other",
            cause=error,
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return LoadError(
            f"there was no room for {path} or its disk failed: {error}",
            category=Category.RESOURCE,
            hint="free space on the disk and run it again; nothing of this was kept",
            cause=error,
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return _forbidden(error, path)
    if code == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(error, path)
    return _by_content(code, error, path)


def _by_content(code: int, error: sqlite3.Error, path: Path) -> SpineError:
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(
            f"{path} is no SQLite database",
            hint="check the path in the database URL; the file was left as it is",
            cause=error,
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return LoadError(
            f"the database {path} is damaged: {error}",
            hint="restore it from a backup; captured files can be replayed from the archive",
            cause=error,
        )
    text = str(error)
    if text.startswith("no such") or "has no column" in text or "already exists" in text:
        return ConfigurationError(
            f"the schema of {path} is not what this software expects: {error}",
            hint=_SCHEMA_HINT,
            cause=error,
        )
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return SpineError(f"the store used {path} wrongly: {error}", cause=error)
    return LoadError(f"{path} refused a statement: {error}", cause=error)


def _by_os(error: OSError, path: Path) -> SpineError:
    if isinstance(error, PermissionError):
        return _forbidden(error, path)
    return ConfigurationError(
        f"there can be no database at {path}: {error.strerror or error}",
        hint="check the path in the database URL",
        cause=error,
    )


def _cannot_open(error: sqlite3.Error, path: Path) -> SpineError:
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return _forbidden(error, path)
    if path.is_dir():
        return ConfigurationError(
            f"{path} is a folder, not a database",
            hint="name a file in it in the database URL",
            cause=error,
        )
    return ConfigurationError(
        f"the database {path} cannot be opened: {error}",
        hint=_SCHEMA_HINT,
        cause=error,
    )


def _forbidden(error: BaseException, path: Path) -> SpineError:
    return LoadError(
        f"{path} may not be written: {error}",
        category=Category.PERMISSION,
        hint="give this user the right to write the file and the folder it is in",
        cause=error,
    )
