"""Outcomes of checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, insert, select

from ....domain.captures import PartitionFilter, QualityPosition
from ....domain.quality import CheckResult, CheckStatus, QualityResult, Severity
from .capture_queries import PARTITION_COLUMNS, beyond, capture_keys, of_filter, partition_of
from .schema_core import CAPTURES, QUALITY_RESULTS
from .transaction import SqlTransaction


class SqlQualityStore:
    """Quality results of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, results: Iterable[QualityResult]) -> None:
        wanted = list(results)
        keys = capture_keys(self._transaction, (item.capture for item in wanted))
        # One at a time: their numbers keep the order, and Db2 takes no long text in bulk.
        for item in wanted:
            self._transaction.write(
                insert(QUALITY_RESULTS),
                {
                    "capture_key": keys[item.capture],
                    "run_id": item.run,
                    "checked_at": item.checked_at,
                    "check_name": item.result.check,
                    "check_status": item.result.status.value,
                    "severity": item.result.severity.value,
                    "message": item.result.message,
                    "observed": item.result.observed,
                    "expected": item.result.expected,
                },
            )

    def list(self, wanted: PartitionFilter) -> list[QualityResult]:
        statement = quality_listing(wanted)
        if wanted.limit is not None:
            statement = self._transaction.dialect.first(statement, wanted.limit)
        return [_result(row) for row in self._transaction.rows(statement)]


def quality_listing(wanted: PartitionFilter) -> Select[Any]:
    """The results that a filter keeps, without its limit."""
    columns = QUALITY_RESULTS.c
    conditions = of_filter(wanted, columns.run_id, columns.checked_at)
    after = wanted.after_in(QualityPosition)
    if after is not None:
        order = ((columns.run_id, after.run, True), (columns.result_key, after.number, False))
        conditions.append(beyond(*order))
    return (
        select(QUALITY_RESULTS, CAPTURES.c.capture_id, *PARTITION_COLUMNS)
        .join(CAPTURES, CAPTURES.c.capture_key == columns.capture_key)
        .where(*conditions)
        .order_by(columns.run_id.desc(), columns.result_key)
    )


def _result(row: Any) -> QualityResult:
    return QualityResult(
        capture=row.capture_id,
        partition=partition_of(row),
        run=row.run_id,
        checked_at=row.checked_at,
        result=CheckResult(
            check=row.check_name,
            status=CheckStatus(row.check_status),
            severity=Severity(row.severity),
            message=row.message,
            observed=row.observed,
            expected=row.expected,
        ),
        key=row.result_key,
    )
