"""Values as SQLite keeps them: decimals as counts of millionths, days and times as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

_DAY = "%Y-%m-%d"
_MOMENT = "%Y-%m-%d %H:%M:%S%.6f"
_MILLIONTH = pl.lit("0.000001").cast(pl.Decimal(18, 6))


def stored_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of ``frame`` as the driver takes them; exact. Times are naive UTC."""
    return frame.select(_stored(name, dtype) for name, dtype in frame.schema.items())


def _stored(name: str, dtype: pl.DataType) -> pl.Expr:
    values = pl.col(name)
    if isinstance(dtype, pl.Decimal):
        return values.cast(pl.Decimal(18, 6)).to_physical().cast(pl.Int64)
    if dtype == pl.Date:
        return values.dt.to_string(_DAY)
    if dtype == pl.Datetime:
        return values.dt.to_string(_MOMENT)
    return values


def restored_frame(rows: list[tuple[Any, ...]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """What the driver fetched, at least one row, in the types of ``schema``; exact."""
    columns = zip(*rows, strict=True)
    return pl.DataFrame(
        [
            _restored(name, values, dtype)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        ]
    )


def _restored(name: str, values: tuple[Any, ...], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Decimal):
        millionths = pl.Series(name, values, dtype=pl.Int64).cast(pl.Decimal(38, 0))
        return millionths.to_frame().select((pl.col(name) * _MILLIONTH).cast(dtype)).to_series()
    if dtype == pl.Date:
        return pl.Series(name, values, dtype=pl.String).str.to_date(_DAY)
    if isinstance(dtype, pl.Datetime):
        return pl.Series(name, values, dtype=pl.String).str.to_datetime(
            _MOMENT, time_unit=dtype.time_unit
        )
    return pl.Series(name, values, dtype=dtype)
