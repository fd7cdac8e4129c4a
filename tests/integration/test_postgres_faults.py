"""What PostgreSQL complains of, provoked for real: each has its own fault, category and advice."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
import pytest
from postgres_server import OwnServer, own_schema, started_server
from sqlalchemy import URL, make_url

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import Partition
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.runs import RunFilter
from market_spine.testing.store_suite_samples import (
    OTC,
    VOLUME,
    a_capture,
    a_run,
    one_row,
    volume_rows,
    with_capture,
)

PASSWORD = "correct-horse-7"
ROW_DATA = "ZVZZT-9"
SOON = ConnectionLimits(busy_timeout=0.2, pool_size=1, pool_timeout=0.2, statement_timeout=5)
RETRYABLE = {Category.TRANSIENT, Category.DEPENDENCY, Category.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Place:
    """An empty schema on a server of our own, where roles and rules may be changed."""

    url: URL

    @property
    def name(self) -> str:
        return str(self.url.query["options"]).rpartition("search_path=")[2]

    def as_role(self, role: str, **changes: str) -> str:
        url = self.url.set(username=role, password=changes.pop("password", None))
        return url.update_query_dict(changes).render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def role(self, name: str, options: str = "") -> Iterator[str]:
        """A role that may log in, and nothing more; the URL of the schema for it."""
        self.execute(f"CREATE ROLE {name} LOGIN {options}")
        try:
            yield self.as_role(name)
        finally:
            self.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


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


def raised(provoke: Callable[[], object]) -> SpineError:
    """The typed error; the server's sentences about rows do not stand in it."""
    with pytest.raises(SpineError) as caught:
        provoke()
    error = caught.value
    assert ROW_DATA not in str(error.to_dict()), "the error tells a row"
    assert PASSWORD not in str(error.to_dict()) + "".join(traceback.format_exception(error))
    return error


def check(error: SpineError, fault: str, category: Category, hint: str) -> None:
    assert error.context.metadata.get("fault") == fault, repr(error)
    assert error.category is category, repr(error)
    assert error.retryable is (category in RETRYABLE)
    assert "postgresql://" in error.message
    assert hint in str(error.hint)
    assert SpineError.from_dict(error.to_dict()).to_dict() == error.to_dict()


def reading(store: SqlStore) -> Callable[[], object]:
    def read() -> None:
        with store.read() as unit:
            unit.runs.list(RunFilter())

    return read


def opening(url: str, limits: ConnectionLimits = SOON) -> SpineError:
    store = SqlStore(url, limits)
    try:
        return raised(store.status)
    finally:
        store.close()


# What is written


def test_the_same_key_twice_in_a_bulk_load(store: SqlStore) -> None:
    (one,) = with_capture(store, "one")
    twice = pl.concat([one_row(ROW_DATA)] * 2)
    with store.write() as unit:
        error = raised(lambda: unit.rows.replace(VOLUME, one.key, twice))
    check(error, "unique", Category.LOAD, "contradict")
    assert "pk_finra_otc_venue_volume" in error.message


def test_the_same_key_twice_in_a_statement(store: SqlStore) -> None:
    with store.write() as unit:
        unit.runs.add(a_run(ROW_DATA))
        error = raised(lambda: unit.runs.add(a_run(ROW_DATA)))
    check(error, "unique", Category.LOAD, "contradict")


def test_a_reference_to_nothing(store: SqlStore) -> None:
    with store.write() as unit:
        error = raised(lambda: unit.captures.add(a_capture(run=ROW_DATA)))
    check(error, "foreign_key", Category.LOAD, "contradict")


def test_a_null_where_none_may_be(place: Place, store: SqlStore) -> None:
    insert = f"INSERT INTO runs (run_id) VALUES ('{ROW_DATA}')"
    check(raised(lambda: _execute(place, insert)), "constraint", Category.LOAD, "contradict")


@pytest.mark.parametrize(
    "value", [f"'{ROW_DATA}'::numeric", "1e12::numeric(18,6)", f"repeat('{ROW_DATA}', 9)::int"]
)
def test_a_value_that_does_not_fit(place: Place, value: str) -> None:
    error = raised(lambda: _execute(place, f"SELECT {value}"))
    check(error, "invalid_value", Category.VALIDATION, "fit their columns")


def test_a_text_that_is_longer_than_its_column(store: SqlStore) -> None:
    (one,) = with_capture(store, "one")
    rows = volume_rows((ROW_DATA * 20, "OTCN", None, None, "1", 1))
    with store.write() as unit:
        error = raised(lambda: unit.rows.replace(VOLUME, one.key, rows))
    check(error, "invalid_value", Category.VALIDATION, "fit their columns")


def test_a_nul_character(store: SqlStore) -> None:
    with store.write() as unit:
        error = raised(lambda: unit.runs.add(a_run("\0")))
    check(error, "invalid_value", Category.VALIDATION, "Unicode")


# What happens between transactions


def test_two_that_wait_for_each_other(store: SqlStore, place: Place) -> None:
    others = [Partition("d", OTC.period, segment) for segment in ("a", "b")]
    patient = ConnectionLimits(busy_timeout=20)
    url = place.as_role("postgres", options=f"-csearch_path={place.name} -cdeadlock_timeout=50ms")
    both = threading.Barrier(2)
    errors: list[SpineError] = []

    def lock(first: Partition, second: Partition) -> None:
        own = SqlStore(url, patient)
        try:
            with own.write() as unit:
                unit.lock(first)
                both.wait(10)
                unit.lock(second)
        except SpineError as error:
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=lock, args=pair) for pair in (others, others[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 1, "one of the two goes on"
    check(errors[0], "deadlock", Category.TRANSIENT, "again")


def test_two_that_change_what_the_other_has_read(place: Place, store: SqlStore) -> None:
    with_capture(store, "one")
    change = "UPDATE runs SET pipeline = pipeline || 'x'"
    database = Database(place.as_role("postgres"))
    with database.connect(Access.WRITE) as connection:
        connection.execution_options(isolation_level="SERIALIZABLE")
        with connection.begin():
            connection.exec_driver_sql("SELECT * FROM runs").close()
            place.execute(change)
            error = raised(lambda: connection.exec_driver_sql(change))
    database.close()
    check(error, "serialization", Category.TRANSIENT, "again")


def test_a_partition_that_another_one_holds(store: SqlStore, place: Place) -> None:
    other = SqlStore(place.as_role("postgres"), SOON)
    with store.write() as unit:
        unit.lock(OTC)
        with other.write() as late:
            error = raised(lambda: late.lock(OTC))
    other.close()
    check(error, "lock_timeout", Category.TRANSIENT, "SPINE_DATABASE_TIMEOUT")


def test_a_statement_that_takes_too_long(place: Place) -> None:
    limits = ConnectionLimits(statement_timeout=0.1)
    error = raised(lambda: _execute(place, "SELECT pg_sleep(20)", limits))
    check(error, "statement_timeout", Category.TIMEOUT, "SPINE_DATABASE_STATEMENT_TIMEOUT")


def test_no_connection_is_free(store: SqlStore) -> None:
    with store.read():
        error = raised(reading(store))
    check(error, "pool_timeout", Category.TRANSIENT, "SPINE_DATABASE_POOL_SIZE")
    reading(store)()


# Connections that are lost


def _end_others(place: Place) -> None:
    place.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )


def test_a_session_that_the_server_has_ended(store: SqlStore, place: Place) -> None:
    with store.write() as unit:
        unit.runs.add(a_run())
        _end_others(place)
        error = raised(lambda: unit.runs.get("run-1"))
        check(error, "connection_lost", Category.DEPENDENCY, "run it again")
        for use in (lambda: unit.runs.get("run-1"), lambda: unit.runs.add(a_run()), unit.commit):
            later = raised(use)
            assert later.category is Category.DEPENDENCY, repr(later)
    with store.read() as unit:
        assert unit.runs.get("run-1") is None


def test_a_session_that_ends_while_rows_come(store: SqlStore, place: Place) -> None:
    (one,) = with_capture(store, "one")
    with store.write() as unit:
        unit.rows.replace(VOLUME, one.key, pl.concat(one_row(f"S{n:04}") for n in range(500)))
        unit.commit()
    with store.read() as unit:
        frames = unit.rows.read(VOLUME, one.key, batch_rows=10)
        next(frames)
        _end_others(place)
        error = raised(lambda: list(frames))
    check(error, "connection_lost", Category.DEPENDENCY, "run it again")
    with store.read() as unit:  # and one that is left with its rows unread
        next(unit.rows.read(VOLUME, one.key, batch_rows=10))
        _end_others(place)
    reading(store)()


def test_idle_sessions_that_the_server_has_ended_are_replaced(
    store: SqlStore, place: Place
) -> None:
    for _ in range(3):
        with store.write() as unit:
            unit.runs.live()
        reading(store)()
        _end_others(place)
    reading(store)()


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
    check(error, "wrong_option", Category.CONFIGURATION, "SPINE_DATABASE_URL")


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
            check(error, "authentication", Category.PERMISSION, "password")
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


def _execute(place: Place, statement: str, limits: ConnectionLimits = SOON) -> None:
    database = Database(place.as_role("postgres"), limits)
    try:
        with database.connect(Access.WRITE) as connection:
            connection.exec_driver_sql(statement).close()
    finally:
        database.close()


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
