"""The types of Db2's columns, as its driver describes them."""

from __future__ import annotations

from typing import Any

import ibm_db
import polars as pl

from ....domain.errors import ValidationError
from .values import EXACT, TIMESTAMP, decimal_type

_SMALL, _SINGLE, _MICROSECONDS = 5, 7, 6
_DECFLOATS = (16, 34)
_TYPES: dict[str, pl.DataType] = {
    "bigint": pl.Int64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "time": pl.Time(),
    "blob": pl.Binary(),
    "binary": pl.Binary(),
    "clob": pl.String(),
    "dbclob": pl.String(),
    "xml": pl.String(),
}


def column_type(statement: Any, place: int) -> pl.DataType | None:
    """The type of a column of a prepared statement; None where only its values tell.

    Raises a ValidationError for timestamps finer than the driver reads them.
    """
    kind: str = ibm_db.field_type(statement, place)
    precision: int = ibm_db.field_precision(statement, place)
    scale: int = ibm_db.field_scale(statement, place)
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "int":
        return pl.Int16() if precision == _SMALL else pl.Int32()
    if kind == "decimal":
        return decimal_type(precision, scale)
    if kind == "real":
        if precision in _DECFLOATS:
            return EXACT
        return pl.Float32() if precision == _SINGLE else pl.Float64()
    if kind == "timestamp":
        _check_fraction(ibm_db.field_name(statement, place), scale)
        return TIMESTAMP
    # Text and text FOR BIT DATA are both strings to the driver; of bits it shows two digits each.
    width: int = ibm_db.field_display_size(statement, place)
    return None if width == 2 * precision else pl.String()


def _check_fraction(name: str, scale: int) -> None:
    if scale > _MICROSECONDS:
        raise ValidationError(
            f"column {name} has {scale} digits of a second, and its driver reads 6",
            hint=f"cast the column in the query, for example CAST({name} AS TIMESTAMP(6))",
        )
