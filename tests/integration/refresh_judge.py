"""The one judge of a store: of every run either everything is there, or nothing."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from crash_child import opened, url_of
from polars.testing import assert_frame_equal
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from market_spine.adapters.outbound.archive import FolderArchive
from market_spine.bootstrap.container import Container
from market_spine.domain.datasets import DatasetQuery
from market_spine.domain.runs import Run, RunFilter

Frames = dict[str, pl.DataFrame]

_STAGES = ["CAPTURED", "MEASURED", "NORMALIZED"]
_CAPTURE_TABLES = 8
"""Tables that hold something of a capture, at least: the judge looks at all that there are."""


_OF_RUNS = {"runs", "run_events", "run_log_lines", "run_queue", "run_requests", "backfill_parts"}
"""What is kept of runs themselves, however they ended."""


def judge(home: Path) -> None:
    """Raise an AssertionError where the store of ``home`` holds part of a load.

    For loads whose quality gate is open: a run that did not succeed has left nothing, a run that
    did has left captures with everything that belongs to them.
    """
    engine = create_engine(url_of(home), poolclass=NullPool)
    with engine.connect() as database:
        if engine.dialect.name == "sqlite":
            _is_sound(database)
        captures = _rows(database, "SELECT * FROM captures")
        _belongs_together(database, {row["capture_key"] for row in captures})
        runs = {row["run_id"]: row for row in _rows(database, "SELECT * FROM runs")}
        for run in runs.values():
            _took_effect(run, [row for row in captures if row["run_id"] == run["run_id"]])
        for capture in captures:
            _is_complete(database, capture)
    archive = FolderArchive(home / "archive")
    for capture in captures:
        with archive.open(capture["digest"]) as content:
            read = len(content.read())
        assert read == capture["byte_count"], f"the archive has {read} bytes of {capture}"


def _rows(database: Connection, statement: str, **values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in database.execute(text(statement), values).mappings()]


def _is_sound(database: Connection) -> None:
    """Other databases see to both themselves."""
    [verdict] = _rows(database, "PRAGMA integrity_check")
    assert verdict["integrity_check"] == "ok", f"the database is damaged: {verdict}"
    dangling = _rows(database, "PRAGMA foreign_key_check")
    assert not dangling, f"dangling references: {dangling}"


def _belongs_together(database: Connection, captures: set[int]) -> None:
    seen = 0
    unfinished = "SELECT run_id FROM runs WHERE run_state <> 'SUCCEEDED'"
    known = inspect(database)
    for table in known.get_table_names():
        columns = {column["name"] for column in known.get_columns(table)}
        if "capture_key" in columns:
            seen += 1
            rows = _rows(database, f"SELECT DISTINCT capture_key FROM {table}")
            keys = {row["capture_key"] for row in rows}
            assert keys <= captures, f"{table} has rows of no capture: {keys - captures}"
        if "run_id" in columns and table not in _OF_RUNS:
            left = _count(database, f"{table} WHERE run_id IN ({unfinished})")
            assert not left, f"{table} has {left} rows of a run that did not succeed"
    assert seen >= _CAPTURE_TABLES, f"the judge saw {seen} tables with rows of captures"


def _count(database: Connection, what: str, **values: Any) -> int:
    return int(database.execute(text(f"SELECT count(*) FROM {what}"), values).scalar_one())


def _took_effect(run: dict[str, Any], captures: list[dict[str, Any]]) -> None:
    name = f"run {run['run_id']} of {run['pipeline']}, {run['run_state']},"
    assert (run["finished_at"] is None) == (run["run_state"] == "RUNNING"), name
    if run["run_state"] != "SUCCEEDED":
        assert not captures, f"{name} left {len(captures)} captures"
    elif run["pipeline"].endswith(".refresh_week"):
        metrics = json.loads(run["metrics_json"])
        assert metrics["captures_added"] == len(captures), f"{name} has {len(captures)} captures"
        if captures:
            for count in ("rows_read", "rows_accepted", "rows_rejected"):
                total = sum(capture[count] for capture in captures)
                assert metrics[count] == total, f"{name} says {metrics[count]} {count}, not {total}"


def _is_complete(database: Connection, capture: dict[str, Any]) -> None:
    key, name = capture["capture_key"], f"capture {capture['sequence_no']} of {capture['segment']}"

    def count(table: str) -> int:
        return _count(database, f"{table} WHERE capture_key = :key", key=key)

    accepted, rejected = capture["rows_accepted"], capture["rows_rejected"]
    assert capture["rows_read"] == accepted + rejected > 0, f"{name} lost rows: {capture}"
    assert count("finra_otc_venue_volume") == accepted, f"{name} lacks accepted rows"
    assert count("rejects") == rejected, f"{name} lacks rejects"
    stages = {
        row["stage"]: row["row_count"]
        for row in _rows(database, "SELECT * FROM manifest WHERE capture_key = :key", key=key)
    }
    assert sorted(stages) == _STAGES, f"{name} has reached {sorted(stages)} only"
    assert count("finra_otc_symbol_measures") == stages["MEASURED"], f"{name} lacks measures"
    for table in ("finra_otc_venue_share", "finra_otc_names", "quality_results", "lineage"):
        assert count(table), f"{name} has nothing in {table}"


def all_datasets(container: Container, since: date | None = None) -> Frames:
    """Every dataset, whole, or from the week ``since`` on."""
    reader = container.read_datasets()
    query = DatasetQuery(first_period=since)
    return {spec.name: reader.frame(spec.name, query) for spec in reader.list()}


def datasets_of(home: Path) -> Frames:
    with opened(home) as container:
        return all_datasets(container)


def assert_same_datasets(found: Frames, expected: Frames) -> None:
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        try:
            assert_frame_equal(found[name], frame)
        except AssertionError as difference:
            raise AssertionError(f"dataset {name} is another one: {difference}") from None


def runs_of(container: Container) -> list[Run]:
    """All runs, newest first."""
    return list(container.read_runs().list(RunFilter(limit=1000)))
