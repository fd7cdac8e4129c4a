"""Why PostgreSQL may not be reached or used, provoked for real: each has its own advice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres_place import PASSWORD, SOON, Place, check, opening, raised, reading
from postgres_server import OwnServer, own_schema, started_server
from sqlalchemy import make_url

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category
from market_spine.testing.store_suite_samples import a_run


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    with started_server() as server:
        yield server


@pytest.fixture
def place(own: OwnServer) -> Iterator[Place]:
    with own_schema(own.url) as url:
        yield Place(make_url(url))


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    store = SqlStore(place.as_role("postgres"), SOON)
    store.ensure_ready()
    yield store
    store.close()


# Connections that do not come about


def test_a_port_where_nobody_listens_is_told_at_once() -> None:
    error = opening(f"postgresql://me:{PASSWORD}@127.0.0.1:1/db")
    check(error, "unreachable", Category.DEPENDENCY, "host and port")
    assert "127.0.0.1:1/db" in error.message
    assert "Connection refused" in error.message


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db"
        error = opening(url, ConnectionLimits(connect_timeout=1))
    check(error, "unreachable", Category.DEPENDENCY, "host and port")
    assert "timeout" in error.message


def test_a_host_that_does_not_exist() -> None:
    error = opening(f"postgresql://me:{PASSWORD}@no-such-host.invalid/db")
    check(error, "unreachable", Category.DEPENDENCY, "host and port")
    assert "no-such-host.invalid" in error.message


@pytest.mark.parametrize(
    "options", ["sslmode=perhaps", "no_such_option=1", "connect_timeout=soon", "service=nowhere"]
)
def test_an_option_that_is_none(options: str) -> None:
    error = opening(f"postgresql://me:{PASSWORD}@127.0.0.1:1/db?{options}")
    check(error, "wrong_option", Category.CONFIGURATION, "question mark")


def test_a_database_that_does_not_exist(place: Place) -> None:
    error = opening(place.url.set(database="nowhere").render_as_string(hide_password=False))
    check(error, "no_database", Category.CONFIGURATION, "create it")


def test_a_role_that_does_not_exist(place: Place) -> None:
    check(opening(place.as_role("nobody_here")), "authentication", Category.PERMISSION, "correct")


def test_a_wrong_password_and_none(own: OwnServer, place: Place) -> None:
    with place.role("guarded", f"PASSWORD '{PASSWORD}'") as url, _asked_for_passwords(own, place):
        right = make_url(url).set(password=PASSWORD).render_as_string(hide_password=False)
        reachable = SqlStore(right)
        assert reachable.status().revision is None
        reachable.close()
        for wrong in (right.replace(PASSWORD, "battery-staple"), url):
            error = opening(wrong)
            check(error, "authentication", Category.PERMISSION, "SPINE_DATABASE_PASSWORD_FILE")
            assert "battery" not in str(error.to_dict())


def test_a_role_with_too_many_connections(place: Place) -> None:
    with place.role("lonely", "CONNECTION LIMIT 1") as url:
        first = SqlStore(url)
        with first.read():
            error = opening(url)
        first.close()
    check(error, "too_many_connections", Category.DEPENDENCY, "SPINE_DATABASE_POOL_SIZE")


# What is not there, or not allowed


def test_a_schema_without_our_tables(place: Place) -> None:
    store = SqlStore(place.as_role("postgres"))
    error = raised(reading(store))
    store.close()
    check(error, "missing_object", Category.CONFIGURATION, "spine db upgrade")


def test_a_schema_that_does_not_exist(place: Place) -> None:
    store = SqlStore(place.as_role("postgres", options="-csearch_path=nowhere"))
    error = raised(store.ensure_ready)
    store.close()
    check(error, "missing_object", Category.CONFIGURATION, "search_path")


def test_a_role_that_may_read_only(store: SqlStore, place: Place) -> None:
    with place.role("reader") as url:
        place.execute(
            f"GRANT USAGE ON SCHEMA {place.name} TO reader",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {place.name} TO reader",
        )
        limited = SqlStore(url)
        limited.ensure_ready()
        reading(limited)()
        with limited.write() as unit:
            error = raised(lambda: unit.runs.add(a_run()))
        limited.close()
    check(error, "forbidden", Category.PERMISSION, "grant")


def test_a_role_that_may_not_make_tables(place: Place) -> None:
    with place.role("guest") as url:
        place.execute(f"GRANT USAGE ON SCHEMA {place.name} TO guest")
        limited = SqlStore(url)
        error = raised(limited.ensure_ready)
        limited.close()
    check(error, "forbidden", Category.PERMISSION, "spine db upgrade")


def test_a_server_that_is_read_only(store: SqlStore, place: Place) -> None:
    options = f"-csearch_path={place.name} -cdefault_transaction_read_only=on"
    standby = SqlStore(place.as_role("postgres", options=options))
    with standby.write() as unit:
        error = raised(lambda: unit.runs.add(a_run()))
    standby.close()
    check(error, "forbidden", Category.PERMISSION, "grant")


def test_a_read_connection_refuses_to_write(place: Place, store: SqlStore) -> None:
    database = Database(place.as_role("postgres"))
    with database.connect(Access.READ) as connection:
        error = raised(lambda: connection.exec_driver_sql("DELETE FROM runs"))
    database.close()
    check(error, "forbidden", Category.PERMISSION, "grant")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_would_lose_characters(place: Place, encoding: str) -> None:
    name = f"{place.name}_{encoding.lower()}"
    place.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        " TEMPLATE template0"
    )
    store = SqlStore(
        place.url.set(database=name, query={**place.url.query, "options": ""}).render_as_string(
            hide_password=False
        )
    )
    try:
        for make in (store.ensure_ready, store.upgrade):
            error = raised(make)
            assert error.category is Category.CONFIGURATION
            assert encoding in error.message
            assert "UTF8" in str(error.hint)
        assert store.status().revision is None, "tables were made all the same"
    finally:
        store.close()
        place.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _asked_for_passwords(own: OwnServer, place: Place) -> Iterator[None]:
    """The server asks the role ``guarded`` for a password meanwhile."""
    rules = Path(str(own.url.query["host"]), "pg_hba.conf")
    before = rules.read_text()
    for text in (f"local all guarded scram-sha-256\n{before}", before):
        rules.write_text(text)
        place.execute("SELECT pg_reload_conf()")
        if text is not before:
            place.execute(
                "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_hba_file_rules WHERE"
                " user_name = '{guarded}') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$"
            )
            yield
