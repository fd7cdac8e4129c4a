"""What PostgreSQL's errors mean, by SQLSTATE."""

from __future__ import annotations

import re

import psycopg
from sqlalchemy.exc import StatementError

from ....domain.errors import ForeignCause, SpineError
from .database_faults import Fault, fault_error, foreign_error

_BY_STATE = {
    "23505": Fault.UNIQUE,
    "23503": Fault.FOREIGN_KEY,
    "40P01": Fault.DEADLOCK,
    "40001": Fault.SERIALIZATION,
    "55P03": Fault.LOCK_TIMEOUT,
    "57014": Fault.STATEMENT_TIMEOUT,
    "25P04": Fault.STATEMENT_TIMEOUT,
    "53300": Fault.TOO_MANY_CONNECTIONS,
    "3D000": Fault.NO_DATABASE,
    "42501": Fault.FORBIDDEN,
    "25006": Fault.FORBIDDEN,
    "42P01": Fault.MISSING_OBJECT,
    "42703": Fault.MISSING_OBJECT,
    "3F000": Fault.MISSING_OBJECT,
    "42P07": Fault.MISSING_OBJECT,
    "25P03": Fault.CONNECTION_LOST,
    "57P01": Fault.CONNECTION_LOST,
    "57P02": Fault.CONNECTION_LOST,
    "57P03": Fault.UNREACHABLE,
    "57P04": Fault.CONNECTION_LOST,
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
# Where no connection comes about there is no SQLSTATE: only words, which libpq and servers set to
# English have like this. Any others mean that there is no connection.
_REFUSALS = (
    ("password authentication failed", Fault.AUTHENTICATION),
    ("no password supplied", Fault.AUTHENTICATION),
    ("no pg_hba.conf entry", Fault.AUTHENTICATION),
    ("pg_hba.conf rejects", Fault.AUTHENTICATION),
    ("is not permitted to log in", Fault.AUTHENTICATION),
    ("too many clients", Fault.TOO_MANY_CONNECTIONS),
    ("too many connections", Fault.TOO_MANY_CONNECTIONS),
    ("remaining connection slots", Fault.TOO_MANY_CONNECTIONS),
    ("server does not support SSL", Fault.TLS),
    ("SSL error:", Fault.TLS),
    ("server certificate for", Fault.TLS),
    ("root certificate file", Fault.TLS),
    ("valid client certificate", Fault.TLS),
    ("could not load", Fault.TLS),
    ("permission denied for database", Fault.FORBIDDEN),
)
_WRONG_OPTION = re.compile(r"(connection is bad: )?(invalid|bad value|definition of service) ")
_NO_CONNECTION = re.compile(r"failed to resolve host|connection timeout")
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NO_ROLE = re.compile(r'role ".*" does not exist')
_QUOTED_VALUE = re.compile(r': ".*', re.DOTALL)


def fault_of(error: psycopg.Error) -> Fault:
    """What the driver's error means."""
    state = error.sqlstate
    if state is not None:
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or Fault.OTHER
    text = str(error)
    if _WRONG_OPTION.match(text):
        return Fault.WRONG_OPTION
    if error.pgconn is not None or _NO_CONNECTION.match(text):
        return _refusal(text)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Fault.CONNECTION_LOST
    if isinstance(error, psycopg.DataError):
        return Fault.INVALID_VALUE
    return Fault.OTHER


def _refusal(text: str) -> Fault:
    """Why there is no connection."""
    if _NO_DATABASE.search(text):
        return Fault.NO_DATABASE
    if _NO_ROLE.search(text):
        return Fault.AUTHENTICATION
    return next((fault for words, fault in _REFUSALS if words in text), Fault.UNREACHABLE)


def explain(error: BaseException, location: str) -> SpineError:
    """The typed error for ``error``, met while working on the database at ``location``."""
    if isinstance(error, StatementError) and isinstance(error.orig, BaseException):
        error = error.orig
    if isinstance(error, psycopg.Error):
        return _explain(error, location)
    return foreign_error(error, location)


def _explain(error: psycopg.Error, location: str) -> SpineError:
    fault = fault_of(error)
    # The server's first line; below it, it quotes the rows.
    told = error.diag.message_primary or str(error).strip().split("\n")[0]
    told = told.removeprefix("connection failed: ").removeprefix("connection is bad: ")
    if fault is Fault.INVALID_VALUE:
        told = _QUOTED_VALUE.sub("", told)
    hint = "create the schema that search_path names" if error.sqlstate == "3F000" else None
    kind = type(error)
    cause = ForeignCause(f"{kind.__module__}.{kind.__qualname__}", told)
    return fault_error(fault, location, cause, detail=told, hint=hint)
