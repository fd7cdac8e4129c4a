"""Reading by pages of a key: each page is a short statement of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import polars as pl

from ....domain.errors import ValidationError
from .request import quoted

FETCH_FIRST = "FETCH FIRST {} ROWS ONLY"
LIMIT = "LIMIT {}"  # SQLite has no other way to say it


class Paged(Protocol):
    """What a session does to be read by pages; ``after`` is the key of the last row seen."""

    def page(self, after: object | None, rows: int) -> Iterator[pl.DataFrame]: ...

    def last(self) -> object:
        """The key of the last row of the last page."""
        ...

    def holds_null(self) -> bool:
        """Whether a column of the key is null in any row."""
        ...

    def ambiguous(self, last: object) -> bool:
        """Whether the key ``last`` is that of several rows."""
        ...


def pages(paged: Paged, key: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """All rows in the order of ``key``, ``rows`` to a page.

    Raises a ValidationError where pages would lose rows: the key is null or not unique.
    """
    if paged.holds_null():
        raise _no_key(key, "is null in some rows")
    after: object | None = None
    while True:
        count = 0
        for frame in paged.page(after, rows):
            count += frame.height
            yield frame
        if count < rows:
            return
        after = paged.last()
        if paged.ambiguous(after):
            raise _no_key(key, "is the same in several rows")


def _no_key(key: Sequence[str], what: str) -> ValidationError:
    return ValidationError(
        f"pages by {', '.join(key)} would lose rows: it {what}",
        hint="give a key that is filled and unique in every row, or read without a key",
    )


def page_query(
    query: str,
    key: Sequence[str],
    after: Sequence[str] | None,
    rows: int,
    *,
    row_values: bool = True,
    first: str = FETCH_FIRST,
) -> str:
    """``rows`` rows of ``query`` by ``key``, from behind ``after``: an expression per column.

    Without ``row_values`` the condition is written out; its expressions are those that
    :func:`expanded` gives.
    """
    columns = [quoted(name) for name in key]
    where = ""
    if after is not None and row_values:
        where = f"WHERE ({', '.join(columns)}) > ({', '.join(after)})\n"
    elif after is not None:
        where = f"WHERE {_written_out(columns, after)}\n"
    order = f"ORDER BY {', '.join(columns)} {first.format(rows)}"
    return f"SELECT * {_of(query)}\n{where}{order}"


def null_query(query: str, key: Sequence[str], first: str = FETCH_FIRST) -> str:
    """Gives a row when a column of ``key`` is null anywhere."""
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    return f"SELECT 1 AS spine_found {_of(query)}\nWHERE {nulls} {first.format(1)}"


def same_query(
    query: str, key: Sequence[str], values: Sequence[str], first: str = FETCH_FIRST
) -> str:
    """Gives as many rows, up to 2, as have the key ``values``."""
    same = " AND ".join(
        f"{quoted(name)} = {value}" for name, value in zip(key, values, strict=True)
    )
    return f"SELECT 1 AS spine_found {_of(query)}\nWHERE {same} {first.format(2)}"


def first_value_query(query: str, column: str, first: str = FETCH_FIRST) -> str:
    """Gives one value of ``column`` that is not null, if there is any."""
    name = quoted(column)
    return f"SELECT {name} {_of(query)}\nWHERE {name} IS NOT NULL {first.format(1)}"


def expanded(values: Sequence[object]) -> list[object]:
    """The values in the order in which the written-out condition names them."""
    return [value for depth in range(len(values)) for value in values[: depth + 1]]


def _of(query: str) -> str:
    return f"FROM (\n{query}\n) AS spine_page"


def _written_out(columns: Sequence[str], after: Sequence[str]) -> str:
    """(a > x) OR (a = x AND b > y) OR ..."""
    alternatives = []
    for depth, column in enumerate(columns):
        same = [f"{columns[place]} = {after[place]}" for place in range(depth)]
        alternatives.append("(" + " AND ".join([*same, f"{column} > {after[depth]}"]) + ")")
    return " OR ".join(alternatives)
