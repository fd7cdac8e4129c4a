"""The transaction that all stores of one unit of work share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Select

from ....domain.errors import LoadError, SpineError
from .dialects import Dialect


class SqlTransaction:
    """Runs statements while the unit of work is open, and writes only where it may."""

    def __init__(self, connection: Connection, dialect: Dialect, *, writable: bool) -> None:
        self._connection = connection
        self._writable = writable
        self._open = True
        self._results: set[CursorResult[Any]] = set()
        self.dialect = dialect

    @property
    def reading(self) -> Connection:
        """The connection; raises a SpineError when the unit of work is over."""
        if not self._open:
            raise SpineError(
                "this unit of work is over",
                hint="open a new one; rows are read to their end before it is left",
            )
        return self._connection

    @property
    def writing(self) -> Connection:
        """The connection; raises a SpineError when the unit of work is over or only reads."""
        connection = self.reading
        if not self._writable:
            raise SpineError("this unit of work only reads", hint="open one with store.write()")
        return connection

    def rows(self, statement: Select[Any]) -> Sequence[Any]:
        return self.reading.execute(statement).all()

    def write(
        self, statement: Executable, values: Mapping[str, Any] | list[dict[str, Any]]
    ) -> CursorResult[Any]:
        return self.writing.execute(statement, values)

    def batches(self, statement: Select[Any], size: int) -> Iterator[list[tuple[Any, ...]]]:
        """What the driver fetches, untouched, ``size`` rows at a time."""
        result = self.reading.execute(statement.execution_options(stream_results=True))
        self._results.add(result)
        try:
            while True:
                # Leaving the unit of work has closed the cursor: say that, not what the driver says.
                _ = self.reading
                batch = self._fetch(result, size)
                if not batch:
                    return
                yield batch
        finally:
            self._results.discard(result)
            result.close()

    def _fetch(self, result: CursorResult[Any], size: int) -> list[tuple[Any, ...]]:
        cursor = result.cursor
        if cursor is None:
            raise LoadError("the database closed a cursor while its rows were read")
        try:
            return list(cursor.fetchmany(size))
        except Exception as error:
            raise self.dialect.translate(error) from error

    def commit(self) -> None:
        connection = self.writing
        self._close_results()
        connection.commit()
        self._open = False

    def end(self) -> None:
        """Roll back what was not committed. Leaves the connection to its owner."""
        self._open = False
        self._close_results()
        if self._connection.in_transaction():
            self._connection.rollback()

    def _close_results(self) -> None:
        for result in tuple(self._results):
            result.close()
        self._results.clear()
