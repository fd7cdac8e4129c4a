"""Db2: rows go in through a temporary table and one MERGE.

Db2 has no snapshots. A reader sees only what is committed, each statement as of its own moment,
and does not wait for writers where the database is CURRENTLY COMMITTED, as it is by default.
Nothing but this software keeps a reader from writing: Db2 has no read-only transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import ibm_db
import ibm_db_dbi
import polars as pl
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
    insert,
    select,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.schema import CreateTable

from ....domain.captures import Partition
from ....domain.errors import ConfigurationError, SpineError
from .conflicts import note_conflict
from .connection_limits import ConnectionLimits
from .database_faults import Fault, fault_error
from .db2_connections import SYNTAX_ERROR, connector
from .db2_errors import ends_connection, ends_transaction, explain, sqlcode_of
from .db2_locks import Db2Locks, goes_on, note_begin, note_change, note_end
from .db2_rows import first_rows, load_frame, restored_frame
from .db2_texts import longest, with_room
from .dialects import Access, S, Space, T
from .pools import pool_options
from .revisions import VERSION
from .row_updates import update_each

_SPACE = (
    "SELECT SUM(TBSP_USED_PAGES * TBSP_PAGE_SIZE), MAX(C.APPLS_CUR_CONS)"
    " FROM TABLE(MON_GET_TABLESPACE('', -2)) AS T, TABLE(MON_GET_DATABASE(-1)) AS C"
)
_READING = ("SELECT", "VALUES")
_UTF8 = 1208
# All zones of today differ by whole quarters of an hour.
_ZONE_STEP = timedelta(minutes=15)


class Db2Dialect:
    """A database on a server. Tables are made in, and looked for in, the current schema."""

    backend = "db2"
    # The driver sends no LOB in bulk.
    loads_long_text = False
    reads_one_moment = False

    def __init__(self, url: URL, limits: ConnectionLimits) -> None:
        self._url = url
        self._limits = limits
        self._connector = connector(url, limits)
        # Until it shows that it is another member of the family.
        self._whole_db2 = True
        self._locks = Db2Locks(
            self.location, limits.busy_timeout, lambda: self.engine(Access.CREATE).begin()
        )

    @property
    def location(self) -> str:
        url = self._url
        place = f"{url.host or ''}:{url.port}" if url.port else url.host or ""
        return f"db2://{place}/{url.database}"

    @property
    def pool_size(self) -> int:
        return self._limits.pool_size

    def exists(self) -> bool:
        return True

    def engine(self, access: Access) -> Engine:
        engine = create_engine(
            # Its own log would hold every value.
            "db2+ibm_db://?ibmdbsa_log=false",
            creator=lambda: self._connector.connect(reading=access is Access.READ),
            # A connection that the server has closed meanwhile is replaced before it is used.
            pool_pre_ping=True,
            **pool_options(access, self._limits),
        )
        event.listen(engine, "begin", note_begin)
        event.listen(engine, "handle_error", self._handle_error)
        event.listen(engine, "do_execute", self._execute)
        event.listen(engine, "do_executemany", _check_many)
        return engine

    def _handle_error(self, context: ExceptionContext) -> SpineError | None:
        error = context.original_exception
        if not isinstance(error, Exception):
            return None  # Ctrl-C is no database error: it is raised as it is
        if ends_connection(error):
            # SQLAlchemy's dialect does not know all of them.
            context.is_disconnect = True
        if context.is_pre_ping:
            return None
        if context.connection is not None and ends_transaction(error):
            note_end(context.connection)
        typed = self.translate(error)
        if context.connection is not None:
            note_conflict(context.connection, typed)
        return typed

    def _execute(
        self,
        cursor: ibm_db_dbi.Cursor,
        statement: str,
        parameters: tuple[Any, ...],
        context: ExecutionContext,
    ) -> bool:
        """Execute one statement within its time; True: it is done."""
        if not statement.lstrip().upper().startswith(_READING):
            note_change(context.root_connection)
        statement = with_room(statement, longest(parameters))
        if self._limits.statement_timeout is None:
            cursor.execute(statement, parameters)
            return True
        seconds = max(1, round(self._limits.statement_timeout))
        cursor.prepare(statement)
        ibm_db.set_option(cursor.stmt_handler, {ibm_db.SQL_ATTR_QUERY_TIMEOUT: seconds}, 0)
        cursor.execute(None, parameters)
        return True

    def prepare(self) -> None:
        """Try what loads need, and make the table of the revision, which upgrades are locked by."""
        with self.engine(Access.CREATE).connect() as connection:
            codepage = _driver_info(connection)
            if codepage not in (_UTF8, 0):
                raise ConfigurationError(
                    f"{self.location} keeps text in code page {codepage}",
                    hint="create the database USING CODESET UTF-8: others lose characters",
                )
            # A load needs one: that there is no place for it is better known now.
            connection.exec_driver_sql(
                "DECLARE GLOBAL TEMPORARY TABLE SESSION.SPINE_TRIAL (n INTEGER)"
                " ON COMMIT DELETE ROWS NOT LOGGED"
            )
            connection.rollback()
            if self.has_table(connection, VERSION.name):
                return
            try:
                connection.execute(CreateTable(VERSION))
                connection.commit()
            except SpineError:
                connection.rollback()
                # Another process may have made it meanwhile.
                if not self.has_table(connection, VERSION.name):
                    raise

    def has_table(self, connection: Connection, name: str | None) -> bool:
        schema = connection.exec_driver_sql("VALUES CURRENT SCHEMA").scalar_one().strip()
        tables = self.patiently(lambda: self._tables(connection, schema, name))
        return bool(tables) if name is None else name.upper() in tables

    def _tables(self, connection: Connection, schema: str, name: str | None) -> set[str]:
        try:
            found = _driver(connection).tables(schema, name)
        except Exception as error:
            raise self._failed(connection, error) from error
        # The driver takes both names for patterns, where _ stands for anything.
        return {
            item["TABLE_NAME"]
            for item in found
            if item["TABLE_TYPE"] == "TABLE" and item["TABLE_SCHEM"].strip() == schema
        }

    def lock_schema(self, connection: Connection) -> None:
        lock = f"LOCK TABLE {VERSION.name} IN EXCLUSIVE MODE"
        self.patiently(lambda: connection.exec_driver_sql(lock).close())

    def patiently(self, work: Callable[[], T]) -> T:
        return self._locks.patiently(work)

    def in_transaction(self, connection: Connection) -> bool:
        return goes_on(connection)

    def lock_partition(self, connection: Connection, partition: Partition) -> None:
        self._locks.lock(connection, partition)

    def insert_rows(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        for row in rows:  # it takes no long text in bulk
            connection.execute(insert(table), row).close()

    def update_rows(
        self,
        connection: Connection,
        table: Table,
        keys: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
        condition: ColumnElement[bool],
    ) -> int:
        # Of many at once it does not tell how many it has changed.
        return sum(update_each(connection, table, keys, [row], condition) for row in rows)

    def hold(
        self,
        connection: Connection,
        statement: Select[Any],
        same: Update,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        self._locks.hold(connection, same, values)
        return connection.execute(statement, values).all()

    def limit_waiting(self, connection: Connection, seconds: float) -> None:
        """Nothing is done: the time for locks belongs to the connection, not to a transaction."""

    def limit_silence(self, connection: Connection, seconds: float) -> None:
        """Nothing can be said here: thresholds of idle transactions are the administrator's."""

    def ring(self, connection: Connection) -> None:
        """Nothing is done: nobody hears of it."""

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        """Db2 tells nobody of what others have committed."""

    def now(self, connection: Connection) -> datetime:
        if self._whole_db2:
            try:
                told = connection.exec_driver_sql("VALUES CURRENT TIMESTAMP - CURRENT TIMEZONE")
                utc: datetime = told.scalar_one()
                return utc.replace(tzinfo=UTC)
            except SpineError as error:
                cause = error.__cause__
                if cause is None or sqlcode_of(cause) != SYNTAX_ERROR:
                    raise
                # Some members of the family have no such register. Their zone then follows from
                # our clock, which must not be wrong by more than half of a step.
                self._whole_db2 = False
        local: datetime = connection.exec_driver_sql("VALUES CURRENT TIMESTAMP").scalar_one()
        local = local.replace(tzinfo=UTC)
        return local - round((local - datetime.now(UTC)) / _ZONE_STEP) * _ZONE_STEP

    def at_a_glance(self, statement: S) -> S:
        # Db2 reads what was committed last, and so does not wait. Others do.
        return statement if self._whole_db2 else statement.suffix_with("WITH UR")

    def not_held(self, statement: S) -> S:
        return self.at_a_glance(statement)

    def first(self, statement: S, count: int) -> S:
        return first_rows(statement, count)

    def read_frames(
        self,
        connection: Connection,
        statement: Select[Any],
        schema: Mapping[str, pl.DataType],
        size: int,
    ) -> Generator[pl.DataFrame, None, None]:
        with connection.execute(statement) as result:
            cursor: ibm_db_dbi.Cursor = result.cursor
            # Decimals stay text: polars reads them faster than Python makes them.
            cursor.FIX_RETURN_TYPE = 0
            while True:
                try:
                    rows = cursor.fetchmany(size)
                except Exception as error:
                    raise self._failed(connection, error) from error
                if not rows:
                    return
                yield restored_frame(rows, schema)

    def insert_frame(
        self,
        connection: Connection,
        table: Table,
        constants: Mapping[str, int],
        frame: pl.DataFrame,
    ) -> None:
        if not frame.height:
            return
        taken = load_frame(connection, table, constants, frame)
        if taken != frame.height:
            why = f"{frame.height - taken} of {frame.height} rows for {table.name}"
            raise fault_error(Fault.UNIQUE, self.location, KeyError(table.name), detail=why)

    def keep_writers_out(self, connection: Connection, table: Table) -> None:
        name = connection.dialect.identifier_preparer.format_table(table)
        lock = f"LOCK TABLE {name} IN SHARE MODE"
        self.patiently(lambda: connection.exec_driver_sql(lock).close())

    def identity(self, connection: Connection) -> str:
        # Names of servers and databases repeat. A mark does not, and is seen before its commit.
        look = f"SELECT version_num FROM {VERSION.name} WITH UR"  # noqa: S608  # a name of ours
        return f"db2 {connection.exec_driver_sql(look).scalar_one()}"

    def continue_numbering(self, connection: Connection, column: Column[Any]) -> None:
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            table = connection.dialect.identifier_preparer.format_table(column.table)
            connection.exec_driver_sql(
                f"ALTER TABLE {table} ALTER COLUMN {column.name} RESTART WITH {highest + 1}"
            )

    def translate(self, error: BaseException) -> SpineError:
        return explain(error, self.location)

    def server_version(self, connection: Connection) -> str:
        # The driver has kept it: ask the server something, for it is how its answer is timed.
        connection.exec_driver_sql("VALUES 1").close()
        name, version = _driver(connection).server_info()
        return f"{name} {version}"

    def space(self, connection: Connection) -> Space:
        try:
            used, connections = connection.exec_driver_sql(_SPACE).one()
        except SpineError:
            if not self.in_transaction(connection):
                raise
            return Space()  # not every user may ask, and not every server knows
        return Space(used=int(used), connections=int(connections))

    def _failed(self, connection: Connection, error: Exception) -> SpineError:
        """The typed error for what the driver raised outside of SQLAlchemy."""
        if ends_connection(error):
            connection.invalidate()
        elif ends_transaction(error):
            note_end(connection)
        return note_conflict(connection, self.translate(error))


def _check_many(
    cursor: ibm_db_dbi.Cursor,
    statement: str,
    parameters: list[tuple[Any, ...]],
    context: ExecutionContext,
) -> None:
    del cursor, statement
    note_change(context.root_connection)
    # Rows of a frame need no check: its text is valid by its nature.
    if context.compiled is not None:
        for row in parameters:
            longest(row)


def _driver(connection: Connection) -> ibm_db_dbi.Connection:
    return connection.connection.driver_connection


def _driver_info(connection: Connection) -> int:
    """The code page of the database's text, 0 where the server does not say."""
    return int(ibm_db.server_info(_driver(connection).conn_handler).DB_CODEPAGE or 0)
