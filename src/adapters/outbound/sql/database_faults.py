"""What a database can complain of, and the typed error that each complaint becomes.

Every dialect classifies its driver's errors into these; category, retryability and advice follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ....domain.errors import (
    Category,
    ConfigurationError,
    ConflictError,
    ForeignCause,
    LoadError,
    SpineError,
)


class Fault(StrEnum):
    """What went wrong, in the terms of databases; kept in the error's metadata as ``fault``."""

    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    CONSTRAINT = "constraint"
    INVALID_VALUE = "invalid_value"
    DEADLOCK = "deadlock"
    SERIALIZATION = "serialization"
    LOCK_TIMEOUT = "lock_timeout"
    STATEMENT_TIMEOUT = "statement_timeout"
    POOL_TIMEOUT = "pool_timeout"
    NO_SPACE = "no_space"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    CONNECTION_LOST = "connection_lost"
    UNREACHABLE = "unreachable"
    WRONG_OPTION = "wrong_option"
    AUTHENTICATION = "authentication"
    TLS = "tls"
    NO_DATABASE = "no_database"
    FORBIDDEN = "forbidden"
    MISSING_OBJECT = "missing_object"
    DAMAGED = "damaged"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """``what`` is completed with the database's location."""

    what: str
    category: Category
    hint: str
    error: type[SpineError] = LoadError


_AGAIN = "nothing of this was kept; run it again"

_MEANINGS = {
    Fault.UNIQUE: _Meaning(
        "{where} refused what was written, because it is there already",
        Category.LOAD,
        "the rows contradict what is stored, or each other",
    ),
    Fault.FOREIGN_KEY: _Meaning(
        "{where} refused what was written, because it refers to something that is not there",
        Category.LOAD,
        "the rows contradict what is stored, or each other",
    ),
    Fault.CONSTRAINT: _Meaning(
        "{where} refused what was written",
        Category.LOAD,
        "the rows contradict what is stored, or each other",
    ),
    Fault.INVALID_VALUE: _Meaning(
        "a value cannot be stored in {where}",
        Category.VALIDATION,
        "text must be valid Unicode and numbers must fit their columns",
    ),
    Fault.DEADLOCK: _Meaning(
        "{where} ended this transaction, because it and another one waited for each other",
        Category.TRANSIENT,
        _AGAIN,
        ConflictError,
    ),
    Fault.SERIALIZATION: _Meaning(
        "{where} ended this transaction, because another one changed what it had read",
        Category.TRANSIENT,
        _AGAIN,
        ConflictError,
    ),
    Fault.LOCK_TIMEOUT: _Meaning(
        "other processes kept locked in {where} what was to be changed",
        Category.TRANSIENT,
        "run it again, or allow a longer SPINE_DATABASE_TIMEOUT",
    ),
    Fault.STATEMENT_TIMEOUT: _Meaning(
        "a statement took too long in {where}",
        Category.TIMEOUT,
        "run it again, or allow a longer SPINE_DATABASE_STATEMENT_TIMEOUT",
    ),
    Fault.POOL_TIMEOUT: _Meaning(
        "no connection to {where} became free",
        Category.TRANSIENT,
        "run it again, or allow a larger SPINE_DATABASE_POOL_SIZE",
    ),
    Fault.NO_SPACE: _Meaning(
        "there was no room in {where}, or its disk failed",
        Category.RESOURCE,
        "free space or memory at the database and run it again; nothing of this was kept",
    ),
    Fault.TOO_MANY_CONNECTIONS: _Meaning(
        "{where} takes no further connection",
        Category.DEPENDENCY,
        "let the server allow more, or lower SPINE_DATABASE_POOL_SIZE in each process",
    ),
    Fault.CONNECTION_LOST: _Meaning(
        "the connection to {where} was lost",
        Category.DEPENDENCY,
        "what was not committed is gone; run it again once the server answers",
    ),
    Fault.UNREACHABLE: _Meaning(
        "{where} cannot be reached",
        Category.DEPENDENCY,
        "see that the server runs, and that host and port in the URL are right",
    ),
    Fault.WRONG_OPTION: _Meaning(
        "the options for {where} are wrong",
        Category.CONFIGURATION,
        "correct the URL: its port, and the options behind the question mark",
        ConfigurationError,
    ),
    Fault.AUTHENTICATION: _Meaning(
        "{where} refused its user, or the password of it",
        Category.PERMISSION,
        "correct them in the URL, or in the file that SPINE_DATABASE_PASSWORD_FILE names",
    ),
    Fault.TLS: _Meaning(
        "no trusted connection to {where} could be made",
        Category.CONFIGURATION,
        "see the TLS options in docs/databases.md",
        ConfigurationError,
    ),
    Fault.NO_DATABASE: _Meaning(
        "there is no database at {where}",
        Category.CONFIGURATION,
        "create it, or correct its name in the URL",
        ConfigurationError,
    ),
    Fault.FORBIDDEN: _Meaning(
        "{where} may not be used like this by its user",
        Category.PERMISSION,
        "grant the user the right, or let one that has it run 'spine db upgrade'",
    ),
    Fault.MISSING_OBJECT: _Meaning(
        "the schema of {where} is not what this software expects",
        Category.CONFIGURATION,
        "run 'spine db upgrade', and check that the URL names the right database",
        ConfigurationError,
    ),
    Fault.DAMAGED: _Meaning(
        "the database {where} is damaged",
        Category.LOAD,
        "restore it from a backup; captured files can be replayed from the archive",
    ),
    Fault.OTHER: _Meaning("{where} refused a statement", Category.LOAD, "see the cause"),
}


def fault_error(
    fault: Fault,
    where: str,
    cause: BaseException | ForeignCause,
    *,
    detail: str = "",
    hint: str | None = None,
) -> SpineError:
    """The typed error for a fault of the database at ``where``; ``detail`` is the server's word."""
    meaning = _MEANINGS[fault]
    message = meaning.what.format(where=where)
    return meaning.error(
        f"{message}: {detail}" if detail else message,
        category=meaning.category,
        hint=hint or meaning.hint,
        cause=cause,
        metadata={"fault": fault.value},
    )


def foreign_error(error: BaseException, where: str) -> SpineError:
    """The typed error for what is no error of a driver's; a typed one is given back as it is."""
    if isinstance(error, SpineError):
        return error
    if isinstance(error, PoolTimeoutError):
        return fault_error(Fault.POOL_TIMEOUT, where, error)
    if isinstance(error, UnicodeError | OverflowError | TypeError | ValueError):
        hint = "text must be valid Unicode and whole numbers must fit into 64 bits"
        return fault_error(Fault.INVALID_VALUE, where, error, detail=str(error), hint=hint)
    return SpineError(
        f"the database {where} failed: {type(error).__name__}: {error}",
        hint="this is a defect of the store; the log has the traceback",
        cause=error,
    )
