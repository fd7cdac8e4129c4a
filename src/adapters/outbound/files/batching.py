"""Pieces of any size as batches of about the wanted number of rows."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from ....ports.sources import LINE
from .records import Piece


def regroup(pieces: Iterator[Piece], batch_rows: int) -> Iterator[Piece]:
    """The same records in pieces of ``batch_rows``; only the last is smaller."""
    held: list[Piece] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.rows
        if count < batch_rows:
            continue
        whole = _joined(held)
        while whole.rows >= batch_rows:
            batch, whole = _cut(whole, batch_rows)
            yield batch
        held = [whole] if whole.rows else []
        count = whole.rows
    if count:
        yield _joined(held)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    # A key of JSON that appears late is a column only from there on.
    return Piece(
        stacked([piece.frame for piece in pieces]),
        pl.concat([piece.malformed for piece in pieces]),
    )


def _cut(piece: Piece, rows: int) -> tuple[Piece, Piece]:
    """The first ``rows`` records by their lines, good and malformed together, and the others."""
    frame, malformed = piece
    if malformed.is_empty():
        return Piece(frame.head(rows), malformed), Piece(frame.slice(rows), malformed)
    lines = pl.concat([frame[LINE], malformed["line"].rename(LINE)]).sort()
    if len(lines) == rows:
        return piece, Piece(frame.clear(), malformed.clear())
    good = int((frame[LINE] < lines[rows]).sum())
    bad = int((malformed["line"] < lines[rows]).sum())
    return (
        Piece(frame.head(good), malformed.head(bad)),
        Piece(frame.slice(good), malformed.slice(bad)),
    )


def stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The frames as one, with every column that one of them has, LINE last."""
    frame = pl.concat(frames, how="diagonal")
    return frame.select(pl.exclude(LINE), LINE)
