"""How many connections a store holds, and how long it waits for each thing. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What an operator may set.

    ``busy_timeout`` is how long a writer waits for a lock that another one holds, ``pool_timeout``
    how long a thread waits for one of the ``pool_size`` connections that it may read with, and
    that many more to write with; ``statement_timeout`` ends a single statement, None never does.
    """

    busy_timeout: float = 30.0
    pool_size: int = 8
    pool_timeout: float = 30.0
    connect_timeout: float = 10.0
    statement_timeout: float | None = None


DEFAULT_LIMITS = ConnectionLimits()
