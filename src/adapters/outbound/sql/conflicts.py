"""What a database ended a transaction for, remembered until the transaction is left.

A pipeline may swallow the error that told it. What it does next fails all the same, and has to be
told as the conflict that it was: the run is done again.
"""

from __future__ import annotations

from sqlalchemy import Connection

from ....domain.errors import ConflictError, SpineError

_CONFLICT = "market_spine.conflict"


def note_conflict(connection: Connection, error: SpineError) -> SpineError:
    """``error``, remembered with the connection when it is a conflict."""
    if isinstance(error, ConflictError) and not connection.invalidated:
        connection.info[_CONFLICT] = error
    return error


def noted_conflict(connection: Connection) -> ConflictError | None:
    """The conflict that ended the transaction of ``connection``, if one did."""
    found = connection.info.get(_CONFLICT)
    return found if isinstance(found, ConflictError) else None


def forget_conflict(connection: Connection) -> None:
    """A new transaction begins on ``connection``."""
    connection.info.pop(_CONFLICT, None)
