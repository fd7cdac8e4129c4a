"""Stages of captures, and which run read and wrote what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, insert, literal_column, select

from ....domain.captures import (
    LineageEdge,
    ManifestEntry,
    ManifestPosition,
    PartitionFilter,
    Stage,
)
from .capture_queries import (
    NEWEST_PARTITION_FIRST,
    PARTITION_COLUMNS,
    beyond,
    capture_keys,
    capture_order,
    of_filter,
    partition_of,
)
from .schema_core import CAPTURES, LINEAGE, MANIFEST
from .transaction import SqlTransaction


class SqlManifestStore:
    """Manifest and lineage of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def record(self, entry: ManifestEntry) -> None:
        key = capture_keys(self._transaction, [entry.capture])[entry.capture]
        self._delete(key, entry.stage)
        self._transaction.write(
            insert(MANIFEST),
            {
                "capture_key": key,
                "stage": entry.stage.value,
                "run_id": entry.run,
                "reached_at": entry.reached_at,
                "row_count": entry.rows,
                "grade": entry.grade,
                "blocked": int(entry.blocked),
            },
        )

    def withdraw(self, capture: str, stage: Stage) -> None:
        self._delete(capture_keys(self._transaction, [capture])[capture], stage)

    def link(self, edges: Iterable[LineageEdge]) -> None:
        wanted = list(edges)
        if not wanted:
            return
        keys = capture_keys(self._transaction, (edge.capture for edge in wanted))
        fresh = {(edge.run, keys[edge.capture], edge.role): None for edge in wanted}
        known = self._transaction.rows(
            select(LINEAGE.c.run_id, LINEAGE.c.capture_key, LINEAGE.c.edge_role).where(
                LINEAGE.c.run_id.in_(sorted({edge.run for edge in wanted}))
            )
        )
        for row in known:
            fresh.pop(tuple(row), None)
        values = [
            {"run_id": run, "capture_key": key, "edge_role": role} for run, key, role in fresh
        ]
        if values:
            self._transaction.write(insert(LINEAGE), values)

    def lineage(self, run_id: str) -> list[LineageEdge]:
        statement = (
            select(LINEAGE, CAPTURES.c.capture_id, *PARTITION_COLUMNS)
            .join(CAPTURES, CAPTURES.c.capture_key == LINEAGE.c.capture_key)
            .where(LINEAGE.c.run_id == run_id)
            .order_by(LINEAGE.c.edge_role, LINEAGE.c.capture_key)
        )
        return [
            LineageEdge(row.run_id, row.capture_id, row.edge_role, partition_of(row))
            for row in self._transaction.rows(statement)
        ]

    def _delete(self, key: int, stage: Stage) -> None:
        noted = delete(MANIFEST).where(
            MANIFEST.c.capture_key == key, MANIFEST.c.stage == stage.value
        )
        self._transaction.write(noted, {})

    def list(self, wanted: PartitionFilter) -> list[ManifestEntry]:
        statement = manifest_listing(wanted)
        if wanted.limit is not None:
            statement = self._transaction.dialect.first(statement, wanted.limit)
        return [_entry(row) for row in self._transaction.rows(statement)]


def manifest_listing(wanted: PartitionFilter) -> Select[Any]:
    """The entries that a filter keeps, without its limit."""
    # In figures, not as parameters: Db2 asks for the type of each.
    orders: dict[str, ColumnElement[int]] = {
        stage.value: literal_column(str(stage.order)) for stage in Stage
    }
    stages = case(orders, value=MANIFEST.c.stage)
    conditions = of_filter(wanted, MANIFEST.c.run_id, MANIFEST.c.reached_at)
    after = wanted.after_in(ManifestPosition)
    if after is not None:
        stage = (stages, orders[after.stage.value], False)
        conditions.append(beyond(*capture_order(after.capture), stage))
    return (
        select(MANIFEST, CAPTURES.c.capture_id, CAPTURES.c.sequence_no, *PARTITION_COLUMNS)
        .join(CAPTURES, CAPTURES.c.capture_key == MANIFEST.c.capture_key)
        .where(*conditions)
        .order_by(*NEWEST_PARTITION_FIRST, stages)
    )


def _entry(row: Any) -> ManifestEntry:
    return ManifestEntry(
        capture=row.capture_id,
        partition=partition_of(row),
        stage=Stage(row.stage),
        run=row.run_id,
        reached_at=row.reached_at,
        rows=row.row_count,
        grade=row.grade,
        blocked=row.blocked == 1,
        capture_sequence=row.sequence_no,
    )
