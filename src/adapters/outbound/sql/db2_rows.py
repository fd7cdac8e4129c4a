"""Rows into Db2 and out of it, in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Column, Connection, Dialect, Table, literal_column

from .dialects import S

CHUNK_ROWS = 10_000
_LEFT_STAGES = "spine_left_stages"


def first_rows(statement: S, count: int) -> S:
    """The statement, limited to its first ``count`` rows: by a figure, no parameter, and not 0.

    Older members of the family take neither a parameter nor 0 after FETCH FIRST.
    """
    if count:
        return statement.fetch(literal_column(str(int(count))))
    return statement.where(literal_column("1 = 0"))


def load_frame(
    connection: Connection, table: Table, constants: Mapping[str, int], frame: pl.DataFrame
) -> int:
    """Put the rows of ``frame`` into ``table`` at one blow; how many were taken.

    They go into a temporary table of the session first and from there by one MERGE, so that a
    row that is refused keeps out all others. Rows whose key is in ``table`` already are left out.
    """
    # The same name each time, so that the server need not think again; another one where a load
    # that failed has left its table behind.
    left = connection.info.get(_LEFT_STAGES, 0)
    stage = f"SESSION.SPINE_{table.name}_{left}"
    try:
        taken = _load(connection, stage, table, constants, frame)
    except Exception:
        if not connection.invalidated:
            connection.info[_LEFT_STAGES] = left + 1
        raise
    connection.exec_driver_sql(f"DROP TABLE {stage}")
    return taken


def _load(
    connection: Connection,
    stage: str,
    table: Table,
    constants: Mapping[str, int],
    frame: pl.DataFrame,
) -> int:
    columns = [table.c[name] for name in frame.columns]
    declare, insert = stage_sql(connection.dialect, stage, columns)
    connection.exec_driver_sql(declare)
    for offset in range(0, frame.height, CHUNK_ROWS):
        connection.exec_driver_sql(insert, frame.slice(offset, CHUNK_ROWS).rows())
    merge, parameters = merge_sql(connection.dialect, stage, table, constants, columns)
    return connection.exec_driver_sql(merge, parameters).rowcount


def restored_frame(
    rows: Sequence[tuple[Any, ...]], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """What the driver fetched, at least one row, in the types of ``schema``; exact.

    Decimals come as text.
    """
    columns = zip(*rows, strict=True)
    return pl.DataFrame(
        [
            _restored(name, values, dtype)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        ]
    )


def _restored(name: str, values: tuple[Any, ...], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Decimal):
        return pl.Series(name, values, dtype=pl.String).cast(dtype)
    return pl.Series(name, values, dtype=dtype)


def stage_sql(dialect: Dialect, stage: str, columns: Sequence[Column[Any]]) -> tuple[str, str]:
    """What makes the temporary table ``stage``, and what inserts rows of ``columns`` into it."""
    names = _names(dialect, columns)
    described = ", ".join(
        f"{name} {column.type.compile(dialect=dialect)}"
        for name, column in zip(names, columns, strict=True)
    )
    marks = ", ".join("?" * len(names))
    return (
        f"DECLARE GLOBAL TEMPORARY TABLE {stage} ({described}) ON COMMIT DELETE ROWS NOT LOGGED",
        f"INSERT INTO {stage} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608  # our own names
    )


def merge_sql(
    dialect: Dialect,
    stage: str,
    table: Table,
    constants: Mapping[str, int],
    columns: Sequence[Column[Any]],
) -> tuple[str, tuple[int, ...]]:
    """What takes the rows of ``stage`` into ``table``, and the values of its parameters."""
    fixed = [table.c[name] for name in constants]
    # Bare, a parameter would take the type of the figure: a MERGE asks for the column's.
    values = {
        name: f"CAST(? AS {column.type.compile(dialect=dialect)})"
        for name, column in zip(_names(dialect, fixed), fixed, strict=True)
    }
    values |= {name: f"S.{name}" for name in _names(dialect, columns)}
    key = list(table.primary_key.columns)
    same = " AND ".join(f"T.{name} = {values[name]}" for name in _names(dialect, key))
    statement = (
        f"MERGE INTO {dialect.identifier_preparer.format_table(table)} AS T"  # noqa: S608  # our own names
        f" USING {stage} AS S ON {same} WHEN NOT MATCHED THEN"
        f" INSERT ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    )
    in_key = tuple(constants[column.name] for column in key if column.name in constants)
    return statement, (*in_key, *constants.values())


def _names(dialect: Dialect, columns: Sequence[Column[Any]]) -> list[str]:
    return [dialect.identifier_preparer.quote(column.name) for column in columns]
