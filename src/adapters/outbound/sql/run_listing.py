"""Which runs a filter keeps, in statements that read little of a long history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from ....domain.runs import RunFilter
from .schema_runs import RUN_REQUESTS, RUNS
from .transaction import SqlTransaction

# So many places the order of ids may differ from that of the times of creation, where both come
# from clocks that disagree. With fewer runs beyond a bound nothing is assumed.
_DISORDER = 10_000


def newest_first(transaction: SqlTransaction, wanted: RunFilter) -> Select[Any]:
    """The statement for a page of runs, limited."""
    columns = RUNS.c
    conditions = _kept(wanted)
    if wanted.since is not None:
        conditions += [columns.created_at >= wanted.since]
        conditions += _at_least(_lowest_since(transaction, wanted.since))
    if wanted.until is not None:
        conditions += [columns.created_at < wanted.until]
        conditions += _at_most(_highest_until(transaction, wanted.until))
    if wanted.before is not None:
        conditions.append(columns.run_id < wanted.before)
    order = [columns.run_id.desc()]
    if wanted.top_level_only:
        conditions.append(columns.parent_id.is_(None))
        # PostgreSQL reads an index in its order only for what is sorted by all of its columns.
        order.insert(0, columns.parent_id.desc())
    statement = select(RUNS).where(*conditions).order_by(*order)
    return transaction.dialect.first(statement, wanted.limit)


def _kept(wanted: RunFilter) -> list[ColumnElement[bool]]:
    columns = RUNS.c
    equal = {
        columns.pipeline: wanted.pipeline,
        columns.run_state: wanted.state and wanted.state.value,
        columns.parent_id: wanted.parent,
        columns.step_name: wanted.step,
        columns.partition_name: wanted.partition,
        columns.trigger_kind: wanted.trigger and wanted.trigger.value,
        columns.error_category: wanted.category and wanted.category.value,
        columns.retry_of_id: wanted.retry_of,
        columns.backfill_id: wanted.backfill,
    }
    kept = [column == value for column, value in equal.items() if value is not None]
    if wanted.request is not None:
        asked = select(RUN_REQUESTS.c.run_id).where(RUN_REQUESTS.c.request_id == wanted.request)
        kept.append(columns.run_id.in_(asked))
    return kept


def _lowest_since(transaction: SqlTransaction, since: datetime) -> str | None:
    """The lowest id of what was created from then on: lists are ranges of ids.

    Times alone would let the database choose between reading all that is newer than a page and
    sorting all that is as new.
    """
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


def _at_least(run_id: str | None) -> list[ColumnElement[bool]]:
    return [] if run_id is None else [RUNS.c.run_id >= run_id]


def _at_most(run_id: str | None) -> list[ColumnElement[bool]]:
    return [] if run_id is None else [RUNS.c.run_id <= run_id]
