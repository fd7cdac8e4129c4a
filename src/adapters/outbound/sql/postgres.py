"""PostgreSQL: rows go in by COPY and come out through a server-side cursor."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from threading import Event
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    Update,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ....domain.captures import Partition
from ....domain.errors import ConfigurationError, SpineError
from .conflicts import note_conflict
from .connection_limits import ConnectionLimits
from .dialects import Access, S, Space, T
from .pools import pool_options
from .postgres_connections import replace_lost_connections
from .postgres_errors import explain
from .postgres_frames import csv_chunks, csv_frames
from .postgres_rows import insert_arrays, update_by_arrays

log = logging.getLogger(__name__)

_BELL = "spine_queue"
_LOOK_UP = 0.2
_HARK_AGAIN = 2.0  # seconds
_SCHEMA_LOCK = 0x5350494E45  # "SPINE"
_SEARCH_PATH = re.compile(r"-c\s*search_path=(\S+)")
_BEGIN = {
    # One moment for all that is read: that of the first statement.
    Access.READ: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1",
    # What another one committed while this one waited for a lock is seen.
    Access.WRITE: "BEGIN ISOLATION LEVEL READ COMMITTED",
    Access.CREATE: "BEGIN ISOLATION LEVEL READ COMMITTED",
}


class PostgresDialect:
    """A database on a server. Tables are made in, and looked for in, the current schema."""

    backend = "postgresql"
    loads_long_text = True
    reads_one_moment = True

    def __init__(self, url: URL, limits: ConnectionLimits) -> None:
        self._url = _complete(url, limits)
        self._limits = limits

    @property
    def location(self) -> str:
        url = self._url
        hosts = url.normalized_query.get("host") or (url.host or "localhost",)
        port = url.port or ",".join(url.normalized_query.get("port", ()))
        place = ",".join(hosts) + (f":{port}" if port else "")
        schema = _SEARCH_PATH.search(str(url.query.get("options", "")))
        within = f" (schema {schema[1]})" if schema else ""
        return f"postgresql://{place}/{url.database or url.username or ''}{within}"

    @property
    def pool_size(self) -> int:
        return self._limits.pool_size

    def exists(self) -> bool:
        return True

    def engine(self, access: Access) -> Engine:
        engine = create_engine(
            self._url,
            # Left to itself, the driver begins with the first statement, on a way of its own.
            isolation_level="AUTOCOMMIT",
            **pool_options(access, self._limits),
        )
        if access is not Access.CREATE:
            replace_lost_connections(engine)

        @event.listens_for(engine, "handle_error")
        def handle_error(context: ExceptionContext) -> SpineError | None:
            if not isinstance(context.original_exception, Exception):
                return None  # Ctrl-C is no database error
            error = self.translate(context.original_exception)
            if context.connection is not None:
                note_conflict(context.connection, error)
            return error

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # Without parameters it goes as it is, also where it is more than one statement.
            options = {"no_parameters": True}
            connection.exec_driver_sql(_BEGIN[access], execution_options=options).close()

        return engine

    def prepare(self) -> None:
        with self.engine(Access.CREATE).connect() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise ConfigurationError(
                f"{self.location} keeps text as {encoding}",
                hint="create the database with ENCODING 'UTF8': other encodings lose characters",
            )

    def has_table(self, connection: Connection, name: str | None) -> bool:
        found = connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
            " AND (%(name)s::text IS NULL OR tablename = %(name)s::text))",
            {"name": name},
        )
        return bool(found.scalar_one())

    def lock_schema(self, connection: Connection) -> None:
        _lock(connection, _SCHEMA_LOCK)

    def lock_partition(self, connection: Connection, partition: Partition) -> None:
        text = "\0".join((partition.domain, partition.period.isoformat(), partition.segment))
        digest = hashlib.sha256(text.encode()).digest()
        _lock(connection, int.from_bytes(digest[:8], signed=True))

    def patiently(self, work: Callable[[], T]) -> T:
        return work()  # the server itself waits as long as it was told to

    def in_transaction(self, connection: Connection) -> bool:
        if connection.invalidated:
            return False
        status = _driver(connection).info.transaction_status
        return status is psycopg.pq.TransactionStatus.INTRANS

    def insert_rows(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        insert_arrays(connection, table, rows)

    def update_rows(
        self,
        connection: Connection,
        table: Table,
        keys: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
        condition: ColumnElement[bool],
    ) -> int:
        return update_by_arrays(connection, table, keys, rows, condition)

    def hold(
        self,
        connection: Connection,
        statement: Select[Any],
        same: Update,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        del same
        # Others may refer to the rows meanwhile, as new parts of a run do.
        return connection.execute(statement.with_for_update(key_share=True), values).all()

    def limit_waiting(self, connection: Connection, seconds: float) -> None:
        _set_local(connection, "lock_timeout", seconds)

    def limit_silence(self, connection: Connection, seconds: float) -> None:
        _set_local(connection, "idle_in_transaction_session_timeout", seconds)

    def ring(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"NOTIFY {_BELL}").close()

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        engine = create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        while not stop.is_set():
            try:
                with engine.connect() as connection:
                    try:
                        _hear(_driver(connection), ring, stop)
                    except psycopg.Error:
                        connection.invalidate()  # else the end of it is told as another error
                        raise
            except (psycopg.Error, SQLAlchemyError) as error:
                log.debug("the bell of %s is not heard: %s", self.location, error)
                stop.wait(_HARK_AGAIN)

    def now(self, connection: Connection) -> datetime:
        found = connection.exec_driver_sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        naive: datetime = found.scalar_one()
        return naive.replace(tzinfo=UTC)

    def at_a_glance(self, statement: S) -> S:
        return statement

    def not_held(self, statement: S) -> S:
        return statement.with_for_update(skip_locked=True)

    def first(self, statement: S, count: int) -> S:
        return statement.limit(count)

    def read_frames(
        self,
        connection: Connection,
        statement: Select[Any],
        schema: Mapping[str, pl.DataType],
        size: int,
    ) -> Generator[pl.DataFrame, None, None]:
        driver = _driver(connection)
        try:
            yield from csv_frames(driver, connection.dialect, statement, schema, size)
        except psycopg.Error as error:
            raise note_conflict(connection, self.translate(error)) from error

    def insert_frame(
        self,
        connection: Connection,
        table: Table,
        constants: Mapping[str, int],
        frame: pl.DataFrame,
    ) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
            sql.Identifier(table.name),
            sql.SQL(", ").join(map(sql.Identifier, (*constants, *frame.columns))),
        )
        try:
            with (
                closing(csv_chunks(frame, constants)) as chunks,
                _driver(connection).cursor().copy(statement) as copy,
            ):
                for chunk in chunks:
                    copy.write(chunk)
        except psycopg.Error as error:
            raise note_conflict(connection, self.translate(error)) from error

    def keep_writers_out(self, connection: Connection, table: Table) -> None:
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE MODE").close()

    def identity(self, connection: Connection) -> str:
        # A copy of a server's files has all that the server says of itself, but for its start.
        found = connection.exec_driver_sql(
            "SELECT extract(epoch FROM pg_postmaster_start_time()), oid, current_schema()"
            " FROM pg_catalog.pg_database WHERE datname = current_database()"
        ).one()
        return " ".join(("postgresql", *map(str, found)))

    def continue_numbering(self, connection: Connection, column: Column[Any]) -> None:
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            sequence = func.pg_get_serial_sequence(column.table.name, column.name)
            connection.execute(select(func.setval(sequence, highest))).close()

    def translate(self, error: BaseException) -> SpineError:
        return explain(error, self.location)

    def server_version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one())

    def space(self, connection: Connection) -> Space:
        told = connection.exec_driver_sql(
            "SELECT pg_database_size(current_database()),"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
            " current_setting('max_connections')::int"
        ).one()
        return Space(used=told[0], connections=told[1], connection_limit=told[2])


def _complete(url: URL, limits: ConnectionLimits) -> URL:
    """The URL with what every connection needs; what the operator wrote in it wins."""
    settings: dict[str, object] = {
        "lock_timeout": _milliseconds(limits.busy_timeout),
        "TimeZone": "UTC",
        # The server notices as soon that we are gone, and frees what we held locked.
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
        # As many digits as a number needs to be the same when it is read again.
        "extra_float_digits": 1,
    }
    if limits.statement_timeout is not None:
        settings["statement_timeout"] = _milliseconds(limits.statement_timeout)
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = url.query.get("options", "")
    wanted = {
        "connect_timeout": str(max(2, round(limits.connect_timeout))),
        "application_name": "market-spine",
        "client_encoding": "utf8",
        # A server that is gone without a word is noticed within a minute.
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        # Keepalives are silent while something that was sent is waited for: milliseconds.
        "tcp_user_timeout": "60000",
        **{name: value for name, value in url.query.items() if isinstance(value, str)},
        "options": f"{options} {given}".strip(),
    }
    return url.set(drivername="postgresql+psycopg").update_query_dict(wanted)


def _milliseconds(seconds: float) -> int:
    """At least one: to the server none would mean no limit."""
    return max(1, round(seconds * 1000))


def _hear(driver: psycopg.Connection[Any], ring: Callable[[], None], stop: Event) -> None:
    driver.execute(f"LISTEN {_BELL}")
    ring()  # what was queued while nobody listened
    while not stop.is_set():
        for _ in driver.notifies(timeout=_LOOK_UP, stop_after=1):
            ring()


def _set_local(connection: Connection, name: str, seconds: float) -> None:
    """Change a setting until the transaction ends."""
    connection.exec_driver_sql(f"SET LOCAL {name} = {_milliseconds(seconds)}").close()


def _lock(connection: Connection, key: int) -> None:
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%(key)s)", {"key": key}).close()


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  # the engine's own driver
    return driver
