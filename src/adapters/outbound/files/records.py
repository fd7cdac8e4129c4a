"""The slow path: text with irregular lines, split into records and malformed lines.

All of it works on whole columns; only the chunks that need it come here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from ....ports.sources import LINE, MALFORMED_SCHEMA
from .encoding import NUL, UNDECODABLE
from .failures import undecodable_hint
from .layout import QUOTE, Layout

CUT_OFF = "CUT_OFF"
CUT_OFF_DETAIL = "the file ends in the middle of this record"


class Piece(NamedTuple):
    """Some consecutive records: the good ones with LINE, and the malformed ones."""

    frame: pl.DataFrame
    malformed: pl.DataFrame

    @property
    def rows(self) -> int:
        return self.frame.height + self.malformed.height


def split_lines(text: str, first_line: int) -> pl.DataFrame:
    """Columns line and raw: the physical lines of ``text``, their LF taken off."""
    ended = text.endswith("\n")
    raw = pl.Series("raw", [text[:-1] if ended else text], dtype=pl.String).str.split("\n")
    lines = raw.explode().to_frame()
    return lines.select(
        pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64).alias("line"), "raw"
    )


def plain_records(text: str, first_line: int) -> pl.DataFrame:
    """Columns line, raw, broken (false): one record a line, without its line end.

    A last line that is not ended keeps its carriage return.
    """
    lines = split_lines(text, first_line)
    ended = pl.lit(value=True) if text.endswith("\n") else pl.int_range(pl.len()) < lines.height - 1
    return lines.select(
        "line",
        pl.when(ended).then(pl.col("raw").str.strip_suffix("\r")).otherwise("raw").alias("raw"),
        pl.lit(value=False).alias("broken"),
    )


def trailing_blank(records: pl.DataFrame) -> int:
    """How many records at the end are blank lines."""
    if records.is_empty() or records["raw"][-1]:
        return 0
    filled = (records["raw"] != "").arg_true()
    return records.height - (int(filled[-1]) + 1 if len(filled) else 0)


def take_apart(
    records: pl.DataFrame, layout: Layout, *, unended: bool = False, cut_first: bool = False
) -> Piece:
    """The fields of every good record, and the reason why another is not good.

    The last record has no line end where ``unended`` is set: it is cut off if fields are missing.
    The first one is cut off where ``cut_first`` is set.
    """
    checked = _checked(records, layout, unended=unended, cut_first=cut_first)
    good = checked.filter(pl.col("reason").is_null())
    bad = checked.filter(pl.col("reason").is_not_null())
    return Piece(_fields(good, layout), _malformed(bad, layout))


def _checked(
    records: pl.DataFrame, layout: Layout, *, unended: bool, cut_first: bool
) -> pl.DataFrame:
    raw = pl.col("raw")
    place = pl.int_range(pl.len())
    too_few = (place == pl.len() - 1) & (pl.col("fields") < layout.width)
    cut_off = (too_few & pl.lit(unended)) | ((place == 0) & pl.lit(cut_first))
    quoting = ~pl.col("broken") & well_quoted(raw, layout) if layout.quoted else pl.lit(value=True)
    return records.with_columns(field_count(raw, layout).alias("fields")).with_columns(
        # First of all: a cut may go through a character or a quoted field as well.
        pl.when(cut_off)
        .then(pl.lit(CUT_OFF))
        .when(raw.str.contains(NUL, literal=True))
        .then(pl.lit("NUL_BYTE"))
        .when(raw.str.contains(UNDECODABLE, literal=True))
        .then(pl.lit("BAD_ENCODING"))
        .when(~quoting)
        .then(pl.lit("BAD_QUOTING"))
        .when(pl.col("fields") != layout.width)
        .then(pl.lit("RAGGED_ROW"))
        .alias("reason")
    )


def field_count(raw: pl.Expr, layout: Layout) -> pl.Expr:
    """How many fields a record has, if it is well quoted."""
    outside = raw.str.replace_all(r'"[^"]*"', "") if layout.quoted else raw
    return outside.str.count_matches(layout.delimiter, literal=True).cast(pl.Int64) + 1


def well_quoted(raw: pl.Expr, layout: Layout) -> pl.Expr:
    """Whether every quote of a record encloses a whole field, or is doubled inside one."""
    mark = re.escape(layout.delimiter)
    return raw.str.contains(f"^{field_pattern(layout)}(?:{mark}{field_pattern(layout)})*$")


def field_pattern(layout: Layout) -> str:
    """The pattern of one field, quoted or not."""
    return f'(?:"(?:[^"]|"")*"|[^"{re.escape(layout.delimiter)}]*)'


def _fields(good: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    names = list(layout.columns)
    line = pl.col("line").alias(LINE)
    if not layout.quoted:
        parts = pl.col("raw").str.split_exact(layout.delimiter, layout.width - 1)
        split = good.select(parts.struct.rename_fields(names).struct.unnest(), line)
        return split.with_columns([_null_if_empty(pl.col(name)) for name in names])
    field = re.escape(layout.delimiter) + field_pattern(layout)
    found = good.select(
        pl.concat_str(pl.lit(layout.delimiter), pl.col("raw")).str.extract_all(field).alias("f"),
        line,
    )
    fields = [
        _unquoted(pl.col("f").list.get(place, null_on_oob=True).str.slice(1)).alias(name)
        for place, name in enumerate(names)
    ]
    return found.select(*fields, LINE)


def _null_if_empty(field: pl.Expr) -> pl.Expr:
    return pl.when(field != "").then(field)


def _unquoted(field: pl.Expr) -> pl.Expr:
    inner = field.str.slice(1, field.str.len_chars() - 2).str.replace_all('""', QUOTE, literal=True)
    return pl.when(field.str.starts_with(QUOTE)).then(inner).when(field != "").then(field)


def _malformed(bad: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    if bad.is_empty():
        return pl.DataFrame(schema=MALFORMED_SCHEMA)
    ragged = (
        pl.when(pl.col("raw") == "")
        .then(pl.format("expected {} fields, found a blank line", pl.lit(layout.width)))
        .otherwise(
            pl.format("expected {} fields, found {}", pl.lit(layout.width), pl.col("fields"))
        )
    )
    quoting = 'a quote (") stands inside an unquoted field, or is never closed properly'
    detail = (
        pl.col("reason")
        .replace_strict(
            {
                "BAD_ENCODING": undecodable_hint(layout.encoding),
                "NUL_BYTE": "a NUL byte cannot stand in text",
                "BAD_QUOTING": quoting,
                CUT_OFF: CUT_OFF_DETAIL,
            },
            default=None,
            return_dtype=pl.String,
        )
        .fill_null(ragged)
    )
    return bad.select("line", "reason", detail.alias("detail"), unmarked(pl.col("raw")))


def unmarked(raw: pl.Expr) -> pl.Expr:
    """The text without the marks of what could not be decoded; its escapes stay."""
    return raw.str.replace_all(UNDECODABLE, "", literal=True)
