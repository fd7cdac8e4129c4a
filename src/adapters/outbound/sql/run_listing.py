"""Which runs a filter keeps, in statements that read little of a long history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, select

from ....domain.runs import RunFilter
from .run_bounds import created_between
from .run_rows import RUN_COLUMNS
from .schema_runs import RUN_REQUESTS, RUNS
from .transaction import SqlTransaction


def page_of_runs(transaction: SqlTransaction, wanted: RunFilter) -> Select[Any]:
    """The statement for a page of runs, limited."""
    columns = RUNS.c
    conditions = _kept(wanted)
    conditions += created_between(
        transaction, wanted.since, wanted.until, before=wanted.before, after=wanted.after
    )
    order = [columns.run_id]
    if wanted.top_level_only:
        conditions.append(columns.parent_id.is_(None))
        # PostgreSQL reads an index in its order only for what is sorted by all of its columns.
        order.insert(0, columns.parent_id)
    directed = [column.asc() if wanted.oldest_first else column.desc() for column in order]
    statement = select(*RUN_COLUMNS).where(*conditions).order_by(*directed)
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
