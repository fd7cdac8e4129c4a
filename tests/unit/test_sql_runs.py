"""What the SQL stores of runs promise beyond the port: their cost, and how they bound it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from counted_statements import counted
from sqlalchemy import ClauseElement, Connection, event, select

from market_spine.adapters.outbound.sql import json_text, run_bounds, run_rows
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.run_journal import SqlRunJournal
from market_spine.adapters.outbound.sql.schema_runs import RUN_QUEUE, RUNS
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.sql.transaction import SqlTransaction
from market_spine.domain.errors import SpineError
from market_spine.domain.queueing import Capacity, QueueState
from market_spine.domain.run_statistics import Purged, StatisticsFilter
from market_spine.domain.runs import EventKind, LogLine, RunEvent, RunFilter
from market_spine.testing.store_suite_history import an_ended
from market_spine.testing.store_suite_run_samples import a_capacity, a_job, with_jobs, with_runs
from market_spine.testing.store_suite_samples import NOON, a_capture, a_run

MINUTE = timedelta(minutes=1)
OLD = NOON + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    yield store
    store.close()


@contextmanager
def noted(store: SqlStore) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    executed: list[str] = []

    def note(_: Connection, element: ClauseElement, *__: object) -> None:
        executed.append(str(element))

    engine = store._database.engine(Access.WRITE)
    event.listen(engine, "before_execute", note)
    yield executed
    event.remove(engine, "before_execute", note)


def values_of(store: SqlStore, column: Any) -> list[Any]:
    with store._database.engine(Access.READ).connect() as connection:
        return list(connection.execute(select(column).order_by(column)).scalars())


# Claims


@pytest.mark.parametrize(
    "capacity",
    [
        a_capacity(jobs=2),
        a_capacity(jobs=2, pipelines={"finra.refresh": 5, "other": None}),
        a_capacity(jobs=2, pipelines={"other": None}),
    ],
    ids=["unlimited", "limited", "others only"],
)
def test_a_claim_asks_as_much_however_many_jobs_there_are(
    store: SqlStore, capacity: Capacity
) -> None:
    with_jobs(store, *(a_job(f"other-{n}", pipeline="other", ranked_at=OLD) for n in range(3)))
    asked = []
    for more in (3, 300):
        with_jobs(store, *(a_job(f"run-{more}-{n:03}") for n in range(more)))
        with noted(store) as statements, store.write() as unit:
            assert len(unit.queue.claim(capacity)) == 2
        asked.append(len(statements))
    assert asked[0] == asked[1]
    assert asked[0] <= 12


def test_a_claim_makes_so_many_jobs_ready_and_no_more(store: SqlStore) -> None:
    waiting = {"state": QueueState.WAITING, "ready_at": NOON}
    with_jobs(store, *(a_job(f"run-{n:03}", **waiting) for n in range(600)))
    for expected in (100, 0):
        with store.write() as unit:
            unit.queue.claim(a_capacity(jobs=1))
            unit.commit()
        assert values_of(store, RUN_QUEUE.c.queue_state).count("WAITING") == expected


# Lists by time


@pytest.fixture
def crooked(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """Runs a minute apart whose ids are up to two places away from where their times are."""
    monkeypatch.setattr(run_bounds, "_DISORDER", 5)
    numbers = [2, 1, 0, 5, 3, 4, 6, 9, 8, 7, 11, 10]
    runs = [
        a_run(f"run-{number:02}", created_at=NOON + place * MINUTE)
        for place, number in enumerate(numbers)
    ]
    with_runs(store, *runs)
    return store


def test_bounds_of_ids_leave_nothing_out(crooked: SqlStore) -> None:
    with crooked.read() as unit:
        everything = list(unit.runs.list(RunFilter()))
        for first, last in product(range(-1, 13), repeat=2):
            since, until = NOON + first * MINUTE, NOON + last * MINUTE
            expected = [run for run in everything if since <= run.created_at < until]
            assert list(unit.runs.list(RunFilter(since=since, until=until))) == expected
            total = unit.history.statistics(StatisticsFilter(since=since, until=until)).total
            assert total.runs == len(expected)
            for before in ("run-00", "run-06", "run-99"):
                page = unit.runs.list(RunFilter(since=since, until=until, before=before))
                assert list(page) == [run for run in expected if run.id < before]
            for after in ("run-00", "run-05", "run-99"):
                wanted = RunFilter(since=since, until=until, after=after, oldest_first=True)
                page = unit.runs.list(wanted)
                assert list(page) == [run for run in expected[::-1] if run.id > after]
                between = replace(wanted, before="run-09", oldest_first=False)
                assert list(unit.runs.list(between)) == [
                    run for run in expected if after < run.id < "run-09"
                ]


# Heads of journals


def test_heads_cost_no_more_however_much_was_said(store: SqlStore) -> None:
    """SQLite counts the steps of its machine: they are those of the look-ups alone."""
    runs = [f"run-{number}" for number in range(20)]
    with_runs(store, *map(a_run, runs))
    steps = []
    for more in (1, 2_000):
        with store.write() as unit:
            for run in runs[:2]:
                unit.journal.record([RunEvent(run, EventKind.CLAIMED, NOON)] * more)
                lines = [LogLine(run, more + n, NOON, "INFO", "x") for n in range(more)]
                unit.journal.log(lines)
            unit.commit()
        steps.append(steps_of(store, runs))
    assert steps[1] <= steps[0] + 5


def steps_of(store: SqlStore, runs: list[str]) -> int:
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    with store._database.connect(Access.READ) as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        transaction = SqlTransaction(connection, store._database.dialect, writable=False)
        SqlRunJournal(transaction).heads(runs)
        raw.set_progress_handler(count, 10)
        SqlRunJournal(transaction).heads(runs)
        raw.set_progress_handler(None, 0)
    return counted


# What is kept of old runs


def test_what_is_kept_is_looked_at_once(store: SqlStore) -> None:
    with_runs(
        store,
        an_ended("above", 1),
        an_ended("kept", 1, parent="above"),
        an_ended("new", 1, finished_at=OLD),
        an_ended("around-new", 1),
        an_ended("part-of-new", 1, parent="around-new", finished_at=OLD),
    )
    with store.write() as unit:
        unit.captures.add(a_capture("one", run="kept"))
        unit.journal.record([RunEvent(run, EventKind.CLAIMED, NOON) for run in ("above", "kept")])
        unit.commit()
    with store.write() as unit:
        assert unit.history.purge(OLD, 100) == Purged(kept=2, events=2)
        unit.commit()
    # The one above a kept one is kept as well; the one above a new one is looked at again.
    assert values_of(store, RUNS.c.purgeable_at).count(None) == 2
    with noted(store) as statements, store.write() as unit:
        assert unit.history.purge(OLD, 100) == Purged()
    assert len(statements) == 1
    with store.write() as unit:
        assert unit.history.purge(OLD + MINUTE, 100) == Purged(runs=3)


# The clock of Db2


class _Server:
    """A connection to a server that knows no CURRENT TIMEZONE, in a zone of its own."""

    def __init__(self, zone: timezone) -> None:
        self._zone = zone
        self.asked: list[str] = []

    def exec_driver_sql(self, statement: str) -> _Server:
        self.asked.append(statement)
        if "TIMEZONE" in statement:
            raise SpineError(
                "refused", cause=Exception("SQL0104N An unexpected token SQLCODE=-104")
            )
        return self

    def scalar_one(self) -> datetime:
        return datetime.now(self._zone).replace(tzinfo=None)


@pytest.mark.parametrize("minutes", [0, 60, -300, 345, 840, -720])
def test_where_db2_tells_no_zone_it_follows_from_our_clock(minutes: int) -> None:
    pytest.importorskip("ibm_db", reason="ibm_db is not installed")
    from market_spine.adapters.outbound.sql.choosing import dialect_of

    dialect = dialect_of("db2+ibm_db://user@host:50000/database")
    server = _Server(timezone(timedelta(minutes=minutes)))
    for _ in range(2):
        assert abs(dialect.now(server) - datetime.now(UTC)) < MINUTE  # type: ignore[arg-type]  # as much of a connection as is asked
    assert len(server.asked) == 3, "it is asked for its zone once"


def test_rows_that_are_many_are_sent_while_they_are_made(store: SqlStore) -> None:
    """What is made before anything is sent is silence to a database, which ends it."""
    sent: list[int] = []

    def lines() -> Iterator[RunEvent]:
        for number in range(2500):
            sent.append(sum("INSERT INTO run_events" in text for text in statements))
            yield RunEvent("run-1", EventKind.CLAIMED, NOON, attempt=number)

    with_runs(store, a_run("run-1"))
    with counted() as statements, store.write() as unit:
        unit.journal.record(lines())
        unit.commit()

    assert sent == [0] * 1000 + [1] * 1000 + [2] * 500


def test_a_plan_that_many_runs_share_is_written_out_once(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def to_text(value: Any, what: str) -> str:
        written.append(what)
        return json_text.to_text(value, what)

    monkeypatch.setattr(run_rows, "to_text", to_text)
    plan = {"steps": [], "attached_to": None, "priority": 0}
    runs = [a_run(f"run-{n}", plan=plan) for n in range(3)]
    with store.write() as unit:
        unit.runs.add(*runs, a_run("run-3", plan={}))
        unit.commit()

    assert [what for what in written if "plan" in what] == [
        "the plan of run run-0",
        "the plan of run run-3",
    ]
    with store.read() as unit:
        assert [run.plan for run in unit.runs.find([f"run-{n}" for n in range(4)])] == [
            *[plan] * 3,
            {},
        ]
