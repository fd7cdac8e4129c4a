"""Ids in portions that a statement takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import ColumnElement, bindparam

IDS_A_STATEMENT = 500
IDS = "ids"
"""The name of the value that :func:`among` asks for."""


def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """That the column is one of the IDS that a statement is given when it is executed."""
    return column.in_(bindparam(IDS, expanding=True))


def some_at_a_time(ids: Collection[str]) -> Iterator[list[str]]:
    """All ids, sorted and each once, in lists of at most 500.

    Whoever changes rows by them takes their locks in one order.
    """
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), IDS_A_STATEMENT):
        yield wanted[start : start + IDS_A_STATEMENT]
