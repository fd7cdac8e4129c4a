"""What PostgreSQL's errors mean, by SQLSTATE."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ....domain.errors import Category, LoadError, SpineError
from .database_faults import Fault, fault_error

_BY_STATE = {
    "23505": Fault.UNIQUE,
    "23503": Fault.FOREIGN_KEY,
    "40P01": Fault.DEADLOCK,
    "40001": Fault.SERIALIZATION,
    "55P03": Fault.LOCK_TIMEOUT,
    "57014": Fault.STATEMENT_TIMEOUT,
    "53300": Fault.TOO_MANY_CONNECTIONS,
    "3D000": Fault.NO_DATABASE,
    "42501": Fault.FORBIDDEN,
    "25006": Fault.FORBIDDEN,
    "42P01": Fault.MISSING_OBJECT,
    "42703": Fault.MISSING_OBJECT,
    "3F000": Fault.MISSING_OBJECT,
    "42P07": Fault.MISSING_OBJECT,
    "57P01": Fault.CONNECTION_LOST,
    "57P02": Fault.CONNECTION_LOST,
    "57P03": Fault.UNREACHABLE,
    "57P05": Fault.CONNECTION_LOST,
    "XX001": Fault.DAMAGED,
    "XX002": Fault.DAMAGED,
}
_BY_CLASS = {
    "08": Fault.CONNECTION_LOST,
    "22": Fault.INVALID_VALUE,
    "23": Fault.CONSTRAINT,
    "28": Fault.AUTHENTICATION,
    "53": Fault.NO_SPACE,
    "58": Fault.NO_SPACE,
}
# Before there is a session the driver has no SQLSTATE: only libpq's words, which are in English.
_BY_WORDS = (
    ("password authentication failed", Fault.AUTHENTICATION),
    ("no password supplied", Fault.AUTHENTICATION),
    ("no pg_hba.conf entry", Fault.AUTHENTICATION),
    ("too many clients", Fault.TOO_MANY_CONNECTIONS),
    ("too many connections", Fault.TOO_MANY_CONNECTIONS),
    ("remaining connection slots", Fault.TOO_MANY_CONNECTIONS),
    ("does not support SSL", Fault.TLS),
    ("certificate", Fault.TLS),
    ("SSL error", Fault.TLS),
    ("server closed the connection unexpectedly", Fault.CONNECTION_LOST),
    ("the database system is", Fault.UNREACHABLE),
)


def fault_of(error: psycopg.Error) -> Fault:
    """What the driver's error means."""
    state = error.sqlstate
    if state is not None:
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or Fault.OTHER
    text = str(error)
    for words, fault in _BY_WORDS:
        if words in text:
            return fault
    if 'database "' in text and "does not exist" in text:
        return Fault.NO_DATABASE
    if 'role "' in text and "does not exist" in text:
        return Fault.AUTHENTICATION
    if isinstance(error, psycopg.errors.ConnectionTimeout) or "connection failed" in text:
        return Fault.UNREACHABLE
    if "connection is bad" in text or "could not translate host name" in text:
        return Fault.UNREACHABLE
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Fault.CONNECTION_LOST
    if isinstance(error, psycopg.DataError):
        return Fault.INVALID_VALUE
    return Fault.OTHER


def explain(error: BaseException, location: str) -> SpineError:
    """The typed error for ``error``, met while working on the database at ``location``."""
    if isinstance(error, StatementError) and isinstance(error.orig, BaseException):
        error = error.orig
    if isinstance(error, SpineError):
        return error
    if isinstance(error, PoolTimeoutError):
        return fault_error(Fault.POOL_TIMEOUT, location, error)
    if isinstance(error, psycopg.Error):
        return fault_error(fault_of(error), location, error, detail=_first_line(error))
    if isinstance(error, UnicodeError | OverflowError | TypeError | ValueError):
        return LoadError(
            f"a value cannot be stored in {location}: {error}",
            category=Category.VALIDATION,
            hint="text must be valid Unicode and whole numbers must fit into 64 bits",
            cause=error,
            metadata={"fault": Fault.INVALID_VALUE.value},
        )
    return SpineError(f"the database {location} failed: {type(error).__name__}", cause=error)


def _first_line(error: psycopg.Error) -> str:
    """The server's own words, without the rows that it quotes below them."""
    told = error.diag.message_primary or str(error).strip().split("\n")[0]
    return told.removeprefix("connection failed: ")
