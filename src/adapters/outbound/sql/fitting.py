"""Whether texts fit their columns, judged before any database does: alike for all of them.

SQLite takes any length, PostgreSQL counts characters and Db2 bytes; some take a NUL. What one
takes and another refuses could never be moved from the one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import FromClause, String

from ....domain.errors import Category, LoadError
from .database_faults import Fault

_ELLIPSIS = "…".encode()


def require_fitting(
    table: FromClause, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> None:
    """Raise a LoadError for a text that is longer, in bytes, than its column, or holds a NUL.

    ``values`` are those of one row or of some rows, by the names of columns, which are the same.
    """
    rows = [values] if isinstance(values, Mapping) else values
    lengths = _lengths(table)
    for name in rows[0] if rows else ():
        if name not in lengths:
            continue
        length = lengths[name]
        texts = [text for row in rows if isinstance(text := row[name], str)]
        # Together first: most are plain and short, and a look at each is what a small row costs.
        whole = "".join(texts)
        longest = max(map(len, texts), default=0)
        if not whole.isascii() or "\0" in whole or (length is not None and longest > length):
            for text in texts:
                _require(f"{table.description}.{name}", text, length)


@cache
def _lengths(table: FromClause) -> dict[str, int | None]:
    """The columns of texts, with the bytes that fit them."""
    return {column.key: column.type.length for column in table.c if isinstance(column.type, String)}


def _require(column: str, text: str, length: int | None) -> None:
    if "\0" in text:
        raise LoadError(
            f"a text for {column} holds a NUL character",
            category=Category.VALIDATION,
            hint="some databases keep none: take it out",
            metadata={"fault": Fault.INVALID_VALUE.value},
        )
    size = len(text.encode(errors="surrogatepass"))
    if length is not None and size > length:
        raise LoadError(
            f"a text for {column} takes {size} bytes, the column has {length}",
            category=Category.VALIDATION,
            hint="shorten it",
            metadata={"fault": Fault.INVALID_VALUE.value},
        )


def cut_to_fit(text: str, length: int) -> str:
    r"""``text`` as a column of so many bytes takes it: cut off, with nothing that is refused.

    A cut leaves whole characters and an ellipsis. A NUL and halves of characters are written out,
    as ``\x00`` and ``\udcff``.
    """
    # Each character that is left takes a byte at least: a huge text is not encoded as a whole.
    encoded = text[: length + 1].replace("\0", "\\x00").encode(errors="backslashreplace")
    if len(encoded) <= length:
        return encoded.decode()
    return encoded[: length - len(_ELLIPSIS)].decode(errors="ignore") + _ELLIPSIS.decode()
