"""Rows as a driver of Python gives them, as typed frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl

from ....domain.errors import ValidationError
from .values import contradiction, from_text

_EXACT_IN_FLOAT = 2**53
_NUMBERS = frozenset({int, float, str, Decimal})
_FINER = r"\.\d{6}\d*[1-9]"
_OF_VALUES: dict[frozenset[type], pl.DataType] = {
    frozenset({int}): pl.Int64(),
    frozenset({float}): pl.Float64(),
    frozenset({int, float}): pl.Float64(),
    frozenset({str}): pl.String(),
    frozenset({bytes}): pl.Binary(),
}
# Of the values of a column the types that its own type takes as they are.
_TAKES: tuple[tuple[type[pl.DataType], frozenset[type]], ...] = (
    (pl.String, frozenset({str})),
    (pl.Binary, frozenset({bytes})),
    (pl.Int64, frozenset({int})),
    (pl.Int32, frozenset({int})),
    (pl.Int16, frozenset({int})),
    (pl.Float64, frozenset({int, float})),
    (pl.Float32, frozenset({int, float})),
    (pl.Boolean, frozenset({int, bool})),
    (pl.Decimal, _NUMBERS),
    (pl.Date, frozenset({str, date})),
    (pl.Time, frozenset({str, time})),
    (pl.Datetime, frozenset({str, datetime})),
)


class RowFrames:
    """Frames of rows whose columns are those of ``types``, in order.

    A column without a type gets that of its values in the first frame, or of ``first_value(name)``
    where these are all null, and keeps it.
    """

    def __init__(
        self,
        types: Mapping[str, pl.DataType | None],
        first_value: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._types = dict(types)
        self._first_value = first_value

    @property
    def schema(self) -> pl.Schema:
        """The columns; String for one whose type no row has told."""
        return pl.Schema({name: dtype or pl.String() for name, dtype in self._types.items()})

    def frame(self, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
        """The rows, at least one; raises a ValidationError for a value its column cannot hold."""
        columns = zip(*rows, strict=True)
        return pl.DataFrame(
            [self._series(name, values) for name, values in zip(self._types, columns, strict=True)]
        )

    def _series(self, name: str, values: tuple[Any, ...]) -> pl.Series:
        kinds = frozenset(map(type, values)) - {type(None)}
        dtype = self._types[name] or self._told(name, kinds)
        self._types[name] = dtype
        return _converted(name, values, kinds, dtype) if kinds else _nulls(name, values, dtype)

    def _told(self, name: str, kinds: frozenset[type]) -> pl.DataType:
        if not kinds:
            value = self._first_value(name)
            if value is None:
                return pl.String()
            kinds = frozenset({type(value)})
        if kinds in _OF_VALUES:
            return _OF_VALUES[kinds]
        told = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValidationError(
            f"column {name} holds values of several types: {told}",
            hint=f"cast the column in the query, for example CAST({name} AS TEXT)",
            metadata={"column": name},
        )


def _nulls(name: str, values: tuple[Any, ...], dtype: pl.DataType) -> pl.Series:
    return pl.Series(name, [None], dtype=dtype).new_from_index(0, len(values))


def _converted(
    name: str, values: tuple[Any, ...], kinds: frozenset[type], dtype: pl.DataType
) -> pl.Series:
    takes = next(takes for kind, takes in _TAKES if isinstance(dtype, kind))
    if not kinds <= takes:
        odd = kinds - takes
        raise contradiction(name, dtype, next(value for value in values if type(value) in odd))
    if isinstance(dtype, pl.Decimal):
        return _decimals(name, values, dtype)
    if isinstance(dtype, pl.Date | pl.Time | pl.Datetime) and str in kinds:
        return _times(name, values, dtype)
    if isinstance(dtype, pl.Boolean) and int in kinds:
        odd_numbers = set(values) - {0, 1, None}
        if odd_numbers:
            raise contradiction(name, dtype, odd_numbers.pop())
        return pl.Series(name, values, dtype=pl.Int64(), strict=False).cast(dtype)
    if isinstance(dtype, pl.Float64 | pl.Float32) and int in kinds:
        _check_exact(name, values, dtype)
    return pl.Series(name, values, dtype=dtype)


def _check_exact(name: str, values: tuple[Any, ...], dtype: pl.DataType) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > _EXACT_IN_FLOAT:
            raise contradiction(name, dtype, value)


def _decimals(name: str, values: tuple[Any, ...], dtype: pl.Decimal) -> pl.Series:
    # The driver has made an object of every number already; its text is what is exact.
    texts = [None if value is None else str(value) for value in values]
    text = pl.Series(name, texts, dtype=pl.String())
    exponent = text.str.contains("^[-+.0-9]+[eE][-+0-9]+$")
    if exponent.any():
        plain = [f"{Decimal(value):f}" for value in text.filter(exponent)]
        text = text.scatter(exponent.arg_true(), plain)
    return from_text(text, dtype)


def _times(name: str, values: tuple[Any, ...], dtype: pl.DataType) -> pl.Series:
    """Texts as ISO 8601 has them, with a blank or a T between date and time."""
    text = pl.Series(name, list(map(_as_text, values)), dtype=pl.String())
    finer = text.str.contains(_FINER)
    if finer.any():
        raise contradiction(name, dtype, text[finer.arg_max() or 0])
    if isinstance(dtype, pl.Datetime):
        text = text.str.replace(r"^(\d{4}-\d\d-\d\d)T", "$1 ")
        if dtype.time_zone:
            text = text.str.replace("Z$", "+00").str.replace(
                r"(\d\d:\d\d:\d\d(?:\.\d+)?)$", "$1+00"
            )
    return from_text(text, dtype)


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
