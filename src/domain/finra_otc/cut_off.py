"""Whether a weekly file ends before its end."""

from __future__ import annotations

import polars as pl

from .contract import LINE

CUT_OFF = "CUT_OFF"
"""The reason that sources give for a record in whose middle a file ends."""

_DATE = "lastUpdateDate"
_START_OF_DATE = r"^(?:\d{1,4}|\d{4}-\d{0,2}|\d{4}-\d{2}-\d?)$"


def cut_off_line(rows: pl.DataFrame, malformed: pl.DataFrame, *, delimited: bool) -> int | None:
    """The line of the record in whose middle the file ends, None where there is none to be seen.

    ``rows`` are the rows of the file as they were read, with LINE, in its order of columns;
    ``malformed`` (line, reason, detail, raw) are the records that could not be taken apart. A
    ``delimited`` file may also end in the last field of its last row, where no field is missing:
    that is seen if the field is the date, which has a fixed length. A cut between two rows leaves
    no trace in the file, and one right before the date looks like a blank date, which is a reject.
    """
    broken = malformed.filter(pl.col("reason") == CUT_OFF)["line"].min()
    if isinstance(broken, int):
        return broken
    columns = [name for name in rows.columns if name != LINE]
    if not delimited or rows.is_empty() or not columns or columns[-1] != _DATE:
        return None
    last = rows.tail(1)
    line = int(last[LINE].item())
    later = malformed["line"].max()
    short = last.select(
        pl.col(_DATE).cast(pl.String).fill_null("").str.contains(_START_OF_DATE)
    ).item()
    behind = isinstance(later, int) and later > line
    return line if short and not behind else None
