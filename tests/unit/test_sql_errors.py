from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.sqlite_errors import explain
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    LoadError,
    SpineError,
)


def _raised(path: Path, provoke: Callable[[sqlite3.Connection], object]) -> SpineError:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        provoke(connection)
    except Exception as error:
        return explain(error, path, 30)
    finally:
        connection.close()
    pytest.fail("nothing was raised")


def _locked(connection: sqlite3.Connection) -> None:
    (_, _, path), *_ = connection.execute("PRAGMA database_list").fetchall()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        connection.execute("CREATE TABLE t (x)")
    finally:
        other.close()


def _duplicate(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t (x PRIMARY KEY)")
    connection.executemany("INSERT INTO t VALUES (?)", [(1,), (1,)])


def _full(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def _read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("CREATE TABLE t (x)")


def _no_table(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT * FROM runs")


def _no_column(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t (y) VALUES (1)")


def _surrogate(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT ?", ("\udc80",))


def _too_large(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT ?", (2**63,))


@pytest.mark.parametrize(
    ("provoke", "kind", "category", "hint"),
    [
        (_locked, LoadError, Category.TRANSIENT, "again"),
        (_duplicate, LoadError, Category.LOAD, "contradict"),
        (_full, LoadError, Category.RESOURCE, "free space"),
        (_read_only, LoadError, Category.PERMISSION, "right to write"),
        (_no_table, ConfigurationError, Category.CONFIGURATION, "spine db upgrade"),
        (_no_column, ConfigurationError, Category.CONFIGURATION, "spine db upgrade"),
        (_surrogate, LoadError, Category.VALIDATION, "Unicode"),
        (_too_large, LoadError, Category.VALIDATION, "64 bits"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_errors_of_sqlite_are_told_apart(
    tmp_path: Path,
    provoke: Callable[[sqlite3.Connection], object],
    kind: type[SpineError],
    category: Category,
    hint: str,
) -> None:
    error = _raised(tmp_path / "x.db", provoke)
    assert (type(error), error.category) == (kind, category)
    assert error.retryable is (category is Category.TRANSIENT)
    assert "x.db" in error.message
    assert error.hint is not None
    assert hint in error.hint


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 400)
    store = SqlStore(f"sqlite:///{path}")
    for use in (store.ensure_ready, store.upgrade, store.status):
        with pytest.raises(ConfigurationError, match=r"letter\.txt is no SQLite database"):
            use()
    with pytest.raises(ConfigurationError), store.read():
        pass
    store.close()
    assert path.read_text().startswith("Dear Sir")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}")
    with pytest.raises(ConfigurationError, match="is a folder"):
        store.ensure_ready()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SqlStore(f"sqlite:///{tmp_path / 'file' / 'spine.db'}")
    with pytest.raises(ConfigurationError, match="there can be no database"):
        store.ensure_ready()


def test_a_database_that_is_not_there_is_not_made_by_using_it(tmp_path: Path) -> None:
    path = tmp_path / "spine.db"
    store = SqlStore(f"sqlite:///{path}")
    for use in (store.read, store.write):
        with pytest.raises(ConfigurationError, match="cannot be opened") as caught, use():
            pass
        assert "spine db upgrade" in str(caught.value)
    assert store.status().revision is None
    assert not path.exists()


def test_the_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    store = SqlStore(f"sqlite:///{path}")
    for use in (store.ensure_ready, store.upgrade, store.status):
        with pytest.raises(ConfigurationError, match="tables of something else"):
            use()
    store.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no url at all",
        "://",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "oracle://scott:tiger-secret@host/db",
        "mysql://scott:tiger-secret@host/db",
        "post gres://scott:tiger-secret@host",
        "postgresql://scott:tiger-secret@host:port/db",
    ],
)
def test_urls_that_do_not_work_are_refused_without_repeating_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlStore(url)
    error: BaseException | None = caught.value
    assert "sqlite:///" in str(error)
    assert "tiger-secret" not in repr(caught.value.to_dict())


def test_a_path_with_odd_characters_is_that_very_path(tmp_path: Path) -> None:
    path = tmp_path / "a b%20c#d?é'.db"
    store = SqlStore(f"sqlite:///{quote(str(path))}")
    store.ensure_ready()
    assert store.status().location == str(path)
    store.close()
    assert path.exists()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_relative_path_stays_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqlStore("sqlite:///sub/folder/spine.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.ensure_ready()
    store.close()
    assert (tmp_path / "sub/folder/spine.db").exists()


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    SqlStore(f"sqlite:///{tmp_path / 'sub' / 'spine.db'}").close()
    assert list(tmp_path.iterdir()) == []


def test_a_read_connection_refuses_to_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'spine.db'}"
    store = SqlStore(url)
    store.ensure_ready()
    engine = dialect_of(url, ConnectionLimits(busy_timeout=1)).engine(Access.READ)
    with engine.connect() as connection, pytest.raises(LoadError) as caught:
        connection.exec_driver_sql("DELETE FROM runs")
    assert caught.value.category is Category.PERMISSION
    engine.dispose()
    store.close()
