"""Many rows in one statement: each column goes as an array, so the text of the statement is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    String,
    Subquery,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine


def insert_arrays(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all name the same columns, in their order."""
    connection.execute(_insertion(table, tuple(rows[0])), _arrays(rows)).close()


def update_by_arrays(
    connection: Connection,
    table: Table,
    keys: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    condition: ColumnElement[bool],
) -> int:
    """Write columns of each row where its ``keys`` are and the condition holds; how many."""
    new = _unnested(table, tuple(rows[0]))
    values = {name: new.c[name] for name in rows[0] if name not in keys}
    these = (table.c[key] == new.c[key] for key in keys)
    statement = update(table).where(*these, condition).values(values)
    return connection.execute(statement, _arrays(rows)).rowcount


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> Executable:
    new = _unnested(table, names)
    return insert(table).from_select(names, select(*(new.c[name] for name in names)))


@cache
def _unnested(table: Table, names: tuple[str, ...]) -> Subquery:
    columns = (func.unnest(_array(table, name)).label(name) for name in names)
    return select(*columns).subquery("new")


def _array(table: Table, name: str) -> ColumnElement[Any]:
    of: TypeEngine[Any] = table.c[name].type
    # Neither the length nor the collation is a part of what is handed over.
    return bindparam(f"{name}_array", type_=ARRAY(String() if isinstance(of, String) else of))


def _arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names: Iterable[str] = rows[0]
    return {f"{name}_array": [row[name] for row in rows] for name in names}
