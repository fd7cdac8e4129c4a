"""Which row tables there are, in the terms of their readers: logical columns, kinds and keys.

How a store keeps a column follows from its kind; no database is known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import polars as pl

from ....domain.errors import ConfigurationError, ValidationError

CODE_BYTES = 80
"""The most that a CODE takes in UTF-8: 20 characters of whatever script."""


class Kind(Enum):
    """What a column holds. A CODE is short text, a NAME text of any length that repeats."""

    CODE = "code"
    NAME = "name"
    QUANTITY = "quantity"
    COUNT = "count"
    DAY = "day"
    NUMBER = "number"

    @property
    def dtype(self) -> pl.DataType:
        """The polars type that readers and writers see."""
        return _DTYPES[self]


_DTYPES: dict[Kind, pl.DataType] = {
    Kind.CODE: pl.String(),
    Kind.NAME: pl.String(),
    Kind.QUANTITY: pl.Decimal(18, 6),
    Kind.COUNT: pl.Int64(),
    Kind.DAY: pl.Date(),
    Kind.NUMBER: pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class RowField:
    """A logical column; ``column`` is its name in the database where the two differ."""

    name: str
    kind: Kind
    nullable: bool = True
    column: str = ""

    @property
    def stored_as(self) -> str:
        return self.column or (f"{self.name}_no" if self.kind is Kind.NAME else self.name)

    @property
    def stored_dtype(self) -> pl.DataType:
        """Its type in the database's frames: a NAME stands there by its number."""
        return pl.Int64() if self.kind is Kind.NAME else self.kind.dtype


@dataclass(frozen=True, slots=True)
class RowTable:
    """A table of rows that belong to captures, unique and ordered by ``key`` within each.

    Texts of kind NAME are kept once per capture in ``names_table`` and referred to by number.
    """

    name: str
    key: tuple[str, ...]
    fields: tuple[RowField, ...]
    names_table: str

    @property
    def schema(self) -> dict[str, pl.DataType]:
        return {field.name: field.kind.dtype for field in self.fields}

    def chosen(self, columns: Iterable[str] | None) -> tuple[RowField, ...]:
        """The fields of these names, in the order asked; all when None.

        Raises a ValidationError for a column that the table does not have.
        """
        if columns is None:
            return self.fields
        by_name = {field.name: field for field in self.fields}
        wanted = tuple(columns)
        for name in wanted:
            if name not in by_name:
                raise ValidationError(
                    f"table {self.name} has no column {name!r}",
                    hint=f"its columns are {', '.join(by_name)}",
                )
        return tuple(by_name[name] for name in wanted)

    def key_field(self, name: str) -> RowField:
        """The text column of the key of that name; raises a ValidationError for any other."""
        (field,) = self.chosen([name])
        if name not in self.key or field.kind is not Kind.CODE:
            raise ValidationError(
                f"rows of {self.name} cannot be picked by {name!r}",
                hint=f"the text columns of its key are {', '.join(self.key)}",
            )
        return field


FINRA_OTC_NAMES = "finra_otc_names"

FINRA_OTC_TABLES = (
    RowTable(
        "finra_otc_venue_volume",
        ("symbol", "mpid"),
        (
            RowField("symbol", Kind.CODE, nullable=False),
            RowField("mpid", Kind.CODE, nullable=False),
            RowField("venue_name", Kind.NAME),
            RowField("issue_name", Kind.NAME),
            RowField("shares", Kind.QUANTITY, nullable=False),
            RowField("trades", Kind.COUNT, nullable=False),
            RowField("last_update_date", Kind.DAY),
        ),
        FINRA_OTC_NAMES,
    ),
    RowTable(
        "finra_otc_symbol_measures",
        ("symbol",),
        (
            RowField("symbol", Kind.CODE, nullable=False),
            RowField("issue_name", Kind.NAME),
            RowField("total_shares", Kind.QUANTITY, nullable=False),
            RowField("total_trades", Kind.COUNT, nullable=False),
            RowField("venue_count", Kind.COUNT),
            RowField("avg_trade_size", Kind.NUMBER),
            RowField("top_venue", Kind.CODE),
            RowField("top_venue_share", Kind.NUMBER),
            RowField("hhi", Kind.NUMBER),
            RowField("effective_venues", Kind.NUMBER),
            RowField("sessions", Kind.COUNT, column="session_count"),
            RowField("shares_per_session", Kind.NUMBER),
            RowField("score", Kind.NUMBER),
        ),
        FINRA_OTC_NAMES,
    ),
    RowTable(
        "finra_otc_venue_share",
        ("mpid",),
        (
            RowField("mpid", Kind.CODE, nullable=False),
            RowField("venue_name", Kind.NAME),
            RowField("total_shares", Kind.QUANTITY, nullable=False),
            RowField("total_trades", Kind.COUNT, nullable=False),
            RowField("symbol_count", Kind.COUNT),
            RowField("share", Kind.NUMBER, column="share_fraction"),
            RowField("rank", Kind.COUNT, column="rank_no"),
        ),
        FINRA_OTC_NAMES,
    ),
)

ROW_TABLES = {table.name: table for table in FINRA_OTC_TABLES}


def row_table(name: str) -> RowTable:
    """The table of that name; raises a ConfigurationError when no domain has declared it."""
    try:
        return ROW_TABLES[name]
    except KeyError:
        raise ConfigurationError(
            f"the store has no row table {name!r}",
            hint=f"declared are {', '.join(sorted(ROW_TABLES))}",
        ) from None
