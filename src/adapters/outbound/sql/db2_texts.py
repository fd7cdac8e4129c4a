"""Texts as they are sent to Db2: whole characters, and no more room than they need.

IBM's driver fills a buffer for each long text, as large as what it is sent to may be, whatever it
holds: for a row of ``runs`` that would be 96 MiB. So statements say how long a text is at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .column_types import FEW_BYTES

_CAST = "CAST(? AS CLOB({}))"
_FEW = _CAST.format(FEW_BYTES)
_MANY_BYTES = 1024 * 1024


def longest(parameters: Iterable[Any]) -> int:
    """The bytes of the longest text in UTF-8, 0 without any.

    Raises a UnicodeEncodeError for half a character: the driver would end the process.
    """
    return max((len(it.encode()) for it in parameters if isinstance(it, str)), default=0)


def with_room(statement: str, longest_text: int) -> str:
    """A statement whose long texts may have so many bytes."""
    if longest_text <= FEW_BYTES:
        return statement
    if longest_text <= _MANY_BYTES:
        return statement.replace(_FEW, _CAST.format(_MANY_BYTES))
    return statement.replace(_FEW, "?")
