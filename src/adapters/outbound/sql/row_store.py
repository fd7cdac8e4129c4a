"""Rows of data tables: from logical frames to what the database keeps, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Select, Table, delete, select

from .capture_queries import require_capture
from .metadata import METADATA
from .names import Names
from .row_frames import conform
from .row_tables import Kind, RowField, RowTable, row_table
from .transaction import SqlTransaction


class SqlRowStore:
    """Row tables of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def replace(self, table: str, capture_key: int, rows: pl.DataFrame) -> int:
        declared = row_table(table)
        target = METADATA.tables[table]
        rows = conform(declared, rows)
        # Asked once for all rows: a foreign key would ask for each, which is half of a load.
        require_capture(self._transaction, capture_key)
        self._transaction.write(delete(target).where(target.c.capture_key == capture_key), {})
        if not rows.height:
            return 0
        rows = self._names(declared, capture_key).encode(
            rows, [field.name for field in declared.fields if field.kind is Kind.NAME]
        )
        self._transaction.dialect.insert_frame(
            self._transaction.writing,
            target,
            {"capture_key": capture_key},
            rows.select(pl.col(field.name).alias(field.stored_as) for field in declared.fields),
        )
        return rows.height

    def read(
        self,
        table: str,
        capture_key: int,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
        batch_rows: int = 100_000,
    ) -> Iterator[pl.DataFrame]:
        declared = row_table(table)
        fields = declared.chosen(columns)
        statement = row_selection(declared, capture_key, fields, where or {})
        names = self._names(declared, capture_key)
        schema = {field.name: field.stored_dtype for field in fields}
        encoded = [field.name for field in fields if field.kind is Kind.NAME]
        for frame in self._transaction.frames(statement, schema, batch_rows):
            yield frame.with_columns(names.decode(frame[name]) for name in encoded)

    def _names(self, declared: RowTable, capture_key: int) -> Names:
        return Names(self._transaction, METADATA.tables[declared.names_table], capture_key)


def row_selection(
    declared: RowTable,
    capture_key: int,
    fields: Sequence[RowField],
    where: Mapping[str, str],
) -> Select[Any]:
    """One capture's rows, in the order of the key, as the database keeps them."""
    table: Table = METADATA.tables[declared.name]
    conditions = [
        table.c[declared.key_field(name).stored_as] == value for name, value in where.items()
    ]
    return (
        select(*(table.c[field.stored_as] for field in fields))
        .where(table.c.capture_key == capture_key, *conditions)
        .order_by(*(table.c[declared.key_field(name).stored_as] for name in declared.key))
    )
