"""The fast path: a chunk in which every line provably has the right number of fields.

What polars accepts in ragged or odd input changes between its versions, so nothing is left to
it: the chunk is counted first, and any doubt sends it to the slow path instead.
"""

from __future__ import annotations

import re

import polars as pl

from .layout import QUOTE, Layout


def parse_regular(chunk: bytes, layout: Layout) -> pl.DataFrame | None:
    """The records of ``chunk`` (whole lines), or None when it has to be taken apart with care."""
    plain = _without_carriage_returns(chunk)
    if plain is None or b"\0" in plain:
        return None
    rows = plain.count(b"\n") + (not plain.endswith(b"\n"))
    if layout.quoted and QUOTE.encode() in plain:
        if not _proven(plain, layout):
            return None
        frame = _read(plain, layout, QUOTE)
        return frame if frame is not None and frame.height == rows else None
    if plain.count(layout.delimiter.encode()) != (layout.width - 1) * rows:
        return None
    if not plain.isascii() and _decoded(plain) is None:
        return None
    frame = _read(plain, layout, None)
    if frame is None or frame.height != rows:
        return None
    # Short lines end in nulls; the count above holds against them only together with long ones.
    if layout.width > 1 and frame.to_series(-1).null_count() and not _proven(plain, layout):
        return None
    return frame


def _without_carriage_returns(chunk: bytes) -> bytes | None:
    """With LF line ends; None when a carriage return is data, which polars may take off."""
    if b"\r" not in chunk:
        return chunk
    plain = chunk.replace(b"\r\n", b"\n")
    return None if b"\r" in plain else plain


def _decoded(plain: bytes) -> str | None:
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return None


def _proven(plain: bytes, layout: Layout) -> bool:
    """Whether every line is one well-quoted record with the right number of fields."""
    text = _decoded(plain if plain.endswith(b"\n") else plain + b"\n")
    if text is None:
        return False
    mark = re.escape(layout.delimiter)
    field = f'(?:"(?:[^"\\n]|"")*"|[^"{mark}\\n]*)' if layout.quoted else f"[^{mark}\\n]*"
    records = rf"\A(?:{field}(?:{mark}{field}){{{layout.width - 1}}}\n)*\z"
    try:
        return bool(pl.Series([text]).str.contains(records).item())
    except pl.exceptions.ComputeError:
        # With very many columns the pattern is too large: the slow path needs none like it.
        return False


def _read(plain: bytes, layout: Layout, quote: str | None) -> pl.DataFrame | None:
    # polars would take the first bytes of data for a byte order mark or for zlib's magic
    # ("x" and some control characters): a line of our own stands before them.
    guard = layout.delimiter.join("0" * layout.width).encode() + b"\n"
    try:
        frame = pl.read_csv(
            guard + plain,
            has_header=False,
            schema=dict.fromkeys(layout.columns, pl.String()),
            separator=layout.delimiter,
            quote_char=quote,
        )
    except pl.exceptions.PolarsError:
        return None
    return frame.slice(1)
