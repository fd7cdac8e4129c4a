"""What the statements of several stores have in common: captures by partition, id and filter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from ....domain.captures import CapturePosition, Partition, PartitionFilter
from ....domain.errors import LoadError
from .schema_core import CAPTURES
from .transaction import SqlTransaction

_Key = tuple[ColumnElement[Any], Any, bool]
"""Something that rows are ordered by, one of its values, and whether it descends."""

PARTITION_COLUMNS = (CAPTURES.c.domain_name, CAPTURES.c.period_date, CAPTURES.c.segment)

NEWEST_PARTITION_FIRST = (
    CAPTURES.c.period_date.desc(),
    CAPTURES.c.segment,
    CAPTURES.c.domain_name,
    CAPTURES.c.sequence_no.desc(),
)

_IDS_A_STATEMENT = 500


def partition_of(row: Any) -> Partition:
    """The partition in a row that has PARTITION_COLUMNS."""
    return Partition(row.domain_name, row.period_date, row.segment)


def of_partition(
    domain: str | None, period: date | None, segment: str | None
) -> list[ColumnElement[bool]]:
    """Conditions on the partition of a capture; what is None is left open."""
    parts = zip(PARTITION_COLUMNS, (domain, period, segment), strict=True)
    return [column == value for column, value in parts if value is not None]


def of_filter(
    wanted: PartitionFilter, run: ColumnElement[str], moment: ColumnElement[datetime]
) -> list[ColumnElement[bool]]:
    """Conditions on something that belongs to a capture and was written by the run in ``run``.

    ``as_of`` keeps what was noted by then (``moment``) of captures that were known then.
    """
    conditions = of_partition(wanted.domain, wanted.period, wanted.segment)
    if wanted.capture is not None:
        conditions.append(CAPTURES.c.capture_id == wanted.capture)
    if wanted.run is not None:
        conditions.append(run == wanted.run)
    if wanted.as_of is not None:
        conditions += [CAPTURES.c.captured_at <= wanted.as_of, moment <= wanted.as_of]
    return conditions


def beyond(first: _Key, *further: _Key) -> ColumnElement[bool]:
    """What comes after a row with these values in an order by these columns, none of them null.

    Spelled out, because a comparison of rows knows one direction, and Db2 no such thing.
    """
    column, value, descending = first
    behind: ColumnElement[bool] = column < value if descending else column > value
    if not further:
        return behind
    # Said first, and twice: it is what the database can begin reading at.
    at_or_behind: ColumnElement[bool] = column <= value if descending else column >= value
    return and_(at_or_behind, or_(behind, beyond(*further)))


def partition_keys(partition: Partition) -> tuple[_Key, _Key, _Key]:
    """NEWEST_PARTITION_FIRST without its last column, with the values of a partition."""
    columns = CAPTURES.c
    return (
        (columns.period_date, partition.period, True),
        (columns.segment, partition.segment, False),
        (columns.domain_name, partition.domain, False),
    )


def capture_order(position: CapturePosition) -> tuple[_Key, ...]:
    """NEWEST_PARTITION_FIRST with the values of a capture."""
    return (
        *partition_keys(position.partition),
        (CAPTURES.c.sequence_no, position.sequence, True),
    )


def capture_keys(transaction: SqlTransaction, capture_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of captures by id; raises a LoadError for one that is not stored."""
    wanted = sorted(set(capture_ids))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _IDS_A_STATEMENT):
        part = wanted[start : start + _IDS_A_STATEMENT]
        statement = select(CAPTURES.c.capture_id, CAPTURES.c.capture_key)
        rows = transaction.rows(statement.where(CAPTURES.c.capture_id.in_(part)))
        found.update((row.capture_id, row.capture_key) for row in rows)
    missing = next((item for item in wanted if item not in found), None)
    if missing is not None:
        raise LoadError(f"there is no capture {missing}", hint="add the capture first")
    return found


def require_capture(transaction: SqlTransaction, key: int) -> None:
    """Raise a LoadError unless there is a capture of that number."""
    if not transaction.rows(select(CAPTURES.c.capture_key).where(CAPTURES.c.capture_key == key)):
        raise LoadError(f"there is no capture number {key}", hint="add the capture first")
