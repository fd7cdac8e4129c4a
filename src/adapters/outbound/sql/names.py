"""Names that are kept once per capture: from text to number and back."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from sqlalchemy import ColumnElement, Table, select

from .long_text import insert_texts
from .schema_finra_otc import NAME_BYTES
from .transaction import SqlTransaction

_FEW = 500
_BATCH_ROWS = 100_000
_SCHEMA = {"number": pl.Int64(), "name": pl.String()}


class Names:
    """The names of one capture. They are only added to, for other tables may refer to them."""

    def __init__(self, transaction: SqlTransaction, table: Table, capture_key: int) -> None:
        self._transaction = transaction
        self._table = table
        self._capture_key = capture_key
        self._known = pl.DataFrame(schema=_SCHEMA)

    def encode(self, rows: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
        """``rows`` with numbers in the place of names; names not seen before are stored first."""
        wanted = list(columns)
        if not wanted or not rows.height:
            return rows
        used = pl.concat([rows[column].unique() for column in wanted]).drop_nulls().unique()
        self._known = self._load()
        self._store(used.alias("name").to_frame().join(self._known, on="name", how="anti"))
        for column in wanted:
            numbers = rows.select(name=column).join(
                self._known, on="name", how="left", maintain_order="left"
            )
            rows = rows.with_columns(numbers["number"].alias(column))
        return rows

    def decode(self, numbers: pl.Series) -> pl.Series:
        """The names behind numbers, null for null."""
        used = numbers.drop_nulls().unique().to_frame("number")
        missing = used.join(self._known, on="number", how="anti")["number"]
        if missing.len() > _FEW or (missing.len() and self._known.height):
            self._known = self._load()
        elif missing.len():
            # One symbol's rows need a few of tens of thousands of names.
            self._known = self._load(self._table.c.name_no.in_(missing.to_list()))
        found = numbers.to_frame("number").join(
            self._known, on="number", how="left", maintain_order="left"
        )
        return found["name"].alias(numbers.name)

    def _load(self, *conditions: ColumnElement[bool]) -> pl.DataFrame:
        columns = self._table.c
        # Each by itself: a LOB that the database composes for every row costs Db2 far more.
        statement = select(columns.name_no, columns.name, columns.name_long).where(
            columns.capture_key == self._capture_key, *conditions
        )
        stored = {**_SCHEMA, "long": pl.String()}
        frames = [
            frame.select("number", name=pl.coalesce("long", "name"))
            for frame in self._transaction.frames(statement, stored, _BATCH_ROWS)
        ]
        return pl.concat(frames) if frames else pl.DataFrame(schema=_SCHEMA)

    def _store(self, fresh: pl.DataFrame) -> None:
        if not fresh.height:
            return
        highest = self._known["number"].max()
        start = int(highest) + 1 if isinstance(highest, int) else 1
        numbers = pl.int_range(start, start + fresh.height, dtype=pl.Int64)
        added = fresh.sort("name").select(numbers.alias("number"), "name")
        insert_texts(
            self._transaction,
            self._table,
            self._capture_key,
            added.rename({"number": "name_no"}),
            limits={"name": NAME_BYTES},
            long_columns={"name": "name_long"},
        )
        self._known = pl.concat([self._known, added])
