"""The transaction that all stores of one unit of work share."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Insert,
    Select,
    Table,
    Update,
)

from ....domain.errors import Category, ConflictError, LoadError, SpineError
from .conflicts import forget_conflict, noted_conflict
from .dialects import Dialect
from .fitting import require_fitting

_ROWS_A_STATEMENT = 1000


class SqlTransaction:
    """Runs statements while the unit of work is open, and writes only where it may."""

    def __init__(self, connection: Connection, dialect: Dialect, *, writable: bool) -> None:
        self._connection = connection
        forget_conflict(connection)
        self._writable = writable
        self._open = True
        self._fetching: set[Generator[Any, None, None]] = set()
        self.dialect = dialect

    @property
    def reading(self) -> Connection:
        """The connection; raises a SpineError when the unit of work is over or it was lost."""
        if not self._open:
            raise SpineError(
                "this unit of work is over",
                hint="open a new one; rows are read to their end before it is left",
            )
        if self._connection.invalidated:
            raise LoadError(
                f"the connection to {self.dialect.location} was lost in this unit of work",
                category=Category.DEPENDENCY,
                hint="leave it and do the whole work again",
            )
        return self._connection

    @property
    def writing(self) -> Connection:
        """The connection; raises a SpineError when the unit of work is over or only reads.

        Raises a LoadError when the database has rolled the transaction back: what is written
        after that would stand alone.
        """
        connection = self.reading
        if not self._writable:
            raise SpineError("this unit of work only reads", hint="open one with store.write()")
        if not self.dialect.in_transaction(connection):
            conflict = noted_conflict(connection)
            if conflict is not None:
                raise ConflictError(
                    conflict.message, hint=conflict.hint, context=conflict.context, cause=conflict
                )
            raise LoadError(
                "the database has rolled this unit of work back after an error",
                hint="leave it and do the whole work again",
            )
        return connection

    def rows(
        self, statement: Select[Any], values: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """What the statement selects for ``values``.

        What is asked often is a constant of its module: to make a statement takes SQLAlchemy
        longer than to have it executed.
        """
        return self.reading.execute(statement, values).all()

    def write(
        self, statement: Executable, values: Mapping[str, Any] | list[dict[str, Any]]
    ) -> CursorResult[Any]:
        if isinstance(statement, Insert | Update):
            require_fitting(statement.table, values)
        return self.writing.execute(statement, values)

    def insert_many(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, which all name the same columns, in their order.

        Rows that are made while they are asked for are never all there at once, and what a
        database takes for silence is the time that some of them take.
        """
        connection = self.writing
        for some in _portions(rows):
            require_fitting(table, some)
            self.dialect.insert_rows(connection, table, some)

    def update_many(
        self,
        table: Table,
        keys: tuple[str, ...],
        rows: Iterable[Mapping[str, Any]],
        condition: ColumnElement[bool],
    ) -> int:
        """Write each row where its ``keys`` are and the condition holds; how many were changed."""
        connection, changed = self.writing, 0
        for some in _portions(rows):
            require_fitting(table, some)
            changed += self.dialect.update_rows(connection, table, keys, some, condition)
        return changed

    def hold(
        self, statement: Select[Any], same: Update, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        """What the statement selects for ``values``, held; ``same`` changes none of these rows."""
        return self.dialect.hold(self.writing, statement, same, values)

    def frames(
        self, statement: Select[Any], schema: Mapping[str, pl.DataType], size: int
    ) -> Iterator[pl.DataFrame]:
        """What a statement selects, ``size`` rows at a time."""
        frames = self.dialect.read_frames(self.reading, statement, schema, size)
        self._fetching.add(frames)
        try:
            for frame in frames:
                yield frame
                # Leaving the unit of work has ended the fetching: say so, never "no more rows".
                _ = self.reading
        finally:
            frames.close()
            self._fetching.discard(frames)

    def commit(self) -> None:
        connection = self.writing
        self._stop_fetching()
        connection.commit()
        self._open = False

    def end(self) -> None:
        """Roll back what was not committed. Leaves the connection to its owner."""
        self._open = False
        try:
            self._stop_fetching()
            if self._connection.in_transaction():
                self._connection.rollback()
        except SpineError:
            # It was lost, and all that was not committed with it: whoever ended the unit of work
            # has been told, or had nothing to lose.
            self._connection.invalidate()

    def _stop_fetching(self) -> None:
        for frames in tuple(self._fetching):
            frames.close()
        self._fetching.clear()


def _portions(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    left = iter(rows)
    while some := list(islice(left, _ROWS_A_STATEMENT)):
        yield some
