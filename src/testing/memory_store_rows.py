"""Rows, rejects and quality results in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from ..adapters.outbound.sql.row_frames import conform, conform_rejects
from ..adapters.outbound.sql.row_tables import row_table
from ..domain.captures import (
    Capture,
    PartitionFilter,
    QualityPosition,
    Reject,
    RejectFilter,
    RejectPosition,
)
from ..domain.errors import LoadError
from ..domain.quality import QualityResult
from .memory_store_captures import newest_partition_first, of_filter
from .memory_store_state import MemoryState, MemoryTransaction, as_utc


class MemoryRowStore:
    """Row tables of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def replace(self, table: str, capture_key: int, rows: pl.DataFrame) -> int:
        state = self._transaction.writing
        declared = row_table(table)
        rows = conform(declared, rows)
        if rows.height:
            state.capture_of_key(capture_key)
        if rows.select(pl.struct(declared.key).is_duplicated().any()).item():
            raise LoadError(f"two rows for {table} have the same {', '.join(declared.key)}")
        state.rows[table, capture_key] = rows
        return rows.height

    def read(
        self,
        table: str,
        capture_key: int,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
        batch_rows: int = 100_000,
    ) -> Iterator[pl.DataFrame]:
        declared = row_table(table)
        names = [field.name for field in declared.chosen(columns)]
        rows = self._transaction.reading.rows.get((table, capture_key), pl.DataFrame())
        for name, value in (where or {}).items():
            field = declared.key_field(name)
            if rows.height:
                rows = rows.filter(pl.col(field.name) == value)
        for offset in range(0, rows.height, batch_rows):
            _ = self._transaction.reading
            yield rows.slice(offset, batch_rows).select(names)


class MemoryRejectStore:
    """Rejects of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def replace(self, capture_key: int, rejects: pl.DataFrame) -> int:
        state = self._transaction.writing
        rows = conform_rejects(rejects)
        if rows.height:
            state.capture_of_key(capture_key)
        state.rejects[capture_key] = rows
        return rows.height

    def list(self, wanted: RejectFilter) -> list[Reject]:
        state = self._transaction.reading
        captures = sorted(
            (item for item in state.captures.values() if _has_wanted_rejects(state, item, wanted)),
            key=lambda item: newest_partition_first(item.position),
        )
        found = [
            Reject(
                capture.id,
                capture.partition,
                line,
                reason,
                detail,
                raw,
                capture_sequence=capture.sequence,
                key=number,
            )
            for capture in captures
            if capture.key in state.rejects
            for number, (line, reason, detail, raw) in enumerate(
                state.rejects[capture.key].iter_rows(), 1
            )
            if wanted.reason in (None, reason)
        ]
        if wanted.after is not None:
            last = _by_number(wanted.after)
            found = [item for item in found if _by_number(item.position) > last]
        return found[: wanted.limit]


class MemoryQualityStore:
    """Quality results of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add(self, results: Iterable[QualityResult]) -> None:
        state = self._transaction.writing
        for item in results:
            capture = state.capture(item.capture)
            state.require_run(item.run)
            key = len(state.quality) + 1
            state.quality[key] = replace(
                item, partition=capture.partition, checked_at=as_utc(item.checked_at), key=key
            )

    def list(self, wanted: PartitionFilter) -> list[QualityResult]:
        state = self._transaction.reading
        found = [
            item
            for item in state.quality.values()
            if of_filter(state.captures[item.capture], wanted, item.checked_at)
            and wanted.run in (None, item.run)
        ]
        after = wanted.after_in(QualityPosition)
        if after is not None:
            found = [
                item
                for item in found
                if item.run < after.run or (item.run == after.run and item.key > after.number)
            ]
        # Sorting is stable: within a run the order of adding stays.
        return sorted(found, key=lambda item: item.run, reverse=True)[: wanted.limit]


def _by_number(position: RejectPosition) -> tuple[tuple[int, str, str, int], int]:
    return newest_partition_first(position.capture), position.number


def _has_wanted_rejects(state: MemoryState, capture: Capture, wanted: RejectFilter) -> bool:
    partition = capture.partition
    return (
        wanted.domain in (None, partition.domain)
        and wanted.period in (None, partition.period)
        and wanted.segment in (None, partition.segment)
        and wanted.capture in (None, capture.id)
        and (wanted.as_of is None or capture.captured_at <= wanted.as_of)
        and (
            wanted.run in (None, capture.run) or (wanted.run, "OUTPUT", capture.id) in state.lineage
        )
    )
