"""The same revisions on Db2: they make the MetaData, keep what is there, and end well together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from db2_rig import URL_VARIABLE
from db2_schemas import connected, own_schema, tables_in
from polars.testing import assert_frame_equal
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.schema import CreateTable

from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.migrations import runner
from market_spine.adapters.outbound.sql.migrations.runner import all_revisions, migrate
from market_spine.adapters.outbound.sql.revisions import HEAD, REVISIONS, VERSION
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    SourceError,
    SpineError,
    ValidationError,
)
from market_spine.domain.runs import RunFilter, Trigger
from market_spine.testing.store_suite_samples import (
    NOON,
    VOLUME,
    a_capture,
    one_row,
    rows_of,
)

# In seconds; the emulation gives a lock up after two.
_LONGER_THAN_THE_SERVER_WAITS = 4

Catalogue = dict[str, dict[str, set[tuple[object, ...]]]]


def catalogue(connection: Connection) -> Catalogue:
    """Columns, keys and indexes by table, as the driver's own catalogue functions tell them."""
    driver = connection.connection.driver_connection
    schema = connection.exec_driver_sql("VALUES CURRENT SCHEMA").scalar_one().strip()
    found = {
        table: {
            "columns": {_column(item) for item in driver.columns(schema, table)},
            "primary key": {
                (item["PK_NAME"], item["KEY_SEQ"], item["COLUMN_NAME"])
                for item in driver.primary_keys(True, schema, table)
            },
            "foreign keys": {
                (
                    item["FK_NAME"],
                    item["KEY_SEQ"],
                    item["FKCOLUMN_NAME"],
                    item["PKTABLE_NAME"],
                    item["PKCOLUMN_NAME"],
                )
                for item in driver.foreign_keys(True, schema, table)
            },
            # True asks for those that are not unique, too.
            "indexes": _indexes(driver.indexes(True, schema, table)),
        }
        for table in tables_in(connection, schema)
    }
    connection.rollback()
    return found


def _column(item: dict[str, object]) -> tuple[object, ...]:
    told = ("COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE")
    # The identity of a column stands among its defaults.
    return (*(item[name] for name in told), item["COLUMN_DEF"])


def _indexes(items: list[dict[str, object]]) -> set[tuple[object, ...]]:
    """Names, without those that the server gave, uniqueness and columns."""
    columns: dict[tuple[object, object], list[object]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item["INDEX_NAME"], item["ORDINAL_POSITION"])):
        columns[item["INDEX_NAME"], item["NON_UNIQUE"]].append(item["COLUMN_NAME"])
    return {
        ("" if re.fullmatch(r"SQL\d+", str(name)) else name, not_unique, *of)
        for (name, not_unique), of in columns.items()
    }


@pytest.fixture
def empty(db2_url: str) -> Iterator[Connection]:
    with connected(db2_url) as connection:
        yield connection


def upgrade_to(connection: Connection, number: str) -> None:
    """Make the schema as the release of that revision left it."""
    connection.execute(CreateTable(VERSION))
    with Operations.context(MigrationContext.configure(connection)):
        for revision in all_revisions():
            revision.upgrade()
            if revision.number == number:
                break
    connection.execute(insert(VERSION), {"version_num": number})
    connection.commit()


def test_replayed_migrations_make_the_schema(
    empty: Connection, db2_server: str, subtests: pytest.Subtests
) -> None:
    migrate(empty, None)
    empty.commit()
    migrated = catalogue(empty)
    assert migrated.pop("ALEMBIC_VERSION")["primary key"]
    with (
        own_schema(db2_server, drop=URL_VARIABLE in os.environ) as other,
        connected(other) as connection,
    ):
        METADATA.create_all(connection, checkfirst=False)
        connection.commit()
        declared = catalogue(connection)
    assert sorted(migrated) == sorted(declared) == sorted(map(str.upper, METADATA.tables))
    for table, parts in declared.items():
        for part, wanted in parts.items():
            with subtests.test(f"{part} of {table}"):
                assert migrated[table][part] == wanted
        assert parts["columns"]
    assert any(parts["foreign keys"] for parts in declared.values())
    assert any(item[5] for item in declared["CAPTURES"]["columns"]), "no identity was seen"
    assert ("IX_CAPTURES_DIGEST", 1, "DIGEST") in declared["CAPTURES"]["indexes"]


def test_the_comparison_sees_a_difference(empty: Connection) -> None:
    migrate(empty, None)
    empty.commit()
    before = catalogue(empty)
    for change, part in (
        ("CREATE INDEX ix_more ON manifest (stage)", "indexes"),
        ("ALTER TABLE manifest ADD COLUMN more INTEGER", "columns"),
        ("ALTER TABLE manifest DROP CONSTRAINT fk_manifest_run_id", "foreign keys"),
    ):
        empty.exec_driver_sql(change)
        empty.commit()
        after = catalogue(empty)
        assert before["MANIFEST"][part] != after["MANIFEST"][part]
        before = after


def test_every_revision_upgrades_with_data_in_place(empty: Connection, db2_url: str) -> None:
    upgrade_to(empty, REVISIONS[0])
    table = METADATA.tables[VOLUME]
    store = SqlStore(db2_url)
    with pytest.raises(ConfigurationError, match="is at revision 0001"):
        store.ensure_ready()
    empty.execute(insert(METADATA.tables["runs"]), run_values())
    empty.commit()
    with store.write() as unit:
        one = unit.captures.add(a_capture("one"))
        unit.rows.replace(VOLUME, one.key, one_row())
        unit.commit()
    assert empty.execute(table.select()).all()
    with pytest.raises(SpineError):
        empty.execute(insert(table), {**one_row_values(), "capture_key": 99})
    empty.rollback()
    assert store.upgrade().revision == HEAD
    with store.read() as unit:
        assert_frame_equal(rows_of(unit, one), one_row())
        assert unit.captures.get("one") == one
        (run,) = unit.runs.list(RunFilter(category=Category.VALIDATION, trigger=Trigger.COMMAND))
        assert run.error is not None
        assert run.error.cause is not None
    # The foreign key is gone: that is what the revision is for.
    empty.execute(insert(table), {**one_row_values(), "capture_key": 99})
    empty.rollback()
    store.close()


def run_values() -> dict[str, object]:
    """A run as the first release kept it."""
    error = ValidationError("bad row", cause=SourceError("gone"))
    return {
        "run_id": "run-1",
        "pipeline": "finra.refresh",
        "parameters_json": "{}",
        "run_state": "FAILED",
        "created_at": NOON,
        "finished_at": NOON,
        "metrics_json": "{}",
        "warnings_json": "[]",
        "error_json": json.dumps(error.to_dict(), separators=(",", ":")),
    }


def one_row_values() -> dict[str, object]:
    return {"symbol": "A", "mpid": "B", "shares": Decimal(1), "trades": 1}


def test_processes_that_upgrade_at_once_end_well(db2_url: str) -> None:
    code = (
        "import sys; from market_spine.adapters.outbound.sql.store import SqlStore\n"
        "store = SqlStore(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "status = store.upgrade(); store.ensure_ready(); print(status.revision)\n"
    )
    with ExitStack() as ends:
        started = [
            ends.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", code, db2_url],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        for process in started:
            ends.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in started:
            said, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            assert said == f"{HEAD}\n"
    with connected(db2_url) as connection:
        assert connection.execute(select(VERSION)).all() == [(HEAD,)]


def test_a_schema_that_another_process_is_changing_is_waited_for(db2_url: str) -> None:
    store = SqlStore(db2_url)
    store.ensure_ready()
    with connected(db2_url) as other, ThreadPoolExecutor(1) as threads:
        other.exec_driver_sql(f"LOCK TABLE {VERSION.name} IN EXCLUSIVE MODE")
        looking = threads.submit(store.ensure_ready)
        with pytest.raises(TimeoutError):
            looking.result(timeout=_LONGER_THAN_THE_SERVER_WAITS)
        other.rollback()
        looking.result(timeout=60)
    store.close()


def test_a_process_that_died_before_the_first_revision_is_made_up_for(db2_url: str) -> None:
    store = SqlStore(db2_url)
    store._database.dialect.prepare()
    assert store.status().revision is None
    store.ensure_ready()
    assert store.status().current
    store.close()


def test_an_upgrade_that_fails_leaves_nothing(
    db2_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    store = SqlStore(db2_url)
    monkeypatch.setattr(runner, "insert", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        store.upgrade()
    monkeypatch.undo()
    with connected(db2_url) as connection:
        schema = connection.exec_driver_sql("VALUES CURRENT SCHEMA").scalar_one().strip()
        assert tables_in(connection, schema) == ["ALEMBIC_VERSION"]
    assert store.upgrade().current
    store.close()


@pytest.mark.parametrize("number", ["0000", "9999"])
def test_a_revision_that_is_not_known_is_refused(db2_url: str, number: str) -> None:
    store = SqlStore(db2_url)
    store.ensure_ready()
    with connected(db2_url) as connection:
        connection.execute(update(VERSION), {"version_num": number})
        connection.commit()
    for use in (store.ensure_ready, store.upgrade):
        with pytest.raises(ConfigurationError, match=number):
            use()
    store.close()


def test_tables_of_something_else_are_left_alone(empty: Connection, db2_url: str) -> None:
    empty.exec_driver_sql("CREATE TABLE accounts (id INTEGER)")
    empty.commit()
    store = SqlStore(db2_url)
    for use in (store.ensure_ready, store.upgrade, store.status):
        with pytest.raises(ConfigurationError, match="something else"):
            use()
    store.close()
