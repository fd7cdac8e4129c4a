"""A time of creation as a range of ids: runs are found through indexes that end with the id.

The database by itself would choose between reading all that is newer than a page and sorting all
that is as new.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, func, literal_column, select

from .schema_runs import RUNS
from .transaction import SqlTransaction

# So many places the order of ids may differ from that of the times of creation, where both come
# from clocks that disagree. With fewer runs beyond a bound nothing is assumed.
_DISORDER = 10_000
_NOTHING: ColumnElement[bool] = literal_column("1 = 0")


def created_between(
    transaction: SqlTransaction,
    since: datetime | None,
    until: datetime | None,
    *,
    before: str | None = None,
    after: str | None = None,
) -> list[ColumnElement[bool]]:
    """Conditions on the time of creation, and on the id: lower than ``before``, beyond ``after``.

    There is one lower and one upper bound of the id at most: of two SQLite begins reading at the
    first, wherever the second one is.
    """
    columns = RUNS.c
    conditions: list[ColumnElement[bool]] = []
    lowest = None
    if since is not None:
        conditions.append(columns.created_at >= since)
        lowest = _lowest_since(transaction, since)
        if lowest is None:
            conditions.append(_NOTHING)
    if lowest is not None and (after is None or lowest > after):
        conditions.append(columns.run_id >= lowest)
    elif after is not None:
        conditions.append(columns.run_id > after)
    highest = None
    if until is not None:
        conditions.append(columns.created_at < until)
        highest = _highest_until(transaction, until)
        if highest is None:
            conditions.append(_NOTHING)
    if highest is not None and (before is None or highest < before):
        conditions.append(columns.run_id <= highest)
    elif before is not None:
        conditions.append(columns.run_id < before)
    return conditions


def _lowest_since(transaction: SqlTransaction, since: datetime) -> str | None:
    """The lowest id of what was created from then on; None where there is nothing."""
    columns = RUNS.c
    oldest = (
        select(columns.run_id)
        .where(columns.created_at >= since)
        .order_by(columns.created_at, columns.run_id)
    )
    found = transaction.dialect.first(oldest, _DISORDER).subquery()
    lowest: str | None = transaction.rows(select(func.min(found.c.run_id)))[0][0]
    return lowest


def _highest_until(transaction: SqlTransaction, until: datetime) -> str | None:
    columns = RUNS.c
    newest = (
        select(columns.run_id)
        .where(columns.created_at < until)
        .order_by(columns.created_at.desc(), columns.run_id.desc())
    )
    found = transaction.dialect.first(newest, _DISORDER).subquery()
    highest: str | None = transaction.rows(select(func.max(found.c.run_id)))[0][0]
    return highest
