"""Datasets: published tables with a declared schema, grain and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from .errors import ValidationError


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, polars type and meaning."""

    name: str
    dtype: pl.DataType
    description: str


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a dataset promises its readers: columns in order, and the key that is unique."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    domain: str

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        return {column.name: column.dtype for column in self.columns}


@dataclass(frozen=True, slots=True)
class DatasetQuery:
    """Which rows of a dataset to read, and as they were known when.

    ``periods`` are inclusive bounds on the business time. ``equals`` compares columns of the
    dataset with text values. ``symbols`` keeps the rows of any of them, ``columns`` are those
    wanted, in their order; all when there are none.
    """

    first_period: date | None = None
    last_period: date | None = None
    segment: str | None = None
    symbol: str | None = None
    equals: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None
    limit: int | None = None
    symbols: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def typed_filter(spec: DatasetSpec, column: str, text: str) -> pl.Expr:
    """The condition ``column = text``, the text read as the column's type.

    Raises a ValidationError for a column that the dataset does not have, or a text that is no
    value of its type.
    """
    dtype = column_type(spec, column)
    try:
        if dtype == pl.Boolean:
            value = pl.Series([{"true": True, "false": False}[text.lower()]])
        elif dtype == pl.Date:
            value = pl.Series([date.fromisoformat(text)])
        else:
            value = pl.Series([text]).cast(dtype, strict=True)
    except (pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise ValidationError(
            f"{text!r} is no value of column {column} of {spec.name}, whose type is {dtype}",
            cause=error,
        ) from error
    return pl.col(column) == pl.lit(value[0], dtype=dtype)


def column_type(spec: DatasetSpec, column: str) -> pl.DataType:
    """The type of a column; raises a ValidationError for one that the dataset does not have."""
    if column not in spec.schema:
        raise ValidationError(
            f"dataset {spec.name} has no column {column!r}",
            hint=f"its columns are {', '.join(spec.column_names)}",
        )
    return spec.schema[column]
