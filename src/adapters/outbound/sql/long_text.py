"""Text of any length in tables that are loaded in bulk.

A VARCHAR column holds what fits. Where any text of a row does not fit, the row is inserted by
itself, that text standing in the LOB column beside, because Db2 takes no LOB in a bulk insert.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from sqlalchemy import Table, insert

from .transaction import SqlTransaction


def insert_texts(
    transaction: SqlTransaction,
    table: Table,
    capture_key: int,
    rows: pl.DataFrame,
    *,
    limits: Mapping[str, int],
    long_columns: Mapping[str, str],
) -> None:
    """Insert ``rows`` of one capture.

    ``limits`` gives the bytes that each text column holds, ``long_columns`` the column that
    takes its longer texts.
    """
    fits = pl.all_horizontal(pl.col(name).str.len_bytes() <= size for name, size in limits.items())
    transaction.dialect.insert_frame(
        transaction.writing, table, {"capture_key": capture_key}, rows.filter(fits)
    )
    for row in rows.filter(~fits).iter_rows(named=True):
        values = {"capture_key": capture_key, **row}
        for name, size in limits.items():
            if len(row[name].encode()) > size:
                values |= {name: "", long_columns[name]: row[name]}
        transaction.write(insert(table), values)
