"""Captures, manifest and lineage in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from ..domain.captures import (
    Capture,
    CaptureFilter,
    CapturePosition,
    LineageEdge,
    ManifestEntry,
    ManifestPosition,
    Partition,
    PartitionFilter,
    Stage,
)
from ..domain.errors import LoadError
from .memory_store_state import MemoryState, MemoryTransaction, as_json, as_utc


class MemoryCaptureStore:
    """Captures of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add(self, capture: Capture) -> Capture:
        state = self._transaction.writing
        if capture.id in state.captures:
            raise LoadError(f"there is a capture {capture.id} already")
        state.require_run(capture.run)
        newest = max(
            (item for item in state.captures.values() if item.partition == capture.partition),
            key=lambda item: item.sequence,
            default=None,
        )
        at = as_utc(capture.captured_at)
        if newest is not None and at < newest.captured_at:
            at = newest.captured_at + timedelta(microseconds=1)
        state.captures[capture.id] = replace(
            capture,
            captured_at=at,
            source_options=as_json(capture.source_options, "the source options"),
            sequence=newest.sequence + 1 if newest else 1,
            supersedes=newest.id if newest else None,
            key=len(state.captures) + 1,
        )
        return state.captures[capture.id]

    def record_counts(self, capture_key: int, *, read: int, accepted: int, rejected: int) -> None:
        state = self._transaction.writing
        capture = state.capture_of_key(capture_key)
        state.captures[capture.id] = replace(
            capture, rows_read=read, rows_accepted=accepted, rows_rejected=rejected
        )

    def get(self, capture_id: str) -> Capture | None:
        return self._transaction.reading.captures.get(capture_id)

    def list(self, wanted: CaptureFilter) -> list[Capture]:
        state = self._transaction.reading
        found = sorted(
            (item for item in state.captures.values() if _kept(state, item, wanted)),
            key=lambda item: newest_partition_first(item.position),
        )
        if wanted.latest_only:
            newest: dict[Partition, Capture] = {}
            for item in found:
                newest.setdefault(item.partition, item)
            found = [item for item in found if newest[item.partition] is item]
        if wanted.after is not None:
            # After the last of a partition comes the next one, whatever is the newest by then.
            last = replace(wanted.after, sequence=0) if wanted.latest_only else wanted.after
            key = newest_partition_first(last)
            found = [item for item in found if newest_partition_first(item.position) > key]
        return found[: wanted.limit]


class MemoryManifestStore:
    """Manifest and lineage of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def record(self, entry: ManifestEntry) -> None:
        state = self._transaction.writing
        capture = state.capture(entry.capture)
        state.require_run(entry.run)
        state.manifest[entry.capture, entry.stage] = replace(
            entry,
            partition=capture.partition,
            reached_at=as_utc(entry.reached_at),
            capture_sequence=capture.sequence,
        )

    def withdraw(self, capture: str, stage: Stage) -> None:
        state = self._transaction.writing
        state.manifest.pop((state.capture(capture).id, stage), None)

    def link(self, edges: Iterable[LineageEdge]) -> None:
        state = self._transaction.writing
        for edge in edges:
            capture = state.capture(edge.capture)
            state.require_run(edge.run)
            state.lineage[edge.run, edge.role, edge.capture] = replace(
                edge, partition=capture.partition
            )

    def lineage(self, run_id: str) -> list[LineageEdge]:
        state = self._transaction.reading
        edges = [edge for edge in state.lineage.values() if edge.run == run_id]
        return sorted(edges, key=lambda edge: (edge.role, state.captures[edge.capture].key))

    def list(self, wanted: PartitionFilter) -> list[ManifestEntry]:
        state = self._transaction.reading
        after = wanted.after_in(ManifestPosition)
        found = [
            item
            for item in state.manifest.values()
            if of_filter(state.captures[item.capture], wanted, item.reached_at)
            and wanted.run in (None, item.run)
            and (after is None or _by_stage(item.position) > _by_stage(after))
        ]
        found.sort(key=lambda item: _by_stage(item.position))
        return found[: wanted.limit]


def newest_partition_first(position: CapturePosition) -> tuple[int, str, str, int]:
    """The sort key of captures: descending period, ascending segment, descending sequence."""
    partition = position.partition
    return (
        -partition.period.toordinal(),
        partition.segment,
        partition.domain,
        -position.sequence,
    )


def _by_stage(position: ManifestPosition) -> tuple[tuple[int, str, str, int], int]:
    return newest_partition_first(position.capture), position.stage.order


def of_filter(capture: Capture, wanted: PartitionFilter, moment: datetime) -> bool:
    """Whether what belongs to ``capture`` and was noted at ``moment`` is wanted, its run aside."""
    return (
        wanted.domain in (None, capture.partition.domain)
        and wanted.period in (None, capture.partition.period)
        and wanted.segment in (None, capture.partition.segment)
        and wanted.capture in (None, capture.id)
        and (wanted.as_of is None or max(capture.captured_at, moment) <= wanted.as_of)
    )


def _kept(state: MemoryState, capture: Capture, wanted: CaptureFilter) -> bool:
    partition = capture.partition
    return (
        wanted.domain in (None, partition.domain)
        and wanted.segment in (None, partition.segment)
        and (wanted.first_period is None or partition.period >= wanted.first_period)
        and (wanted.last_period is None or partition.period <= wanted.last_period)
        and wanted.digest in (None, capture.digest)
        and (wanted.as_of is None or capture.captured_at <= wanted.as_of)
        and (wanted.stage is None or _has_reached(state, capture, wanted.stage, wanted.as_of))
    )


def _has_reached(
    state: MemoryState, capture: Capture, stage: Stage, as_of: datetime | None
) -> bool:
    entry = state.manifest.get((capture.id, stage))
    if entry is None or entry.blocked:
        return False
    return as_of is None or entry.reached_at <= as_of
