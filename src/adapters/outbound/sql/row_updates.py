"""Many rows changed by one statement that is executed for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, update


def update_each(
    connection: Connection,
    table: Table,
    keys: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    condition: ColumnElement[bool],
) -> int:
    """Write columns of each row where its ``keys`` are and the condition holds; how many."""
    # The names of the columns themselves are those of values.
    these = (table.c[key] == bindparam(f"this_{key}") for key in keys)
    statement = update(table).where(*these, condition)
    given = [{f"this_{n}" if n in keys else n: v for n, v in row.items()} for row in rows]
    return connection.execute(statement, given).rowcount
