"""Texts and numbers of a database as typed columns: exact, or an error that names the column."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ....domain.errors import ValidationError

_DIGITS = 38
EXACT = pl.Decimal(_DIGITS, 18)
"""The type of numbers for which the database declares no precision."""

TIMESTAMP = pl.Datetime("us")
TIMESTAMP_UTC = pl.Datetime("us", "UTC")

_NUMBER = r"^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$"
_SHOWN = 40
_FIXED = ("%Y-%m-%d %H:%M:%S.%6f", "%Y-%m-%d %H:%M:%S")
_ANY_FRACTION = "%Y-%m-%d %H:%M:%S%.f"


def decimal_type(precision: int, scale: int) -> pl.Decimal:
    """The type of numbers with that many digits, ``scale`` of them behind the point.

    EXACT where there is no such type; every value is checked against that.
    """
    fits = 0 < precision <= _DIGITS and 0 <= scale <= precision
    return pl.Decimal(precision, scale) if fits else EXACT


def from_text(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    """What the texts stand for, as ``dtype``; null stays null.

    Numbers are in digits, dates and times as ISO 8601 has them, binary in hex.
    Raises a ValidationError that names the column and a value which ``dtype`` cannot hold exactly.
    """
    if dtype == pl.String():
        return text
    if isinstance(dtype, pl.Decimal):
        return _decimals(text, dtype)
    if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
        return _times(text, dtype)
    try:
        if dtype == pl.Binary():
            return text.str.decode("hex")
        return text.cast(dtype)
    except pl.exceptions.PolarsError:
        raise _unfit(text, dtype, _first_failing(text, dtype)) from None


def contradiction(name: str, dtype: pl.DataType, value: object) -> ValidationError:
    """The error for a value that the type of its column cannot hold."""
    shown = value if isinstance(value, int | float) else repr(value)
    shown = str(shown)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    return ValidationError(
        f"column {name} holds {shown}, which is no exact {_named(dtype)}",
        hint=f"cast the column in the query, for example CAST({name} AS {_castable(dtype)})",
        metadata={"column": name},
    )


def _decimals(text: pl.Series, dtype: pl.Decimal) -> pl.Series:
    scale = dtype.scale
    frame = text.rename("n").to_frame()
    fraction = pl.col("n").str.extract(r"\.(\d*?)0*$").str.len_bytes().fill_null(0)
    proper = frame.select(pl.col("n").str.contains(_NUMBER) & (fraction <= scale))["n"]
    if not proper.all():
        raise _unfit(text, dtype, proper.arg_min())
    try:
        return text.cast(dtype)
    except pl.exceptions.PolarsError:
        raise _unfit(text, dtype, _first_failing(text, dtype)) from None


def _times(text: pl.Series, dtype: pl.Date | pl.Datetime | pl.Time) -> pl.Series:
    try:
        if isinstance(dtype, pl.Datetime):
            return _moments(text, dtype)
        return _read_times(text, dtype, strict=True)
    except pl.exceptions.PolarsError:
        raise _unfit(text, dtype, _first_failing(text, dtype)) from None


def _read_times(
    text: pl.Series, dtype: pl.Date | pl.Datetime | pl.Time, *, strict: bool
) -> pl.Series:
    if isinstance(dtype, pl.Date):
        return text.str.to_date("%Y-%m-%d", strict=strict)
    if isinstance(dtype, pl.Time):
        return text.str.to_time("%H:%M:%S%.f", strict=strict)
    zone = "%#z" if dtype.time_zone else ""
    return text.str.to_datetime(_ANY_FRACTION + zone, time_unit="us", strict=strict)


def _moments(text: pl.Series, dtype: pl.Datetime, layouts: Sequence[str] = _FIXED) -> pl.Series:
    """The usual forms first: polars reads a fixed layout three times as fast as any other."""
    if not layouts:
        return _read_times(text, dtype, strict=True)
    layout = layouts[0] + ("+00" if dtype.time_zone else "")
    read = text.str.to_datetime(layout, time_unit="us", strict=False)
    found = read.dt.replace_time_zone(dtype.time_zone)
    left = found.is_null() & text.is_not_null()
    if not left.any():
        return found
    return found.scatter(left.arg_true(), _moments(text.filter(left), dtype, layouts[1:]))


def _first_failing(text: pl.Series, dtype: pl.DataType) -> int | None:
    """Where the first value stands that ``dtype`` does not take."""
    if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
        taken = _read_times(text, dtype, strict=False)
    elif dtype == pl.Binary():
        taken = text.str.decode("hex", strict=False)
    else:
        taken = text.cast(dtype, strict=False)
    return (taken.is_null() & text.is_not_null()).arg_max()


def _unfit(text: pl.Series, dtype: pl.DataType, place: int | None) -> ValidationError:
    return contradiction(text.name, dtype, text[place or 0])


def _named(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"number of {dtype.precision} digits, {dtype.scale} of them behind the point"
    if isinstance(dtype, pl.Datetime):
        return "timestamp in microseconds, year 1 to 9999"
    if isinstance(dtype, pl.Date):
        return "date of the years 1 to 9999"
    return str(dtype)


def _castable(dtype: pl.DataType) -> str:
    return "DECIMAL(38, 10) or TEXT" if isinstance(dtype, pl.Decimal) else "TEXT"
