"""All tables of the schema as frames, in the order of their references and keys."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    func,
    select,
)

from ....domain.errors import SpineError
from ....ports.store_copy import CopyTable
from .column_types import UtcTimestamp
from .schema import METADATA
from .transaction import SqlTransaction

# A row may be a few bytes or, with long texts, many thousands.
_ROWS_WITH_LONG_TEXTS = 5_000


class SqlTableReader:
    """What a transaction sees of all tables."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    @property
    def one_moment(self) -> bool:
        return self._transaction.dialect.reads_one_moment

    def identity(self) -> str:
        return self._transaction.dialect.identity(self._transaction.reading)

    def tables(self) -> list[CopyTable]:
        return [CopyTable(table.name, _links(table)) for table in METADATA.sorted_tables]

    def count(self, table: str) -> int:
        statement = select(func.count()).select_from(METADATA.tables[table])
        return int(self._transaction.rows(statement)[0][0])

    def frames(self, table: str, size: int) -> Iterator[pl.DataFrame]:
        chosen = METADATA.tables[table]
        if long_texts(chosen):
            size = min(size, _ROWS_WITH_LONG_TEXTS)
        statement = select(*chosen.columns).order_by(*chosen.primary_key.columns)
        schema = {column.name: column_dtype(column) for column in chosen.columns}
        return self._transaction.frames(statement, schema, size)


def column_dtype(column: Column[object]) -> pl.DataType:
    """The polars type that holds every value of a column, on every database."""
    kind = column.type
    if isinstance(kind, UtcTimestamp):
        return pl.Datetime("us")
    if isinstance(kind, Date):
        return pl.Date()
    if isinstance(kind, Float):
        return pl.Float64()
    if isinstance(kind, Numeric) and kind.precision is not None:
        return pl.Decimal(kind.precision, kind.scale or 0)
    if isinstance(kind, Integer | BigInteger | SmallInteger):
        return pl.Int64()
    if isinstance(kind, String):
        return pl.String()
    raise SpineError(f"columns of type {kind!r}, such as {column}, cannot be copied")


def long_texts(table: Table) -> list[str]:
    """The columns that Db2 keeps as LOBs."""
    return [column.name for column in table.columns if isinstance(column.type, Text)]


def _links(table: Table) -> tuple[str, ...]:
    """The columns that refer to the table itself."""
    return tuple(
        column.name
        for column in table.columns
        if any(key.column.table is table for key in column.foreign_keys)
    )
