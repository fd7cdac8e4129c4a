"""One database: its dialect and its engines, made when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from .choosing import dialect_of
from .connection_limits import DEFAULT_LIMITS, ConnectionLimits
from .dialects import Access, Dialect
from .transaction import SqlTransaction


class Database:
    """Hands out engines, safely from several threads. Nothing is opened before it is asked for."""

    def __init__(self, url: str, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        self.dialect: Dialect = dialect_of(url, limits)
        self._engines: dict[Access, Engine] = {}
        self._guard = threading.Lock()

    def engine(self, access: Access) -> Engine:
        with self._guard:
            if access not in self._engines:
                self._engines[access] = self.dialect.engine(access)
            return self._engines[access]

    @contextmanager
    def connect(self, access: Access) -> Iterator[Connection]:
        """A connection, given back at the end; raises a SpineError where there is none to have."""
        try:
            connection = self.engine(access).connect()
        except SQLAlchemyError as error:
            raise self.dialect.translate(error) from error
        with connection:
            yield connection

    @contextmanager
    def transaction(self, access: Access) -> Iterator[SqlTransaction]:
        """A transaction, rolled back at the end unless it was committed."""
        with self.connect(access) as connection:
            connection.begin()
            transaction = SqlTransaction(connection, self.dialect, writable=access is Access.WRITE)
            try:
                yield transaction
            finally:
                transaction.end()

    def close(self) -> None:
        """Close all pooled connections. The database may be used again afterwards."""
        with self._guard:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
