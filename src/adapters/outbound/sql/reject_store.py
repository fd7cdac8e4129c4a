"""Refused rows."""

from __future__ import annotations

from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Select, delete, exists, or_, select

from ....domain.captures import Reject, RejectFilter
from .capture_queries import (
    NEWEST_PARTITION_FIRST,
    PARTITION_COLUMNS,
    beyond,
    capture_order,
    of_partition,
    partition_of,
)
from .long_text import insert_texts
from .row_frames import conform_rejects
from .schema_core import CAPTURES, DETAIL_BYTES, LINEAGE, RAW_BYTES, REJECTS
from .transaction import SqlTransaction

_LIMITS = {"detail": DETAIL_BYTES, "raw_text": RAW_BYTES}
_LONG = {"detail": "detail_long", "raw_text": "raw_long"}


class SqlRejectStore:
    """Rejects of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def replace(self, capture_key: int, rejects: pl.DataFrame) -> int:
        self._transaction.write(delete(REJECTS).where(REJECTS.c.capture_key == capture_key), {})
        rows = conform_rejects(rejects).rename({"line": "line_no", "raw": "raw_text"})
        if rows.height:
            insert_texts(
                self._transaction,
                REJECTS,
                capture_key,
                rows.with_row_index("reject_no", offset=1),
                limits=_LIMITS,
                long_columns=_LONG,
            )
        return rows.height

    def list(self, wanted: RejectFilter) -> list[Reject]:
        statement = reject_listing(wanted)
        if wanted.limit is not None:
            statement = self._transaction.dialect.first(statement, wanted.limit)
        return [_reject(row) for row in self._transaction.rows(statement)]


def reject_listing(wanted: RejectFilter) -> Select[Any]:
    """The rejects that a filter keeps, without its limit. A run's are those of what it wrote."""
    conditions = of_partition(wanted.domain, wanted.period, wanted.segment)
    if wanted.capture is not None:
        conditions.append(CAPTURES.c.capture_id == wanted.capture)
    if wanted.run is not None:
        conditions.append(_written_by(wanted.run))
    if wanted.reason is not None:
        conditions.append(REJECTS.c.reason == wanted.reason)
    if wanted.as_of is not None:
        conditions.append(CAPTURES.c.captured_at <= wanted.as_of)
    if wanted.after is not None:
        number = (REJECTS.c.reject_no, wanted.after.number, False)
        conditions.append(beyond(*capture_order(wanted.after.capture), number))
    return (
        select(
            REJECTS.c.reject_no,
            REJECTS.c.line_no,
            REJECTS.c.reason,
            # Each by itself: a LOB that the database composes for every row costs Db2 far more.
            REJECTS.c.detail,
            REJECTS.c.detail_long,
            REJECTS.c.raw_text,
            REJECTS.c.raw_long,
            CAPTURES.c.capture_id,
            CAPTURES.c.sequence_no,
            *PARTITION_COLUMNS,
        )
        .join(CAPTURES, CAPTURES.c.capture_key == REJECTS.c.capture_key)
        .where(*conditions)
        .order_by(*NEWEST_PARTITION_FIRST, REJECTS.c.reject_no)
    )


def _written_by(run: str) -> ColumnElement[bool]:
    wrote = select(LINEAGE.c.run_id).where(
        LINEAGE.c.run_id == run,
        LINEAGE.c.capture_key == CAPTURES.c.capture_key,
        LINEAGE.c.edge_role == "OUTPUT",
    )
    return or_(CAPTURES.c.run_id == run, exists(wrote))


def _reject(row: Any) -> Reject:
    return Reject(
        capture=row.capture_id,
        partition=partition_of(row),
        line=row.line_no,
        reason=row.reason,
        detail=row.detail if row.detail_long is None else row.detail_long,
        raw=row.raw_text if row.raw_long is None else row.raw_long,
        capture_sequence=row.sequence_no,
        key=row.reject_no,
    )
