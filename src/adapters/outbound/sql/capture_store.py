"""Captures by partition and content."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    exists,
    insert,
    select,
    update,
)

from ....domain.captures import Capture, CaptureFilter, Partition
from ....domain.errors import LoadError
from .capture_queries import (
    NEWEST_PARTITION_FIRST,
    beyond,
    capture_order,
    of_partition,
    partition_keys,
    partition_of,
)
from .json_text import from_text, to_text
from .schema_core import CAPTURES, MANIFEST
from .transaction import SqlTransaction


class SqlCaptureStore:
    """Captures of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, capture: Capture) -> Capture:
        newest = self._newest(capture.partition)
        at = capture.captured_at
        if newest is not None and at < newest.captured_at:
            # The clock went back. What came later must not look as if it had been known before.
            at = newest.captured_at + timedelta(microseconds=1)
        added = replace(
            capture,
            captured_at=at,
            sequence=newest.sequence_no + 1 if newest else 1,
            supersedes=newest.capture_id if newest else None,
        )
        result = self._transaction.write(insert(CAPTURES), _values(added))
        (key,) = result.inserted_primary_key or (0,)
        return replace(added, key=key)

    def record_counts(self, capture_key: int, *, read: int, accepted: int, rejected: int) -> None:
        counts = {"rows_read": read, "rows_accepted": accepted, "rows_rejected": rejected}
        statement = update(CAPTURES).where(CAPTURES.c.capture_key == capture_key)
        if self._transaction.write(statement, counts).rowcount != 1:
            raise LoadError(f"there is no capture number {capture_key} to count the rows of")

    def get(self, capture_id: str) -> Capture | None:
        found = self._transaction.rows(select(CAPTURES).where(CAPTURES.c.capture_id == capture_id))
        return _capture(found[0]) if found else None

    def list(self, wanted: CaptureFilter) -> list[Capture]:
        statement = listing(wanted)
        if wanted.limit is not None:
            statement = self._transaction.dialect.first(statement, wanted.limit)
        return [_capture(row) for row in self._transaction.rows(statement)]

    def _newest(self, partition: Partition) -> Any:
        statement = (
            select(CAPTURES.c.capture_id, CAPTURES.c.sequence_no, CAPTURES.c.captured_at)
            .where(*of_partition(partition.domain, partition.period, partition.segment))
            .order_by(CAPTURES.c.sequence_no.desc())
        )
        found = self._transaction.rows(self._transaction.dialect.first(statement, 1))
        return found[0] if found else None


def listing(wanted: CaptureFilter) -> Select[Any]:
    """The captures that a filter keeps, without its limit."""
    columns = CAPTURES.c
    statement = select(CAPTURES).where(
        *of_partition(wanted.domain, None, wanted.segment), *_kept(CAPTURES, wanted)
    )
    if wanted.first_period is not None:
        statement = statement.where(columns.period_date >= wanted.first_period)
    if wanted.last_period is not None:
        statement = statement.where(columns.period_date <= wanted.last_period)
    if wanted.after is not None:
        # After the last of a partition comes the next one, whatever is the newest by then.
        last = wanted.after
        order = partition_keys(last.partition) if wanted.latest_only else capture_order(last)
        statement = statement.where(beyond(*order))
    if wanted.latest_only:
        newer = CAPTURES.alias("newer")
        statement = statement.where(
            ~exists(
                select(newer.c.capture_key).where(
                    newer.c.domain_name == columns.domain_name,
                    newer.c.period_date == columns.period_date,
                    newer.c.segment == columns.segment,
                    newer.c.sequence_no > columns.sequence_no,
                    *_kept(newer, wanted),
                )
            )
        )
    return statement.order_by(*NEWEST_PARTITION_FIRST)


def _kept(captures: FromClause, wanted: CaptureFilter) -> list[ColumnElement[bool]]:
    """Conditions that choose among the captures of a partition."""
    conditions: list[ColumnElement[bool]] = []
    columns = captures.c
    if wanted.digest is not None:
        conditions.append(columns.digest == wanted.digest)
    if wanted.as_of is not None:
        conditions.append(columns.captured_at <= wanted.as_of)
    if wanted.stage is not None:
        reached = MANIFEST.alias()
        entry = select(reached.c.capture_key).where(
            reached.c.capture_key == columns.capture_key,
            reached.c.stage == wanted.stage.value,
            reached.c.blocked == 0,
        )
        if wanted.as_of is not None:
            entry = entry.where(reached.c.reached_at <= wanted.as_of)
        conditions.append(exists(entry))
    return conditions


def _values(capture: Capture) -> dict[str, Any]:
    return {
        "capture_id": capture.id,
        "domain_name": capture.partition.domain,
        "period_date": capture.partition.period,
        "segment": capture.partition.segment,
        "sequence_no": capture.sequence,
        "digest": capture.digest,
        "captured_at": capture.captured_at,
        "source_updated_on": capture.source_updated_on,
        "source_name": capture.source_name,
        "source_type": capture.source_type,
        "source_options_json": to_text(
            capture.source_options, f"the source options of capture {capture.id}"
        ),
        "run_id": capture.run,
        "byte_count": capture.bytes,
        "rows_read": capture.rows_read,
        "rows_accepted": capture.rows_accepted,
        "rows_rejected": capture.rows_rejected,
        "supersedes_id": capture.supersedes,
    }


def _capture(row: Any) -> Capture:
    return Capture(
        id=row.capture_id,
        partition=partition_of(row),
        digest=row.digest,
        captured_at=row.captured_at,
        source_updated_on=row.source_updated_on,
        source_name=row.source_name,
        source_type=row.source_type,
        source_options=from_text(row.source_options_json),
        run=row.run_id,
        bytes=row.byte_count,
        rows_read=row.rows_read,
        rows_accepted=row.rows_accepted,
        rows_rejected=row.rows_rejected,
        sequence=row.sequence_no,
        supersedes=row.supersedes_id,
        key=row.capture_key,
    )
