from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import ClauseElement, Connection, Dialect, event
from sqlalchemy.dialects import postgresql

from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import (
    CaptureFilter,
    LineageEdge,
    PartitionFilter,
    RejectFilter,
    Stage,
)
from market_spine.domain.runs import RunFilter, RunState
from market_spine.ports.storage import Store
from market_spine.testing.store_suite_samples import (
    OTC,
    VOLUME,
    a_capture,
    a_check,
    a_run,
    an_entry,
    one_row,
    some_rejects,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAPTURES = CaptureFilter(
    domain="d",
    first_period=date(2025, 1, 1),
    last_period=date(2026, 1, 1),
    segment="OTC",
    digest="x",
    as_of=NOW,
    stage=Stage.MEASURED,
    latest_only=True,
    limit=5,
)
PARTITIONS = PartitionFilter(
    domain="d", period=OTC.period, segment="OTC", run="r", capture="c", as_of=NOW
)
REJECTS = RejectFilter(
    domain="d", period=OTC.period, segment="OTC", run="r", capture="c", reason="x"
)
RUNS = RunFilter(pipeline="p", state=RunState.FAILED, parent="x", top_level_only=True, before="y")


@pytest.fixture
def statements(tmp_path: Path) -> Iterator[list[ClauseElement]]:
    """Every statement that the stores have, as they were executed in a life of a store."""
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    executed: list[ClauseElement] = []

    def note(_: Connection, element: ClauseElement, *__: object) -> None:
        executed.append(element)

    for access in (Access.WRITE, Access.READ):
        event.listen(store._database.engine(access), "before_execute", note)
    live(store)
    yield executed
    store.close()


def test_every_statement_compiles_for_postgresql(statements: list[ClauseElement]) -> None:
    _compile_all(statements, postgresql.dialect())


def test_no_statement_uses_what_some_database_lacks(statements: list[ClauseElement]) -> None:
    for element in statements:
        text = f" {element} ".upper()
        for lacking in (" IS TRUE", " IS FALSE", " IS 0", " IS 1", "WITH ", "RETURNING", " OVER "):
            assert lacking not in text, text


def _compile_all(statements: list[ClauseElement], dialect: Dialect) -> None:
    tables = {"runs", "captures", "manifest", "lineage", "rejects", "quality_results"}
    compiled = [str(element.compile(dialect=dialect)) for element in statements]
    assert len(set(compiled)) > 25
    for table in tables | {VOLUME, "finra_otc_names"}:
        assert any(table in text for text in compiled), f"no statement on {table}"


def live(store: Store) -> None:
    with store.write() as unit:
        unit.runs.add(a_run())
        capture = unit.captures.add(a_capture())
        unit.captures.record_counts(capture.key, read=2, accepted=1, rejected=1)
        unit.lock(OTC)
        unit.rows.replace(VOLUME, capture.key, one_row())
        unit.rejects.replace(capture.key, some_rejects(1, raw="x" * 5000))
        unit.quality.add([a_check(capture, "check")])
        unit.manifest.record(an_entry(capture))
        unit.manifest.link([LineageEdge("run-1", capture.id, "OUTPUT")])
        unit.runs.finish(a_run(state=RunState.SUCCEEDED))
        unit.commit()
    with store.read() as unit:
        unit.runs.get("run-1")
        unit.runs.live()
        unit.captures.get("cap-1")
        unit.manifest.lineage("run-1")
        list(unit.rows.read(VOLUME, capture.key, where={"symbol": "AAPL", "mpid": "OTCN"}))
        list(unit.rows.read(VOLUME, capture.key, columns=["shares", "issue_name"]))
        for runs in (RUNS, RunFilter()):
            unit.runs.list(runs)
        for captures in (CAPTURES, CaptureFilter(), replace(CAPTURES, latest_only=False)):
            unit.captures.list(captures)
        for wanted in (PARTITIONS, PartitionFilter(limit=None)):
            unit.manifest.list(wanted)
            unit.quality.list(wanted)
        for rejects in (REJECTS, RejectFilter(limit=None)):
            unit.rejects.list(rejects)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM runs WHERE run_id < 'x' ORDER BY run_id DESC", "autoindex_runs"),
        ("SELECT * FROM runs WHERE pipeline = 'p' ORDER BY run_id DESC", "ix_runs_pipeline"),
        ("SELECT * FROM runs WHERE run_state = 'FAILED' ORDER BY run_id DESC", "ix_runs_run_state"),
        ("SELECT * FROM runs WHERE parent_id = 'p' ORDER BY run_id DESC", "ix_runs_parent_id"),
        ("SELECT * FROM captures WHERE digest = 'x'", "ix_captures_digest"),
        ("SELECT * FROM captures WHERE capture_id = 'x'", "autoindex_captures"),
        (
            "SELECT * FROM captures WHERE domain_name = 'd' AND period_date = '2025-11-10'"
            " AND segment = 'OTC' ORDER BY sequence_no DESC",
            "autoindex_captures",
        ),
        ("SELECT * FROM rejects WHERE capture_key = 1 ORDER BY reject_no", "autoindex_rejects"),
        ("SELECT * FROM manifest WHERE capture_key = 1", "autoindex_manifest"),
        ("SELECT * FROM quality_results WHERE run_id = 'x'", "ix_quality_results_run_id"),
        ("SELECT * FROM quality_results WHERE capture_key = 1", "ix_quality_results_capture_key"),
        (
            "SELECT * FROM finra_otc_venue_volume WHERE capture_key = 1 AND symbol = 'A'"
            " ORDER BY symbol, mpid",
            "PRIMARY KEY (capture_key=? AND symbol=?)",
        ),
        (
            "SELECT * FROM finra_otc_venue_volume WHERE capture_key = 1 ORDER BY symbol, mpid",
            "PRIMARY KEY (capture_key=?)",
        ),
    ],
)
def test_questions_of_the_stores_have_an_index(tmp_path: Path, sql: str, index: str) -> None:
    path = tmp_path / "spine.db"
    store = SqlStore(f"sqlite:///{path}")
    store.ensure_ready()
    store.close()
    connection = sqlite3.connect(path)
    plan = "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    connection.close()
    assert index in plan
    assert "TEMP B-TREE" not in plan, plan
