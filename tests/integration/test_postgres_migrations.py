"""Migrations on SQLite and PostgreSQL alike: they make the schema, keep the data, and end well."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import upgrade_child
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cli_spine import Spine
from postgres_server import own_schema
from schema_rows import TABLES, all_rows, at_revision, engine_of
from sqlalchemy import Engine, event, text

from market_spine.adapters.outbound.sql.revisions import HEAD, REVISIONS, VERSION
from market_spine.adapters.outbound.sql.schema import METADATA
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import (
    LocalProcesses,
    SystemChance,
    SystemClock,
    UuidIds,
)
from market_spine.application.backfill_progression import BackfillProgression
from market_spine.application.lifecycle import Lifecycle
from market_spine.application.progression import Progression
from market_spine.application.reaping import reap
from market_spine.domain.errors import ConfigurationError, SpineError
from market_spine.domain.runs import RunState
from market_spine.testing.store_suite_samples import a_run

OLDER = REVISIONS[:-1]
AT_ONCE = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with _fresh(request.param, request, tmp_path / "spine.db") as url:
        yield url


@pytest.fixture
def another(fresh: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A second one of the same kind."""
    with _fresh(fresh.partition("+")[0], request, tmp_path / "another.db") as url:
        yield url


@contextmanager
def _fresh(kind: str, request: pytest.FixtureRequest, path: Path) -> Iterator[str]:
    if kind == "postgresql":
        with own_schema(request.getfixturevalue("postgres_server")) as url:
            yield url
    else:
        yield f"sqlite:///{path}"


def upgrade(url: str) -> str | None:
    with closing(SqlStore(url)) as store:
        return store.upgrade().revision


class Child:
    """An upgrade in a process of its own."""

    def __init__(self, url: str, *die_at: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, upgrade_child.__file__, url, *map(str, die_at)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, str]:
        said, errors = self._process.communicate(timeout=60)
        assert self._process.returncode <= 0, errors
        return self._process.returncode, said.strip()


# The schema


def test_replayed_migrations_make_the_schema(fresh: str) -> None:
    upgrade(fresh)

    with engine_of(fresh).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_replayed_migrations_make_the_schema_to_the_letter(fresh: str, another: str) -> None:
    """Alembic does not compare primary keys, collations, identities and names of constraints."""
    upgrade(fresh)
    with engine_of(another).begin() as connection:
        METADATA.create_all(connection)
        VERSION.create(connection)

    migrated, created = _catalog(fresh), _catalog(another)

    assert len(migrated) > len(METADATA.tables)
    assert migrated == created


_POSTGRES_CATALOG = """
    SELECT 'column' AS kind, c.relname AS owner, a.attname AS name,
           format_type(a.atttypid, a.atttypmod)
           || ' ' || a.attnotnull::text || ' ' || a.attidentity::text
           || ' ' || coalesce(l.collname, '')
           || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'i', 'S', 'v')
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'index', tablename, indexname, replace(indexdef, current_schema() || '.', '')
    FROM pg_indexes WHERE schemaname = current_schema()
"""


def _catalog(url: str) -> list[tuple[Any, ...]]:
    """Everything that the database knows of its tables."""
    with engine_of(url).connect() as connection:
        if connection.dialect.name == "postgresql":
            return sorted(map(tuple, connection.execute(text(_POSTGRES_CATALOG))))
        rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).all()
    # The order in which a table's constraints are written means nothing.
    return sorted(
        (kind, name, sorted(line.strip().rstrip(",") for line in (sql or "").splitlines()))
        for kind, name, sql in rows
    )


# The data


def _as_far_as(
    columns_of: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows without the columns that they did not have before."""
    return [{name: row[name] for name in columns_of[0]} for row in rows]


@pytest.mark.parametrize("start", OLDER)
def test_an_upgrade_leaves_every_row_as_it_was(fresh: str, start: str) -> None:
    at_revision(fresh, start)
    before = all_rows(fresh)
    assert {table for table, rows in before.items() if rows} >= TABLES

    assert upgrade(fresh) == HEAD

    after = all_rows(fresh)
    for table in TABLES:
        assert _as_far_as(before[table], after[table]) == before[table], table
    with closing(SqlStore(fresh)) as store:
        with store.read() as unit:
            found = unit.captures.get("two")
            assert found is not None
            assert found.supersedes == "one"
        with store.write() as unit:
            unit.runs.add(a_run("run-3"))
            unit.commit()


def test_a_run_that_was_under_way_is_closed_by_whoever_comes_next(fresh: str) -> None:
    at_revision(fresh, "0002")
    engine = engine_of(fresh)
    with engine.begin() as connection:
        for name, state in (("done", "SUCCEEDED"), ("left", "RUNNING")):
            connection.execute(
                text(
                    "INSERT INTO runs (run_id, pipeline, parameters_json, run_state, created_at,"
                    " owner_id, metrics_json, warnings_json) VALUES (:name, 'demo.old', '{}',"
                    " :state, :at, 'elsewhere/1/2', '{}', '[]')"
                ),
                {"name": name, "state": state, "at": "2026-01-05 00:00:00.000000"},
            )
    engine.dispose()
    upgrade(fresh)

    with closing(SqlStore(fresh)) as store:
        ids = UuidIds()
        progression = Progression(ids, BackfillProgression(ids))
        lifecycle = Lifecycle(progression, LocalProcesses(), SystemChance())
        assert reap(store, SystemClock(), lifecycle) == 1
        with store.read() as unit:
            left, done = unit.runs.get("left"), unit.runs.get("done")
            assert unit.queue.claimed() == []

    assert left is not None
    assert done is not None
    assert (left.state, done.state) == (RunState.FAILED, RunState.SUCCEEDED)
    assert "ended before it was finished" in str(left.error)


@pytest.mark.parametrize("start", [None, *OLDER])
def test_processes_that_upgrade_at_once_end_well(fresh: str, start: str | None) -> None:
    if start is not None:
        at_revision(fresh, start)
        before = all_rows(fresh)["finra_otc_venue_volume"]
    children = [Child(fresh) for _ in range(AT_ONCE)]
    for child in children:
        child.ready()
    for child in children:
        child.go()

    assert [child.end() for child in children] == [(0, HEAD)] * AT_ONCE
    with closing(SqlStore(fresh)) as store:
        store.ensure_ready()
    if start is not None:
        assert all_rows(fresh)["finra_otc_venue_volume"] == before


def test_a_process_killed_in_an_upgrade_leaves_the_old_schema_and_its_rows(
    fresh: str, subtests: pytest.Subtests
) -> None:
    at_revision(fresh, OLDER[0])
    before = all_rows(fresh)
    statements = _statements_of_an_upgrade(fresh)
    assert any("run_queue" in statement for statement in statements)
    first = next(n for n, text in enumerate(statements, 1) if text.startswith("ALTER TABLE"))
    for number in (first, (first + len(statements)) // 2, len(statements)):
        with subtests.test(f"SIGKILL before {statements[number - 1]}"):
            child = Child(fresh, number)
            child.ready()
            child.go()
            assert child.end()[0] == -signal.SIGKILL
            assert all_rows(fresh) == before
    assert upgrade(fresh) == HEAD


def _statements_of_an_upgrade(url: str) -> list[str]:
    """What an upgrade executes, counted by one that fails at its very end: nothing of it stays."""
    before = all_rows(url)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(" ".join(statement.split())[:60])
        if statement.startswith("INSERT INTO alembic_version"):
            raise RuntimeError("in the middle")

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with pytest.raises(SpineError, match="RuntimeError"):
            upgrade(url)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert all_rows(url) == before
    return statements


# Who may use it


@pytest.mark.parametrize("start", OLDER)
def test_an_older_schema_is_refused_and_names_the_upgrade(
    fresh: str, start: str, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_revision(fresh, start)
    before = all_rows(fresh)
    monkeypatch.setenv("SPINE_DATABASE_URL", fresh)

    said = spine("runs", "list", code=6)
    assert start in said.err
    assert "spine db upgrade" in said.err
    assert spine("db", "current", "--json", code=1).json()["revision"] == start
    assert all_rows(fresh) == before

    assert spine("db", "upgrade", "--json").json()["current"] is True
    assert "run-2" in spine("runs", "list", "--json").out


def test_a_newer_schema_is_refused_and_names_the_software(
    fresh: str, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(fresh)
    with engine_of(fresh).begin() as connection:
        connection.execute(VERSION.update(), {"version_num": "9999"})
    monkeypatch.setenv("SPINE_DATABASE_URL", fresh)

    for words in (("runs", "list"), ("db", "upgrade")):
        said = spine(*words, code=6)
        assert "9999" in said.err
        assert "update the software" in said.err
    assert all_rows(fresh)["alembic_version"] == [{"version_num": "9999"}]


def test_tables_of_somebody_else_are_left_alone(fresh: str) -> None:
    with engine_of(fresh).begin() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    with closing(SqlStore(fresh)) as store:
        for use in (store.ensure_ready, store.upgrade, store.status):
            with pytest.raises(ConfigurationError, match="tables of something else"):
                use()
    assert list(all_rows(fresh)) == ["customers"]
