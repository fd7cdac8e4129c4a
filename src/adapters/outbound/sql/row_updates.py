"""Many rows changed by one statement that is executed for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, update


def update_each(
    connection: Connection,
    table: Table,
    key: str,
    rows: Sequence[Mapping[str, Any]],
    condition: ColumnElement[bool],
) -> int:
    """Write the columns of each row where its ``key`` is and the condition holds; how many."""
    place = f"this_{key}"  # the name of the column itself is that of a value
    statement = update(table).where(table.c[key] == bindparam(place), condition)
    given = [{place: row[key], **{n: v for n, v in row.items() if n != key}} for row in rows]
    return connection.execute(statement, given).rowcount
