"""Rows as bytes in one form, for databases that send no text of their own."""

from __future__ import annotations

import polars as pl


def canonical_bytes(frame: pl.DataFrame) -> bytes:
    """The rows as CSV: null is nothing, an empty text ``""``, binary is hex, times are ISO 8601.

    The same rows give the same bytes, in whatever batches.
    """
    hexed = frame.with_columns(pl.col(pl.Binary).bin.encode("hex"))
    text = hexed.write_csv(
        include_header=False,
        quote_style="necessary",
        date_format="%Y-%m-%d",
        time_format="%H:%M:%S%.6f",
        datetime_format="%Y-%m-%dT%H:%M:%S%.6f",
    )
    return text.encode()
