from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from market_spine.adapters.outbound.sql import sqlite
from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.revisions import HEAD
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, ConfigurationError, LoadError
from market_spine.domain.runs import RunFilter
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.store_suite_samples import (
    VOLUME,
    a_run,
    one_row,
    rows_of,
    with_capture,
)

MEGABYTE = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spine.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}")
    store.ensure_ready()
    yield store
    store.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode()}")
        yield folder
        # Lazily: where a test fails, the store is still open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def test_a_store_survives_reopening(store: SqlStore, path: Path) -> None:
    (capture,) = with_capture(store, "one")
    rows = _rows(30_000)
    with store.write() as unit:
        unit.rows.replace(VOLUME, capture.key, rows)
        unit.commit()
    store.close()
    again = SqlStore(f"sqlite:///{path}")
    again.ensure_ready()
    with again.read() as unit:
        assert unit.captures.get("one") == capture
        assert_frame_equal(rows_of(unit, capture), rows)
    again.close()


def test_a_closed_store_can_be_used_again(store: SqlStore) -> None:
    with_capture(store, "one")
    store.close()
    with store.read() as unit:
        assert unit.captures.get("one") is not None


def test_a_store_that_is_ready_loads_no_migrations(store: SqlStore, path: Path) -> None:
    answer = _output(
        "import sys\n"
        "from market_spine.adapters.outbound.sql.store import SqlStore\n"
        "SqlStore(sys.argv[1]).ensure_ready()\n"
        "print('alembic' in sys.modules)\n",
        f"sqlite:///{path}",
    )
    assert answer == "False\n"


def test_connections_are_set_up_as_promised(store: SqlStore) -> None:
    expected = {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 30_000,
        "query_only": 0,
    }
    engine = store._database.engine(Access.WRITE)
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
    assert found == expected


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path) -> None:
    store = SqlStore(f"sqlite:///{small_disk / 'spine.db'}")
    store.ensure_ready()
    (capture,) = with_capture(store, "one")
    with store.write() as unit:
        unit.rows.replace(VOLUME, capture.key, one_row("KEPT"))
        unit.commit()
    with store.write() as unit:
        _load(unit, capture.key, 200_000)
        with pytest.raises(LoadError) as caught:
            unit.commit()
    assert caught.value.category is Category.RESOURCE
    assert "free space" in str(caught.value)
    with store.read() as unit:
        assert_frame_equal(rows_of(unit, capture), one_row("KEPT"))
    with store.write() as unit:
        unit.rows.replace(VOLUME, capture.key, one_row("AFTER"))
        unit.commit()
    store.close()


def test_a_unit_that_the_database_rolled_back_takes_nothing_more(store: SqlStore) -> None:
    with store.write() as unit:
        unit.runs.add(a_run("run-1"))
        # What SQLite does by itself after some errors of the disk.
        unit._transaction._connection.exec_driver_sql("ROLLBACK")
        for use in (lambda: unit.runs.add(a_run("run-2")), unit.commit):
            with pytest.raises(LoadError, match="rolled this unit of work back"):
                use()
    with store.read() as unit:
        assert unit.runs.list(RunFilter()) == []


def test_a_disk_without_room_for_a_store_is_said(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (4 * MEGABYTE - 8192))
    store = SqlStore(f"sqlite:///{small_disk / 'spine.db'}")
    with pytest.raises(LoadError) as caught:
        store.ensure_ready()
    assert caught.value.category is Category.RESOURCE
    filler.unlink()
    store.ensure_ready()
    assert store.status().current
    store.close()


def test_a_store_that_may_not_be_written_is_said(store: SqlStore, path: Path) -> None:
    store.close()
    folder = Path(tempfile.mkdtemp())
    try:
        shutil.copy(path, folder)
        (folder / path.name).chmod(0o444)
        folder.chmod(0o555)
        answer = _output(
            "import os, sys\n"
            "from market_spine.adapters.outbound.sql.store import SqlStore\n"
            "from market_spine.domain.errors import SpineError\n"
            "store = SqlStore(sys.argv[1])\n"
            "if os.geteuid() == 0: os.setuid(65534)  # nobody\n"
            "try:\n"
            "    with store.write() as unit: unit.commit()\n"
            "except SpineError as error: print(error.category, error.hint)\n",
            f"sqlite:///{folder / path.name}",
        )
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert answer.startswith("PERMISSION give this user the right")


def test_a_missing_table_names_the_upgrade(store: SqlStore, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE lineage")
    connection.close()
    with store.read() as unit, pytest.raises(ConfigurationError, match="lineage") as caught:
        unit.manifest.lineage("run-1")
    assert "spine db upgrade" in str(caught.value)


def test_a_schema_of_a_newer_release_is_left_alone(store: SqlStore, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for use in (store.ensure_ready, store.upgrade):
        with pytest.raises(ConfigurationError, match="9999") as caught:
            use()
        assert "update the software" in str(caught.value)
    assert store.status().revision == "9999"
    assert not store.status().current
    connection.execute("UPDATE alembic_version SET version_num = ?", (HEAD,))
    connection.close()
    store.ensure_ready()


def test_an_upgrade_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from market_spine.adapters.outbound.sql.migrations import runner

    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    store = SqlStore(f"sqlite:///{path}")
    with monkeypatch.context() as patch:
        patch.setattr(runner, "insert", broken)
        with pytest.raises(RuntimeError, match="power cut"):
            store.ensure_ready()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM sqlite_master").fetchall() == []
    connection.close()
    store.ensure_ready()
    assert store.status().current
    store.close()


def test_a_fresh_file_that_another_process_holds_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN")
    holder.execute("SELECT * FROM sqlite_master").fetchall()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        holder.rollback()

    monkeypatch.setattr(sqlite.time, "sleep", wait)
    dialect = dialect_of(f"sqlite:///{path}", ConnectionLimits(busy_timeout=0.2))
    dialect.prepare()
    assert len(waits) == 1
    holder.close()
    fresh = sqlite3.connect(path)
    assert fresh.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    fresh.close()


def test_a_large_load_does_not_leave_a_large_log(store: SqlStore, path: Path) -> None:
    (capture,) = with_capture(store, "one")
    with store.write() as unit:
        _load(unit, capture.key, 400_000)
        unit.commit()
    log = Path(f"{path}-wal")
    assert log.stat().st_size > 16 * MEGABYTE, "too small a load to say anything"
    with store.write() as unit:
        unit.runs.add(a_run("run-2"))
        unit.commit()
    assert log.stat().st_size <= 16 * MEGABYTE
    store.close()
    assert not log.exists()


def _rows(count: int) -> pl.DataFrame:
    return pl.concat([one_row()] * count).with_columns(
        pl.format("S{}", pl.int_range(pl.len()) + 1_000_000).alias("symbol")
    )


def _load(unit: UnitOfWork, capture_key: int, count: int) -> None:
    unit.rows.replace(VOLUME, capture_key, _rows(count))


def _output(script: str, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout or finished.stderr
