"""What the declared type of an SQLite column promises."""

from __future__ import annotations

import re

import polars as pl

from .values import EXACT, TIMESTAMP, TIMESTAMP_UTC, decimal_type

_DECIMAL = re.compile(r"(?:NUMERIC|DECIMAL|DEC)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")
_ZONED = re.compile(r"TIMESTAMPTZ|(?:TIMESTAMP|DATETIME)\s*(?:\(\d+\))?\s*WITH TIME ZONE")
_MOMENT = re.compile(r"(?:TIMESTAMP|DATETIME)\s*(?:\(\d+\))?(?:\s*WITHOUT TIME ZONE)?")
_EXACTLY: dict[str, pl.DataType] = {
    "DATE": pl.Date(),
    "TIME": pl.Time(),
    "BOOLEAN": pl.Boolean(),
    "BOOL": pl.Boolean(),
    "JSON": pl.String(),
    "UUID": pl.String(),
}
# SQLite's own rules, in its order, by what the name of the type contains.
_CONTAINED: tuple[tuple[tuple[str, ...], pl.DataType], ...] = (
    (("INT",), pl.Int64()),
    (("CHAR", "CLOB", "TEXT"), pl.String()),
    (("BLOB", "BINARY", "BYTEA"), pl.Binary()),
    (("REAL", "FLOA", "DOUB"), pl.Float64()),
)


def declared_type(declared: str) -> pl.DataType | None:
    """The type of a column declared so; None where nothing is declared, as for an expression."""
    name = " ".join(declared.upper().split())
    if name in _EXACTLY:
        return _EXACTLY[name]
    if _ZONED.fullmatch(name):
        return TIMESTAMP_UTC
    if _MOMENT.fullmatch(name):
        return TIMESTAMP
    if match := _DECIMAL.fullmatch(name):
        return _decimal(match)
    return next(
        (dtype for words, dtype in _CONTAINED if any(word in name for word in words)),
        None,
    )


def _decimal(match: re.Match[str]) -> pl.DataType:
    if match[1] is None:
        return EXACT
    return decimal_type(int(match[1]), int(match[2] or 0))
