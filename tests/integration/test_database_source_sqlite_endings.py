"""How a source over an SQLite file ends: time-outs, interrupts, locks, and what it leaves."""

from __future__ import annotations

import datetime as dt
import signal
import sqlite3
import time
from pathlib import Path
from types import FrameType

import pytest
from sqlite_source import ENDLESS, read, run, source

from market_spine.adapters.outbound.databases import DatabaseSource, sqlite
from market_spine.domain.errors import Category, SourceError, ValidationError

UTC = dt.UTC


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some data.db"


def test_a_statement_that_takes_too_long_is_ended(path: Path) -> None:
    run(path, "create table v (n int)")
    with pytest.raises(SourceError, match=r"0\.2 seconds") as caught:
        read(path, f"select count(*) as n from ({ENDLESS})", timeout=0.2)
    assert caught.value.category is Category.TIMEOUT
    assert caught.value.hint


def interrupted(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_a_statement_that_gives_nothing_yet(path: Path) -> None:
    run(path, "create table v (n int)")
    before = signal.signal(signal.SIGALRM, interrupted)
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            read(path, f"select count(*) as n from ({ENDLESS})")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 10


def test_a_stream_left_early_lets_go_of_the_file(path: Path) -> None:
    run(path, "create table v (n int)", "insert into v values (1), (2)")
    stream = source(path, table="v").stream(batch_rows=1)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    run(path, "begin exclusive", "drop table v")


def test_validation_does_not_run_the_query(path: Path) -> None:
    run(path, "create table v (n int)")
    source(path, f"select count(*) as n from ({ENDLESS})", timeout=1).validate()


def test_a_file_that_is_locked_may_be_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAIT_SECONDS", 0.01)
    run(path, "create table v (n int)")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin exclusive")
    with pytest.raises(SourceError, match="locked") as caught:
        source(path, table="v").fetch()
    holder.close()
    assert caught.value.category is Category.TRANSIENT
    assert caught.value.retryable


def test_the_file_is_opened_so_that_it_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what else keeps a query from writing taken away, the connection itself still does."""
    run(path, "create table v (n int)")
    opened: list[sqlite3.Connection] = []

    def keep(connection: sqlite3.Connection, _: list[str]) -> None:
        opened.append(connection)

    monkeypatch.setattr(sqlite, "_forbid_writing", keep)
    stream = source(path, "select 1 as a union all select 2").stream(batch_rows=1)
    next(stream)
    with pytest.raises(sqlite3.OperationalError, match="readonly database"):
        opened[0].execute("insert into v values (1)")
    stream.close()  # type: ignore[attr-defined]


def test_what_a_killed_writer_left_beside_the_file_is_left_there(
    path: Path, tmp_path: Path
) -> None:
    """The last writer to close a file moves the log into it: a reader must not."""
    writer = sqlite3.connect(tmp_path / "writer.db", isolation_level=None)
    writer.execute("pragma journal_mode = wal")
    writer.execute("create table v as select 7 as n")
    files = {"": path, "-wal": path.with_name(path.name + "-wal")}
    for suffix, file in files.items():
        file.write_bytes((tmp_path / f"writer.db{suffix}").read_bytes())
    writer.close()
    before = {file: file.read_bytes() for file in files.values()}
    assert len(before[files["-wal"]]) > 0
    assert read(path, "select n from v")["n"].to_list() == [7]
    assert {file: file.read_bytes() for file in files.values() if file.exists()} == before


def test_what_is_no_database_is_told(path: Path) -> None:
    with pytest.raises(SourceError, match="no database file"):
        source(path, "select 1 as n").validate()
    assert not path.exists()
    path.write_text("symbol,shares\n" * 200)
    with pytest.raises(SourceError, match="not a database") as caught:
        source(path, "select 1 as n from sqlite_master").fetch()
    assert caught.value.hint
    for url in ("sqlite://", "sqlite:///:memory:", f"sqlite:///{path}?mode=rw"):
        with pytest.raises(ValidationError, match="names no file"):
            DatabaseSource(url, query="select 1 as n").validate()
