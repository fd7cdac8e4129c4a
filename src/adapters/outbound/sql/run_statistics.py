"""How runs went: counted and measured in frames, never row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
from sqlalchemy import Select, select

from ....domain.run_statistics import RunStatistics, StatisticsFilter, StatisticsReport
from ....domain.runs import RunState
from .run_bounds import created_between
from .schema_runs import RUNS
from .transaction import SqlTransaction

_BATCH_ROWS = 50_000
_ENDED = [RunState.SUCCEEDED.value, RunState.FAILED.value]
_SCHEMA = {
    "pipeline": pl.String(),
    "state": pl.String(),
    "created": pl.Datetime("us"),
    "started": pl.Datetime("us"),
    "finished": pl.Datetime("us"),
}
_COUNTS = {"pipeline": pl.String(), "day": pl.Date(), "state": pl.String(), "runs": pl.UInt32()}
_DURATIONS = {"pipeline": pl.String(), "day": pl.Date(), "seconds": pl.Float64()}
_DIGITS = 6  # times are known to the microsecond
_QUANTILES = {
    "p50": pl.col("seconds").quantile(0.50, "linear").round(_DIGITS),
    "p95": pl.col("seconds").quantile(0.95, "linear").round(_DIGITS),
}


def statistics(transaction: SqlTransaction, wanted: StatisticsFilter) -> StatisticsReport:
    """The report. Of each run that succeeded or failed, its duration is held in memory."""
    counts, durations = [pl.DataFrame(schema=_COUNTS)], [pl.DataFrame(schema=_DURATIONS)]
    for frame in transaction.frames(_statement(transaction, wanted), _SCHEMA, _BATCH_ROWS):
        dated = frame.with_columns(day=pl.col("created").dt.date())
        counts.append(dated.group_by("pipeline", "day", "state").agg(runs=pl.len()))
        durations.append(
            dated.filter(pl.col("state").is_in(_ENDED))
            .select(
                "pipeline",
                "day",
                seconds=(pl.col("finished") - pl.col("started")).dt.total_microseconds() / 1e6,
            )
            .drop_nulls("seconds")
        )
    counted, measured = pl.concat(counts), pl.concat(durations)
    by_pipeline = _grouped("pipeline", counted, measured)
    by_day = _grouped("day", counted, measured)
    return StatisticsReport(
        [RunStatistics(pipeline, None, *rest) for pipeline, *rest in by_pipeline],
        [RunStatistics(None, day, *rest) for day, *rest in by_day],
        _total(counted, measured),
    )


def _statement(transaction: SqlTransaction, wanted: StatisticsFilter) -> Select[Any]:
    columns = RUNS.c
    statement = select(
        columns.pipeline,
        columns.run_state,
        columns.created_at,
        columns.started_at,
        columns.finished_at,
    ).where(*created_between(transaction, wanted.since, wanted.until))
    if wanted.pipeline is not None:
        statement = statement.where(columns.pipeline == wanted.pipeline)
    if not wanted.parts:
        statement = statement.where(columns.parent_id.is_(None))
    return statement


def _grouped(by: str, counted: pl.DataFrame, measured: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Each group with its counts and quantiles, in the order of the groups."""
    by_state = counted.group_by(by, "state").agg(pl.col("runs").sum())
    counts = by_state.group_by(by).agg("state", "runs")
    quantiles = measured.group_by(by).agg(**_QUANTILES)
    groups = counts.join(quantiles, on=by, how="left").sort(by)
    for key, states, runs, p50, p95 in groups.iter_rows():
        yield key, _by_state(states, runs), p50, p95


def _total(counted: pl.DataFrame, measured: pl.DataFrame) -> RunStatistics:
    counts = counted.group_by("state").agg(pl.col("runs").sum())
    p50, p95 = measured.select(**_QUANTILES).row(0)
    return RunStatistics(None, None, _by_state(*counts.select("state", "runs")), p50, p95)


def _by_state(states: Any, runs: Any) -> dict[RunState, int]:
    return {RunState(state): count for state, count in zip(states, runs, strict=True)}
