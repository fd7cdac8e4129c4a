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
from market_spine.domain.access import AuditFilter
from market_spine.domain.backfills import BackfillState, PartState
from market_spine.domain.captures import (
    CaptureFilter,
    LineageEdge,
    PartitionFilter,
    RejectFilter,
    Stage,
)
from market_spine.domain.errors import Category
from market_spine.domain.queueing import Progress, QueueState
from market_spine.domain.run_statistics import StatisticsFilter
from market_spine.domain.runs import EventKind, LogLine, RunEvent, RunFilter, RunState, Trigger
from market_spine.ports.storage import Store
from market_spine.testing.store_suite_access import a_call, a_digest, a_token
from market_spine.testing.store_suite_backfills import a_backfill, a_part
from market_spine.testing.store_suite_run_samples import LONG, a_capacity, a_job
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
RUNS = RunFilter(
    pipeline="p",
    state=RunState.FAILED,
    parent="x",
    top_level_only=True,
    before="y",
    since=NOW,
    until=NOW,
    partition="2025-11-10/OTC",
    trigger=Trigger.RETRY,
    category=Category.SOURCE,
    retry_of="r",
    backfill="b",
    step="s",
    request="q",
)


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
    tables |= {"run_requests", "run_queue", "run_events", "run_log_lines", "backfill_parts"}
    tables |= {"backfill_requests", "access_tokens", "audit_entries", "shared_keys"}
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
    live_runs(store)
    live_access(store)
    with store.read() as unit:
        unit.runs.get("run-1")
        unit.captures.get("cap-1")
        unit.manifest.lineage("run-1")
        list(unit.rows.read(VOLUME, capture.key, where={"symbol": "AAPL", "mpid": "OTCN"}))
        list(unit.rows.read(VOLUME, capture.key, columns=["shares", "issue_name"]))
        for runs in (RUNS, replace(RUNS, oldest_first=True, after="a"), RunFilter()):
            unit.runs.list(runs)
        for captures in (CAPTURES, CaptureFilter(), replace(CAPTURES, latest_only=False)):
            unit.captures.list(captures)
            unit.captures.list(replace(captures, after=capture.position))
        for wanted in (PARTITIONS, PartitionFilter(limit=None)):
            unit.manifest.list(wanted)
            unit.quality.list(wanted)
        for rejects in (REJECTS, RejectFilter(limit=None)):
            unit.rejects.list(rejects)
        (entry,) = unit.manifest.list(PartitionFilter())
        unit.manifest.list(PartitionFilter(after=entry.position))
        (result,) = unit.quality.list(PartitionFilter())
        unit.quality.list(PartitionFilter(after=result.position))
        (reject,) = unit.rejects.list(RejectFilter())
        unit.rejects.list(RejectFilter(after=reject.position))


def live_runs(store: Store) -> None:
    """What befalls runs that wait, are held, fail, and are purged."""
    capacity = a_capacity(pools={"default": 4, "heavy": None})
    with store.write() as unit:
        now = unit.queue.now()
        for number in range(4):
            run = f"job-{number}"
            unit.runs.add(a_run(run, state=RunState.PENDING), request=run)
            unit.queue.add(
                a_job(run, key="k" if number else None, state=QueueState.WAITING, ready_at=now)
            )
        unit.journal.record([RunEvent("job-0", EventKind.SUBMITTED, NOW, detail={"x": "y" * 2000})])
        unit.journal.log([LogLine("job-0", 1, NOW, "INFO", "x")])
        first, second = unit.queue.claim(capacity)
        unit.runs.begin([first.run, second.run], owner="here", at=now)
        unit.runs.put_back(second.run)
        unit.runs.hold(first.run)
        unit.runs.request_cancel([first.run], now)
        unit.runs.parts(["run-1"])
        unit.runs.parts(["run-1"], RunState.PENDING)
        unit.queue.claimed()
        unit.queue.renew("here", LONG)
        unit.journal.note_progress(first.run, Progress("rows", 1))
        unit.journal.progress([first.run])
        unit.queue.put_back(first.lease, first)
        unit.queue.remove(second.lease)
        unit.queue.cancel("job-2")
        unit.queue.cancel("job-0")
        unit.runs.finish(a_run("job-0", state=RunState.SUCCEEDED, finished_at=now))
        unit.runs.steps("run-1")
        unit.history.purge(now + LONG, 10)
        parts = [a_part(1), a_part(2, parameters={"x": "y" * 5000})]
        unit.backfills.add(a_backfill(), parts, request="q")
        unit.backfills.find_request("q")
        unit.backfills.hold("fill-1")
        unit.backfills.change(
            "fill-1", expected=list(BackfillState), state=BackfillState.PAUSED, finished_at=now
        )
        begun = a_part(1, state=PartState.ACTIVE, run="job-1")
        unit.backfills.change_parts(begun, expected=PartState.PLANNED)
        unit.commit()
    with store.read() as unit:
        unit.queue.lanes(QueueState.READY)
        unit.journal.events("job-1")
        unit.journal.lines("job-1")
        unit.journal.heads(["job-0", "job-1"])
        unit.backfills.list(pipeline="p", state=BackfillState.RUNNING, before="x")
        unit.backfills.counts("fill-1")
        unit.backfills.parts("fill-1", states=list(PartState))
        for wanted in (
            StatisticsFilter(since=NOW, until=NOW, pipeline="p"),
            StatisticsFilter(parts=True),
        ):
            unit.history.statistics(wanted)


def live_access(store: Store) -> None:
    """Who may call, and what is called."""
    with store.write() as unit:
        unit.access.add_token(a_token(), a_digest(1))
        unit.access.revoke("token-1", NOW)
        unit.access.record_call(a_call())
        unit.access.end_call("call-1", "OK", "runs/1")
        unit.access.shared_key("pages", b"x")
        unit.commit()
    with store.read() as unit:
        unit.access.find_token(a_digest(1))
        unit.access.tokens()
        for wanted in (AuditFilter("loader", "a/Do", "x", 5), AuditFilter()):
            unit.access.calls(wanted)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM runs WHERE run_id < 'x' ORDER BY run_id DESC", "autoindex_runs"),
        ("SELECT * FROM runs WHERE pipeline = 'p' ORDER BY run_id DESC", "ix_runs_pipeline"),
        ("SELECT * FROM runs WHERE run_state = 'FAILED' ORDER BY run_id DESC", "ix_runs_run_state"),
        ("SELECT * FROM runs WHERE parent_id = 'p' ORDER BY run_id DESC", "ix_runs_parent_id"),
        (
            "SELECT * FROM runs WHERE pipeline = 'p' AND run_state = 'FAILED' AND run_id < 'x'"
            " ORDER BY run_id DESC",
            "ix_runs_pipeline_state",
        ),
        (
            "SELECT * FROM runs WHERE parent_id IS NULL ORDER BY parent_id DESC, run_id DESC",
            "ix_runs_parent_id",
        ),
        (
            "SELECT * FROM runs WHERE created_at >= '2025' AND created_at < '2026'"
            " AND run_id >= 'a' AND run_id <= 'b' AND run_id < 'x' ORDER BY run_id DESC",
            "autoindex_runs",
        ),
        ("SELECT * FROM runs WHERE run_id > 'x' ORDER BY run_id", "autoindex_runs"),
        (
            "SELECT * FROM runs WHERE parent_id IS NULL AND run_id > 'x'"
            " ORDER BY parent_id, run_id",
            "ix_runs_parent_id (parent_id=? AND run_id>?)",
        ),
        (
            "SELECT run_id FROM runs WHERE created_at < '2026'"
            " ORDER BY created_at DESC, run_id DESC",
            "COVERING INDEX ix_runs_created_at",
        ),
        (
            "SELECT run_id FROM runs WHERE purgeable_at < '2026' ORDER BY purgeable_at, run_id",
            "ix_runs_purgeable_at",
        ),
        *(
            (f"SELECT * FROM runs WHERE {name} = 'x' ORDER BY run_id DESC", f"ix_runs_{name}")
            for name in (
                "step_name",
                "partition_name",
                "trigger_kind",
                "error_category",
                "retry_of_id",
                "backfill_id",
            )
        ),
        (
            "SELECT step_name, run_state, count(*) FROM runs WHERE parent_id = 'x'"
            " AND step_name IS NOT NULL GROUP BY step_name, run_state"
            " ORDER BY step_name, run_state",
            "COVERING INDEX ix_runs_parent_step",
        ),
        (
            "SELECT pool, pipeline FROM run_queue WHERE queue_state = 'READY' AND pool = 'p'"
            " AND pipeline > 'a' ORDER BY pool, pipeline",
            "COVERING INDEX ix_run_queue_lane (queue_state=? AND pool=? AND pipeline>?)",
        ),
        (
            "SELECT pool, pipeline FROM run_queue WHERE queue_state = 'READY' AND pool > 'p'"
            " ORDER BY pool, pipeline",
            "COVERING INDEX ix_run_queue_lane (queue_state=? AND pool>?)",
        ),
        (
            "SELECT * FROM run_queue WHERE queue_state = 'READY' AND pool = 'p'"
            " AND pipeline = 'a' ORDER BY ranked_at, run_id",
            "ix_run_queue_lane",
        ),
        (
            "SELECT run_id FROM run_queue WHERE queue_state = 'WAITING' AND ready_at <= '2026'"
            " ORDER BY ready_at",
            "ix_run_queue_due",
        ),
        (
            "SELECT * FROM run_queue WHERE job_key_digest = 'x' AND queue_state = 'HELD'"
            " ORDER BY ranked_at, run_id",
            "ix_run_queue_key",
        ),
        (
            "UPDATE run_queue SET lease_until = '2026' WHERE owner_id = 'x'"
            " AND queue_state = 'CLAIMED'",
            "ix_run_queue_",
        ),
        (
            "SELECT * FROM run_events WHERE run_id = 'x' AND event_key > 7 ORDER BY event_key",
            "ix_run_events_run_id",
        ),
        (
            "SELECT * FROM run_log_lines WHERE run_id = 'x' AND line_no > 7 ORDER BY line_no",
            "autoindex_run_log_lines",
        ),
        (
            "SELECT (SELECT max(event_key) FROM run_events WHERE run_id = runs.run_id)"
            " FROM runs WHERE run_id IN ('x', 'y')",
            "COVERING INDEX ix_run_events_run_id",
        ),
        (
            "SELECT (SELECT max(line_no) FROM run_log_lines WHERE run_id = runs.run_id)"
            " FROM runs WHERE run_id IN ('x', 'y')",
            "COVERING INDEX sqlite_autoindex_run_log_lines_1",
        ),
        ("SELECT * FROM backfills WHERE backfill_id < 'x' ORDER BY backfill_id DESC", "autoindex_"),
        (
            "SELECT * FROM backfill_parts WHERE backfill_id = 'x' AND part_state = 'PLANNED'"
            " AND part_no > 7 ORDER BY part_no",
            "ix_backfill_parts_state",
        ),
        (
            "SELECT backfill_id FROM backfill_requests WHERE request_id = 'x'",
            "autoindex_backfill_requests",
        ),
        (
            "SELECT * FROM access_tokens WHERE token_digest = 'x'",
            "INDEX sqlite_autoindex_access_tokens_2 (token_digest=?)",
        ),
        (
            "SELECT * FROM audit_entries WHERE entry_id < 'x' ORDER BY entry_id DESC",
            "autoindex_audit_entries",
        ),
        (
            "SELECT * FROM audit_entries WHERE caller = 'a' AND entry_id < 'x'"
            " ORDER BY entry_id DESC",
            "ix_audit_entries_caller",
        ),
        (
            "SELECT * FROM audit_entries WHERE method_name = 'a' AND entry_id < 'x'"
            " ORDER BY entry_id DESC",
            "ix_audit_entries_method_name",
        ),
        ("SELECT * FROM captures WHERE digest = 'x'", "ix_captures_digest"),
        ("SELECT * FROM captures WHERE capture_id = 'x'", "autoindex_captures"),
        (
            "SELECT * FROM captures WHERE domain_name = 'd' AND period_date = '2025-11-10'"
            " AND segment = 'OTC' ORDER BY sequence_no DESC",
            "ix_captures_newest",
        ),
        (
            "SELECT * FROM captures"
            " ORDER BY period_date DESC, segment, domain_name, sequence_no DESC",
            "ix_captures_newest",
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
