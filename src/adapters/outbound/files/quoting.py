"""Which physical lines make up one record where fields may be quoted and hold line ends.

A line with an even number of quotes is a record of its own. One with an odd number opens a
record that the next such line closes, if both together are well formed with the right number of
fields; otherwise the opening line alone is malformed and the next line starts afresh, so that a
stray quote costs its own line only.
"""

from __future__ import annotations

import re

import polars as pl

from .layout import QUOTE, Layout
from .records import field_count, field_pattern, plain_records, split_lines, well_quoted


def quoted_records(
    text: str, first_line: int, layout: Layout, *, last: bool, longest: int
) -> tuple[pl.DataFrame, str]:
    """Records (columns line, raw, broken) and the text left over for more text to complete.

    Nothing is left over of the ``last`` text, nor of a record over ``longest`` bytes.
    """
    lines = split_lines(text, first_line)
    odd = (lines["raw"].str.count_matches(QUOTE, literal=True) % 2 == 1).arg_true()
    if odd.is_empty():
        return plain_records(text, first_line), ""
    spans, broken, pending = _resolve(lines, odd, text, layout, longest)
    rest = ""
    if pending is not None:
        rest = text[_offset(lines, pending) :]
        if last or len(rest.encode()) > longest:
            broken.append(pending)
            rest = ""
        else:
            lines = lines.head(pending)
    return _join(lines, spans, broken, unended=not rest and not text.endswith("\n")), rest


def _resolve(
    lines: pl.DataFrame, odd: pl.Series, text: str, layout: Layout, longest: int
) -> tuple[list[tuple[int, int]], list[int], int | None]:
    """Spans of lines that make one record, lines that only seem to open one, the open last line."""
    places = odd.to_list()
    opens = lines["raw"].gather(odd).str.contains(_opening(layout)).to_list()
    closes = _closing(lines, places, text, layout, longest)
    spans: list[tuple[int, int]] = []
    broken: list[int] = []
    at = 0
    while at < len(places):
        if not opens[at]:
            broken.append(places[at])
        elif at + 1 == len(places):
            return spans, broken, places[at]
        elif closes[at]:
            spans.append((places[at], places[at + 1]))
            at += 1
        else:
            broken.append(places[at])
        at += 1
    return spans, broken, None


def still_open(text: str, layout: Layout) -> bool:
    """Whether the record with which ``text`` begins goes on, in a quoted field, at its end."""
    return bool(pl.Series([text]).str.contains(_opening(layout)).item())


def _opening(layout: Layout) -> str:
    """The pattern of a text whose last field is a quoted one that goes on."""
    return f'^(?:{field_pattern(layout)}{re.escape(layout.delimiter)})*"(?:[^"]|"")*$'


def _closing(
    lines: pl.DataFrame, places: list[int], text: str, layout: Layout, longest: int
) -> list[bool]:
    """For each odd line but the last: whether it and all lines up to the next make one record."""
    marked = lines.slice(places[0]).with_columns(
        (pl.col("raw").str.count_matches(QUOTE, literal=True) % 2).cum_sum().alias("opener")
    )
    parts = marked.group_by("opener", maintain_order=True).agg(
        pl.col("raw").first().alias("first"), pl.col("raw").str.join("\n").alias("opened")
    )
    ended = text.endswith("\n") or places[-1] != lines.height - 1
    closed = pl.concat_str("opened", pl.col("first").shift(-1), separator="\n")
    last_stripped = pl.int_range(pl.len()) < parts.height - (1 if ended else 2)
    record = pl.when(last_stripped).then(closed.str.strip_suffix("\r")).otherwise(closed)
    return (
        parts.select(record.alias("raw"))
        .head(parts.height - 1)
        .select(
            well_quoted(pl.col("raw"), layout)
            & (field_count(pl.col("raw"), layout) == layout.width)
            & (pl.col("raw").str.len_bytes() <= longest)
        )
        .to_series()
        .to_list()
    )


def _offset(lines: pl.DataFrame, place: int) -> int:
    """Where in the text the line at ``place`` begins."""
    return int(lines["raw"].head(place).str.len_chars().sum()) + place


def _join(
    lines: pl.DataFrame, spans: list[tuple[int, int]], broken: list[int], *, unended: bool
) -> pl.DataFrame:
    """One row a record, in order; the line of a record is that of its first line."""
    height = lines.height
    starts = pl.Series([start for start, _ in spans], dtype=pl.UInt32)
    steps = pl.zeros(height + 2, dtype=pl.Int8, eager=True)
    steps = steps.scatter(starts, 1) if spans else steps
    ends = pl.Series([end + 1 for _, end in spans], dtype=pl.UInt32)
    back = pl.zeros(height + 2, dtype=pl.Int8, eager=True)
    back = back.scatter(ends, 1) if spans else back
    inside = (steps.cast(pl.Int64) - back.cast(pl.Int64)).cum_sum().head(height) == 1
    wrong = pl.zeros(height, dtype=pl.Int8, eager=True)
    wrong = wrong.scatter(pl.Series(broken, dtype=pl.UInt32), 1) if broken else wrong
    marked = lines.with_columns(
        (wrong == 1).alias("broken"), steps.cast(pl.Int64).cum_sum().head(height).alias("span")
    )
    joined = (
        marked.filter(inside)
        .group_by("span", maintain_order=True)
        .agg(pl.col("line", "broken").first(), pl.col("raw").str.join("\n"))
    )
    order = ["line", "raw", "broken"]
    records = pl.concat([marked.filter(~inside).select(order), joined.select(order)]).sort("line")
    ended = pl.int_range(pl.len()) < records.height - 1 if unended else pl.lit(value=True)
    stripped = pl.when(ended).then(pl.col("raw").str.strip_suffix("\r")).otherwise("raw")
    return records.with_columns(stripped.alias("raw"))
