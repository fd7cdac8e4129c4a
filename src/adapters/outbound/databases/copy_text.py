r"""What PostgreSQL sends for COPY TO STDOUT, as frames.

In COPY's text format a row is a line and a field ends at a tab, whatever the values are: tabs,
line ends and backslashes inside values are escaped, and null alone is ``\N``.
"""

from __future__ import annotations

import polars as pl

from .values import EXACT, TIMESTAMP, TIMESTAMP_UTC, contradiction, decimal_type, from_text

_NULL = "\\N"
_ESCAPES = {
    "\\\\": "\\",
    "\\b": "\b",
    "\\f": "\f",
    "\\n": "\n",
    "\\r": "\r",
    "\\t": "\t",
    "\\v": "\v",
}
_NUMERIC = 1700
_TYPES: dict[int, pl.DataType] = {
    16: pl.Boolean(),
    17: pl.Binary(),
    20: pl.Int64(),
    21: pl.Int16(),
    23: pl.Int32(),
    26: pl.Int64(),  # an object id is unsigned, of 32 bits
    700: pl.Float32(),
    701: pl.Float64(),
    1082: pl.Date(),
    1083: pl.Time(),
    1114: TIMESTAMP,
    1184: TIMESTAMP_UTC,
}
_DIRECT = (pl.Int64, pl.Int32, pl.Int16, pl.Float64, pl.Float32)


def column_type(oid: int, modifier: int) -> pl.DataType:
    """The type of a column from its type's number and modifier; String where there is no better."""
    if oid != _NUMERIC:
        return _TYPES.get(oid, pl.String())
    if modifier < 0:
        return EXACT
    precision = ((modifier - 4) >> 16) & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    return decimal_type(precision, scale)


class CopyText:
    """Takes apart lines of COPY whose columns are those of ``schema``."""

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._raw = pl.Schema(dict.fromkeys(schema, pl.String()))
        self._read_as = pl.Schema(
            {name: dtype if _direct(dtype) else pl.String() for name, dtype in schema.items()}
        )
        # polars would take the first bytes of a text for a byte order mark or for zlib's magic:
        # a line of our own stands before them.
        self._guard = "\t".join([_NULL] * len(schema)).encode() + b"\n"

    def frame(self, lines: bytes) -> pl.DataFrame:
        """The rows of some whole lines; raises a ValidationError for a value without a type."""
        escaped = b"\\" in lines and lines.count(b"\\") != lines.count(b"\\N")
        try:
            read = self._parsed(lines, self._read_as)
        except pl.exceptions.ComputeError:
            # Some value is not of its type (NaN in a numeric column): find out which.
            read = self._parsed(lines, self._raw)
        return pl.DataFrame([self._typed(column, escaped=escaped) for column in read])

    def _parsed(self, lines: bytes, schema: pl.Schema) -> pl.DataFrame:
        frame = pl.read_csv(
            self._guard + lines,
            has_header=False,
            separator="\t",
            quote_char=None,
            schema=schema,
            null_values=[_NULL],
            empty_string_is_null=False,
        )
        return frame.slice(1)

    def _typed(self, column: pl.Series, *, escaped: bool) -> pl.Series:
        dtype = self._schema[column.name]
        if column.dtype == dtype:
            return _unescaped(column) if escaped and dtype == pl.String() else column
        if dtype == pl.Boolean():
            return column == "t"
        if dtype == pl.Binary():
            return from_text(_hex(column), dtype)
        return from_text(column, dtype)


def _direct(dtype: pl.DataType) -> bool:
    # A number whose digits are declared has no more of them than its type.
    return isinstance(dtype, _DIRECT) or (isinstance(dtype, pl.Decimal) and dtype != EXACT)


def _unescaped(column: pl.Series) -> pl.Series:
    replaced = pl.col(column.name).str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return column.to_frame().select(replaced).to_series()


def _hex(column: pl.Series) -> pl.Series:
    marked = column.str.starts_with("\\\\x")
    if not marked.all():
        raise contradiction(column.name, pl.Binary(), column[marked.arg_min() or 0])
    return column.str.slice(3)
