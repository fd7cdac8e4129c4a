"""Frames of any size as batches of the wanted number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

_MOST_BYTES = 64 << 20
"""A batch has fewer rows than were asked for where they are this large together."""


def regrouped(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows, ``rows`` at a time; only the last batch, and one of large rows, is smaller."""
    held: list[pl.DataFrame] = []
    height, size = 0, 0.0
    for frame in frames:
        held.append(frame)
        height += frame.height
        size += frame.estimated_size()
        if height < rows and size < _MOST_BYTES:
            continue
        whole = pl.concat(held) if len(held) > 1 else frame
        while whole.height >= rows:
            yield whole.head(rows)
            whole = whole.slice(rows)
        if whole.height and size >= _MOST_BYTES:
            yield whole
            whole = whole.clear()
        held = [whole] if whole.height else []
        height, size = whole.height, whole.estimated_size()
    if height:
        yield pl.concat(held) if len(held) > 1 else held[0]
