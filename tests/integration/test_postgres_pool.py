"""Connections to PostgreSQL: bounded, given back whatever happens, set up as the operator asks."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import psycopg
import pytest
from cli_spine import Spine, process
from postgres_server import own_schema
from sqlalchemy import URL, make_url

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, LoadError, SpineError
from market_spine.domain.runs import RunFilter, RunState
from market_spine.testing.store_suite_samples import (
    VOLUME,
    a_run,
    one_row,
    rows_of,
    with_capture,
)

POOL = 4
LOOKS = 20_000
"""How often to look for what has to come about: some seconds."""


class Watch:
    """Looks at the sessions of one application on the server."""

    def __init__(self, url: URL, name: str) -> None:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain, autocommit=True)
        self._name = name
        self.highest = 0

    def all_idle(self) -> bool:
        """Whether its sessions come to rest; one that was closed is seen a moment longer."""
        return any(set(self.look()) <= {"idle"} for _ in range(LOOKS))

    def all_gone(self) -> bool:
        return any(not self.look() for _ in range(LOOKS))

    def look(self) -> list[str]:
        """What each of its sessions is doing."""
        rows = self._connection.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = %s", (self._name,)
        ).fetchall()
        self.highest = max(self.highest, len(rows))
        return [state for (state,) in rows]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def url(postgres_server: URL) -> Iterator[str]:
    with own_schema(postgres_server) as url:
        name = make_url(url).query["options"][-12:]
        named = make_url(url).update_query_dict({"application_name": str(name)})
        yield named.render_as_string(hide_password=False)


@pytest.fixture
def watch(url: str) -> Iterator[Watch]:
    own = make_url(url).update_query_dict({"application_name": "watch"})
    watch = Watch(own, str(make_url(url).query["application_name"]))
    yield watch
    watch.close()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url, ConnectionLimits(pool_size=POOL, pool_timeout=30))
    store.ensure_ready()
    yield store
    store.close()


def test_more_threads_than_connections_take_turns(store: SqlStore, watch: Watch) -> None:
    (one,) = with_capture(store, "one")
    start = threading.Barrier(16)

    def work(number: int) -> int:
        start.wait(30)
        for turn in range(5):
            with store.write() as unit:
                unit.runs.add(a_run(f"{number:02}-{turn}"))
                unit.commit()
            with store.read() as unit:
                unit.runs.get(f"{number:02}-{turn}")
            with watching:
                watch.look()
        return number

    watching = threading.Lock()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(16))) == list(range(16))

    with store.read() as unit:
        assert len(unit.runs.list(RunFilter(limit=1000))) == 1 + 16 * 5
    assert 2 <= watch.highest <= 2 * POOL, "as many to read with as to write with"
    assert watch.all_idle()
    assert one.key == 1


def test_a_connection_comes_back_after_every_way_to_leave(url: str, watch: Watch) -> None:
    """With a pool of one, a connection that did not come back would be missed at once."""
    store = SqlStore(url, ConnectionLimits(pool_size=1, pool_timeout=0.2))
    store.ensure_ready()
    (one,) = with_capture(store, "one")
    rows = pl.concat(one_row(f"S{number:04}") for number in range(400))
    with store.write() as unit:
        unit.rows.replace(VOLUME, one.key, rows)
        unit.commit()

    def left_by(error: BaseException) -> None:
        with store.write() as unit:
            unit.runs.add(a_run("run-9"))
            next(unit.rows.read(VOLUME, one.key, batch_rows=10))
            raise error

    def left_in_the_middle_of_rows() -> None:
        with store.read() as unit:
            for _ in unit.rows.read(VOLUME, one.key, batch_rows=10):
                return

    def left_with_a_failed_statement() -> None:
        with store.write() as unit:
            unit.runs.add(a_run("run-1"))

    for _ in range(3):
        for error in (RuntimeError("x"), KeyboardInterrupt(), SystemExit(), GeneratorExit()):
            with pytest.raises(type(error)):
                left_by(error)
        left_in_the_middle_of_rows()
        with pytest.raises(LoadError):
            left_with_a_failed_statement()
        with store.write() as unit:
            unit.runs.add(a_run("run-9"))
        assert watch.all_idle()

    assert len(watch.look()) <= 2
    with store.read() as unit:
        assert unit.runs.get("run-9") is None
        assert rows_of(unit, one).height == rows.height
    store.close()
    assert watch.all_gone()


def test_rows_that_nobody_reads_on_hold_nothing(store: SqlStore, watch: Watch) -> None:
    (one,) = with_capture(store, "one")
    with store.write() as unit:
        unit.rows.replace(VOLUME, one.key, one_row())
        unit.commit()
    with store.read() as unit:
        for _ in range(50):
            next(unit.rows.read(VOLUME, one.key))
        abandoned = unit.rows.read(VOLUME, one.key, batch_rows=1)
        next(abandoned)
    with pytest.raises(SpineError, match="over"):
        list(abandoned)
    assert watch.all_idle()


def test_an_interrupt_while_the_server_works_ends_the_statement(
    store: SqlStore, watch: Watch
) -> None:
    """Ctrl-C reaches a process that waits for the server; its statement does not go on there."""

    def interrupt() -> None:
        while "active" not in watch.look():
            pass
        _thread.interrupt_main()

    with store.write() as unit:
        connection = unit._transaction.writing  # type: ignore[attr-defined]
        watcher = threading.Thread(target=interrupt)
        watcher.start()
        with pytest.raises(KeyboardInterrupt):
            connection.exec_driver_sql("SELECT pg_sleep(60)")
        watcher.join()
    assert watch.all_idle()
    with store.write() as unit:
        unit.runs.add(a_run())
        unit.commit()


# What the operator sets


@pytest.fixture
def settings(
    url: str, monkeypatch: pytest.MonkeyPatch, spine: Spine, tmp_path: Path
) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SPINE_DATABASE_URL", url)
    monkeypatch.setenv("SPINE_HOME", str(tmp_path / "home"))
    return monkeypatch


def test_the_command_line_works_on_a_database_of_a_server(
    settings: pytest.MonkeyPatch, spine: Spine
) -> None:
    assert spine("db", "upgrade", "--json").json()["backend"] == "postgresql"
    said = spine("doctor", "--json").json()
    [database] = [item for item in said if item["name"] == "database"]
    assert database["ok"], database
    assert "postgresql://" in database["detail"]


def test_the_password_comes_from_its_file(
    settings: pytest.MonkeyPatch, spine: Spine, url: str, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct-horse:@/%7\n")
    settings.setenv("SPINE_DATABASE_PASSWORD_FILE", str(secret))

    assert spine("db", "upgrade", "--json").json()["current"]
    with_one = make_url(url).set(password="staple").render_as_string(hide_password=False)
    settings.setenv("SPINE_DATABASE_URL", with_one)
    twice = spine("db", "current", code=6)
    assert "has a password" in twice.err
    settings.setenv("SPINE_DATABASE_PASSWORD_FILE", str(tmp_path / "nowhere"))
    missing = spine("db", "current", code=6)
    for said in (twice, missing):
        assert "staple" not in said.err + said.out
        assert "horse" not in said.err + said.out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "many"),
        ("POOL_TIMEOUT", "0"),
        ("CONNECT_TIMEOUT", "-1"),
        ("STATEMENT_TIMEOUT", "0"),
        ("STATEMENT_TIMEOUT", "soon"),
    ],
)
def test_a_wrong_limit_is_named(
    settings: pytest.MonkeyPatch, spine: Spine, name: str, value: str
) -> None:
    settings.setenv(f"SPINE_DATABASE_{name}", value)
    assert f"database_{name.lower()}" in spine("db", "current", code=6).err


def test_limits_reach_the_server(settings: pytest.MonkeyPatch, url: str) -> None:
    from market_spine.bootstrap.settings import load_settings

    settings.setenv("SPINE_DATABASE_POOL_SIZE", "3")
    settings.setenv("SPINE_DATABASE_POOL_TIMEOUT", "0.25")
    settings.setenv("SPINE_DATABASE_CONNECT_TIMEOUT", "7")
    settings.setenv("SPINE_DATABASE_STATEMENT_TIMEOUT", "1.5")
    settings.setenv("SPINE_DATABASE_TIMEOUT", "2.5")
    made = load_settings()

    assert made.connection_limits == ConnectionLimits(
        busy_timeout=2.5, pool_size=3, pool_timeout=0.25, connect_timeout=7, statement_timeout=1.5
    )
    store = SqlStore(made.url, made.connection_limits)
    store.ensure_ready()
    with store.read() as unit:
        shown = {
            name: unit._transaction.reading.exec_driver_sql(f"SHOW {name}").scalar()  # type: ignore[attr-defined]
            for name in ("lock_timeout", "statement_timeout", "TimeZone", "client_encoding")
        }
    store.close()
    assert shown == {
        "lock_timeout": "2500ms",
        "statement_timeout": "1500ms",
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
    }


def test_a_statement_timeout_ends_what_the_command_line_asks(
    settings: pytest.MonkeyPatch, url: str, tmp_path: Path
) -> None:
    """A table that somebody keeps locked is waited for as long as a statement may take."""
    store = SqlStore(url)
    store.ensure_ready()
    with store.write() as unit:
        unit._transaction.writing.exec_driver_sql("LOCK TABLE runs")  # type: ignore[attr-defined]
        env = {"SPINE_DATABASE_URL": url, "SPINE_DATABASE_STATEMENT_TIMEOUT": "0.2"}
        said = process("runs", "list", folder=tmp_path, env=env, code=5)
    store.close()
    assert "took too long" in said.err
    assert "SPINE_DATABASE_STATEMENT_TIMEOUT" in said.err
    assert "Traceback" not in said.err


# What a run tells


def test_a_run_tells_the_fault_that_ended_it_and_not_what_came_after(
    settings: pytest.MonkeyPatch, spine: Spine, tmp_path: Path
) -> None:
    (tmp_path / "doubling.py").write_text(
        "from market_spine import pipeline\n\n\n"
        "@pipeline('tests.doubling')\n"
        "def doubling(context) -> None:\n"
        "    unit = context.unit_of_work()\n"
        "    unit.runs.add(context.run)\n"
    )
    settings.syspath_prepend(str(tmp_path))
    settings.setenv("SPINE_MODULES", "doubling")

    said = spine("run", "tests.doubling", "--json", code=1).json()

    assert said["status"] == RunState.FAILED
    assert said["error"]["category"] == Category.LOAD
    assert said["error"]["context"]["metadata"]["fault"] == "unique"
    assert "pk_runs" in said["error"]["message"]
    [kept] = spine("runs", "list", "--json").json()
    assert kept["error"]["context"]["metadata"]["fault"] == "unique"
