"""Frames of whole tables into the database, keys included, and out of it again."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from sqlalchemy import Table, bindparam, delete, func, insert, select, update

from ....ports.store_copy import CopyTable
from .copying_reader import long_texts
from .schema import METADATA
from .transaction import SqlTransaction


def append_rows(transaction: SqlTransaction, table: CopyTable, rows: pl.DataFrame) -> None:
    """Insert ``rows``, all columns of the table, with nulls in place of links."""
    target = METADATA.tables[table.name]
    rows = rows.drop(table.links)
    texts = long_texts(target)
    if not texts or transaction.dialect.loads_long_text:
        transaction.dialect.insert_frame(transaction.writing, target, {}, rows)
        return
    long = pl.any_horizontal(pl.col(texts).is_not_null())
    short = rows.filter(~long).drop(texts)
    if short.height:
        transaction.dialect.insert_frame(transaction.writing, target, {}, short)
    for values in _aware(rows.filter(long)).iter_rows(named=True):
        transaction.write(insert(target), values)


def link_rows(transaction: SqlTransaction, table: CopyTable, rows: pl.DataFrame) -> None:
    """Set the links of rows that are there, as they are in ``rows``."""
    target = METADATA.tables[table.name]
    keys = [column.name for column in target.primary_key.columns]
    statement = (
        update(target)
        .where(*(target.c[name] == bindparam(f"key_{name}") for name in keys))
        .values({name: bindparam(f"link_{name}") for name in table.links})
    )
    named = rows.select(
        *(pl.col(name).alias(f"key_{name}") for name in keys),
        *(pl.col(name).alias(f"link_{name}") for name in table.links),
    )
    transaction.write(statement, named.to_dicts())


def with_dependents(name: str) -> Iterator[Table]:
    """The table and all that refer to it, directly or not; each before those it refers to."""
    found = {name}
    tables = METADATA.sorted_tables
    for table in tables:
        if any(key.column.table.name in found for key in table.foreign_keys):
            found.add(table.name)
    return (table for table in reversed(tables) if table.name in found)


def delete_some(transaction: SqlTransaction, table: Table) -> bool:
    """Delete rows, of one capture where rows belong to captures; whether there may be more."""
    first, *others = table.primary_key.columns
    if not others or first.name != "capture_key":
        transaction.write(delete(table), {})
        return False
    lowest = transaction.rows(select(func.min(first)))[0][0]
    if lowest is not None:
        transaction.write(delete(table).where(first == lowest), {})
    return lowest is not None


def _aware(rows: pl.DataFrame) -> pl.DataFrame:
    """Times as single statements take them: with their zone."""
    return rows.with_columns(pl.col(pl.Datetime).dt.replace_time_zone("UTC"))
