"""Many rows by one statement, made once: SQLAlchemy would look at each value of each row anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Table, bindparam, insert, update
from sqlalchemy.sql.compiler import SQLCompiler

Column = Callable[[Sequence[Mapping[str, Any]]], Iterable[Any]]
"""What rows give for one place of a statement."""


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str
    columns: tuple[Column, ...]

    def of(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        # Column by column: a call for each value would be most of what a small row costs.
        return list(zip(*(column(rows) for column in self.columns), strict=True))


def insert_tuples(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all name the same columns, in their order."""
    statement = _insertion(table, tuple(rows[0]), connection.dialect)
    connection.exec_driver_sql(statement.text, statement.of(rows)).close()


def update_by_tuples(
    connection: Connection,
    table: Table,
    keys: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    condition: ColumnElement[bool],
) -> int:
    """Write columns of each row where its ``keys`` are and the condition holds; how many."""
    statement = _change(table, keys, tuple(rows[0]), condition, connection.dialect)
    return connection.exec_driver_sql(statement.text, statement.of(rows)).rowcount


@cache
def _insertion(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Statement:
    statement = insert(table).values({name: bindparam(name) for name in names})
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101  # as that of every statement is
    return _Statement(str(compiled), tuple(_columns(compiled, table, dialect)))


@cache
def _change(
    table: Table,
    keys: tuple[str, ...],
    names: tuple[str, ...],
    condition: ColumnElement[bool],
    dialect: Dialect,
) -> _Statement:
    written: dict[str, Any] = {name: bindparam(name) for name in names if name not in keys}
    these = (table.c[key] == bindparam(f"{_THIS}{key}") for key in keys)
    compiled = update(table).where(*these, condition).values(written).compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101  # as that of every statement is
    return _Statement(str(compiled), tuple(_columns(compiled, table, dialect)))


_THIS = "this_"  # the name of a key's column could be that of a value


def _columns(compiled: SQLCompiler, table: Table, dialect: Dialect) -> Iterator[Column]:
    for name in compiled.positiontup or ():
        column = table.c.get(name.removeprefix(_THIS))
        if column is None:
            yield _always(compiled.params[name])  # a part of the condition
            continue
        convert = column.type.dialect_impl(dialect).bind_processor(dialect)
        yield _taken(column.key) if convert is None else _converted(column.key, convert)


def _always(value: Any) -> Column:
    return lambda rows: [value] * len(rows)


def _taken(name: str) -> Column:
    return lambda rows: [row[name] for row in rows]


_NOTHING = object()


def _converted(name: str, convert: Callable[[Any], Any]) -> Column:
    def column(rows: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
        # Rows that are written together often share one object, as the time of the writing.
        before: Any = _NOTHING
        same: Any = None
        for row in rows:
            value = row[name]
            if value is not before:
                before, same = value, convert(value)
            yield same

    return column
