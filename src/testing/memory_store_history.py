"""All runs together, in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from ..domain.run_statistics import Purged, RunStatistics, StatisticsFilter, StatisticsReport
from ..domain.runs import Run, RunState
from .memory_store_state import MemoryState, MemoryTransaction


class MemoryRunHistory:
    """The history of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport:
        runs = [run for run in self._transaction.reading.runs.values() if _wants(wanted, run)]
        by_pipeline: dict[str, list[Run]] = defaultdict(list)
        by_day: dict[date, list[Run]] = defaultdict(list)
        for run in runs:
            by_pipeline[run.pipeline].append(run)
            by_day[run.created_at.date()].append(run)
        return StatisticsReport(
            [_statistics(group, pipeline=name) for name, group in sorted(by_pipeline.items())],
            [_statistics(group, day=day) for day, group in sorted(by_day.items())],
            _statistics(runs),
        )

    def purge(self, before: datetime, limit: int) -> Purged:
        state = self._transaction.writing
        live = {run.id for run in state.runs.values() if not run.state.final}
        old = sorted(
            (
                run
                for run in state.runs.values()
                if run.state.final and run.parent not in live and _was_over(run, before)
            ),
            key=lambda run: run.id,
            reverse=True,
        )
        referred = _referred(state)
        parts: dict[str | None, set[str]] = defaultdict(set)
        for run in state.runs.values():
            parts[run.parent].add(run.id)
        kept: set[str] = set()
        purged = Purged()
        # Parts were made after what they are parts of: back in time, leaves come first.
        for run in old:
            if purged.runs + purged.kept >= limit:
                break
            if not parts[run.id] <= kept:
                continue
            said = _forget(state, run.id)
            if run.id in referred or parts[run.id]:
                kept.add(run.id)
                purged += said + Purged(kept=0 if said == Purged() else 1)
            else:
                parts[run.parent].discard(run.id)
                purged += said + Purged(runs=1)
                del state.runs[run.id]
        for request in [key for key, run in state.requests.items() if run not in state.runs]:
            del state.requests[request]
        return purged


def _was_over(run: Run, before: datetime) -> bool:
    """Whether it was there, and finished, before: a step that was taken over is older than that."""
    return run.finished_at is not None and max(run.finished_at, run.created_at) < before


def _wants(wanted: StatisticsFilter, run: Run) -> bool:
    return (
        (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and wanted.pipeline in (None, run.pipeline)
        and (wanted.parts or run.parent is None)
    )


def _statistics(
    runs: Sequence[Run], *, pipeline: str | None = None, day: date | None = None
) -> RunStatistics:
    ended = [run for run in runs if run.state in (RunState.SUCCEEDED, RunState.FAILED)]
    durations = pl.Series([run.duration for run in ended], dtype=pl.Float64).drop_nulls()
    return RunStatistics(
        pipeline,
        day,
        Counter(run.state for run in runs),
        _quantile(durations, 0.5),
        _quantile(durations, 0.95),
    )


def _quantile(durations: pl.Series, share: float) -> float | None:
    """To the microsecond, as times are known."""
    found = durations.quantile(share, "linear")
    return None if found is None else round(found, 6)


def _forget(state: MemoryState, run_id: str) -> Purged:
    """Delete what a run has said, and tell how much that was."""
    events, lines = state.events.pop(run_id, ()), state.lines.pop(run_id, ())
    return Purged(events=len(events), lines=len(lines))


def _referred(state: MemoryState) -> set[str]:
    """The runs that data refers to."""
    return {
        *(capture.run for capture in state.captures.values()),
        *(entry.run for entry in state.manifest.values()),
        *(edge.run for edge in state.lineage.values()),
        *(result.run for result in state.quality.values()),
    }
