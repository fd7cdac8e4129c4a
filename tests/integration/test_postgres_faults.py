"""What PostgreSQL complains of while it works, provoked for real: each has its own advice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import polars as pl
import pytest
from postgres_place import ROW_DATA, SOON, Place, check, execute, raised, reading
from postgres_server import OwnServer, own_schema, started_server
from sqlalchemy import make_url

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import Partition
from market_spine.domain.errors import Category, ConflictError, SpineError
from market_spine.testing.store_suite_samples import (
    OTC,
    VOLUME,
    a_capture,
    a_run,
    one_row,
    volume_rows,
    with_capture,
)


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
    check(raised(lambda: execute(place, insert)), "constraint", Category.LOAD, "contradict")


@pytest.mark.parametrize(
    "value", [f"'{ROW_DATA}'::numeric", "1e12::numeric(18,6)", f"repeat('{ROW_DATA}', 9)::int"]
)
def test_a_value_that_does_not_fit(place: Place, value: str) -> None:
    error = raised(lambda: execute(place, f"SELECT {value}"))
    check(error, "invalid_value", Category.VALIDATION, "fit their columns")


def test_a_text_that_is_longer_than_its_column(store: SqlStore) -> None:
    (one,) = with_capture(store, "one")
    rows = volume_rows((ROW_DATA * 20, "OTCN", None, None, "1", 1))
    with store.write() as unit:
        error = raised(lambda: unit.rows.replace(VOLUME, one.key, rows))
    assert error.category is Category.VALIDATION
    assert "symbol takes 140 bytes" in error.message
    assert ROW_DATA not in str(error.to_dict())


def test_a_nul_character(store: SqlStore) -> None:
    with store.write() as unit:
        error = raised(lambda: unit.runs.add(a_run("\0")))
    assert error.category is Category.VALIDATION
    assert error.context.metadata["fault"] == "invalid_value"


# What happens between transactions


@pytest.mark.parametrize("swallowed", [False, True])
def test_two_that_wait_for_each_other(store: SqlStore, place: Place, swallowed: bool) -> None:
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
                # Whoever swallows it is told again, with what it does next.
                with suppress(*([SpineError] if swallowed else [])):
                    unit.lock(second)
                unit.runs.add(a_run(f"run-{first.segment}"))
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
    assert isinstance(errors[0], ConflictError)
    check(errors[0], "deadlock", Category.TRANSIENT, "again")


def test_two_that_change_what_the_other_has_read(place: Place, store: SqlStore) -> None:
    with_capture(store, "one")
    change = "UPDATE runs SET pipeline = pipeline || 'x'"
    database = Database(place.as_role("postgres"))
    with database.connect(Access.WRITE) as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").close()
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
    error = raised(lambda: execute(place, "SELECT pg_sleep(20)", limits))
    check(error, "statement_timeout", Category.TIMEOUT, "SPINE_DATABASE_STATEMENT_TIMEOUT")


def test_no_connection_is_free(store: SqlStore) -> None:
    with store.read():
        error = raised(reading(store))
    check(error, "pool_timeout", Category.TRANSIENT, "SPINE_DATABASE_POOL_SIZE")
    reading(store)()


# Connections that are lost


def _end_others(place: Place) -> None:
    """End all other sessions, and wait until they have ended."""
    place.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
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
            unit.queue.claimed()
        reading(store)()
        _end_others(place)
    reading(store)()


def test_a_bell_whose_session_has_ended_rings_on_and_makes_no_noise(
    store: SqlStore, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    rung = threading.Event()
    with store.listening(rung.set):
        for _ in range(2):  # it rings each time it has begun to listen
            assert rung.wait(20), "it does not listen"
            rung.clear()
            _end_others(place)
        assert rung.wait(20), "it does not listen again"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
