"""SQLite: an embedded file, in WAL mode, that several processes share."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

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
    insert,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import NullPool, QueuePool

from ....domain.captures import Partition
from ....domain.errors import ConfigurationError, SpineError
from .connection_limits import ConnectionLimits
from .dialects import Access, S, Space, T
from .row_updates import update_each
from .sqlite_errors import explain
from .sqlite_rows import insert_tuples, update_by_tuples
from .sqlite_values import restored_frame, stored_frame

CHUNK_ROWS = 10_000
_ROWS_A_STATEMENT = 100
# Builds of SQLite exist that take no more than 999 parameters.
log = logging.getLogger(__name__)

_GLANCE = 0.02
"""Seconds between two looks whether others have changed the file, which cost next to nothing."""
_LOOK_LATER = 2.0
_PARAMETERS_A_STATEMENT = 900

_PRAGMAS = (
    "foreign_keys = ON",
    # A commit that was reported is on the disk, also when the power fails right after it.
    "synchronous = FULL",
    "temp_store = MEMORY",
    # A large load leaves a large WAL; the next writer cuts it down to this many bytes.
    "journal_size_limit = 16777216",
)

# In KB: what a large load changes stays in memory until it commits; readers see rows once.
_WRITER = ("cache_size = -65536",)
_PRAGMAS_FOR = {
    Access.READ: ("cache_size = -16384", "query_only = ON"),
    Access.WRITE: _WRITER,
    Access.CREATE: _WRITER,
}


class SqliteDialect:
    """A database in the file that a URL names. Relative paths are resolved once, here."""

    backend = "sqlite"
    loads_long_text = True
    reads_one_moment = True
    pool_size = None

    def __init__(self, url: URL, limits: ConnectionLimits) -> None:
        # With two slashes the first folder would be taken for a host, and dropped.
        elsewhere = url.host or url.username or url.password or url.port
        if not url.database or url.database == ":memory:" or url.query or elsewhere:
            raise ConfigurationError(
                "the SQLite URL must name a file, without options",
                hint="write it as sqlite:///path/to/file.db",
            )
        self._path = Path(url.database).expanduser().absolute()
        self._busy_timeout = limits.busy_timeout

    @property
    def location(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        try:
            return self._path.exists()
        except OSError as error:
            raise self.translate(error) from error

    def engine(self, access: Access) -> Engine:
        engine = create_engine(
            "sqlite+pysqlite://",
            creator=lambda: self._connect(access),
            poolclass=NullPool if access is Access.CREATE else QueuePool,
            **({} if access is Access.CREATE else {"max_overflow": -1}),
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            if access is Access.READ:
                connection.exec_driver_sql("BEGIN")
                # The snapshot is taken by the first statement that looks into the file.
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").close()
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        @event.listens_for(engine, "handle_error")
        def handle_error(context: ExceptionContext) -> SpineError | None:
            if not isinstance(context.original_exception, Exception):
                return None  # Ctrl-C is no database error: it is raised as it is
            return self.translate(context.original_exception)

        return engine

    def _connect(self, access: Access) -> sqlite3.Connection:
        if access is Access.CREATE:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self.translate(error) from error
        mode = "rwc" if access is Access.CREATE else "rw"
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}",
            uri=True,
            # Transactions begin where they are asked for, not where the driver guesses.
            isolation_level=None,
            timeout=self._busy_timeout,
            check_same_thread=False,
        )
        try:
            for pragma in (*_PRAGMAS, *_PRAGMAS_FOR[access]):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def prepare(self) -> None:
        deadline = time.monotonic() + self._busy_timeout
        try:
            with closing(self._connect(Access.CREATE)) as connection:
                while not _switched_to_wal(connection, patient=time.monotonic() < deadline):
                    time.sleep(0.01)
        except sqlite3.Error as error:
            raise self.translate(error) from error

    def has_table(self, connection: Connection, name: str | None) -> bool:
        found = connection.exec_driver_sql(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite%' AND (?1 IS NULL OR name = ?1)",
            (name,),
        )
        return bool(found.scalar_one())

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: there is one writing transaction at a time."""

    def patiently(self, work: Callable[[], T]) -> T:
        return work()  # SQLite itself waits as long as it was told to

    def in_transaction(self, connection: Connection) -> bool:
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # pysqlite's own
        return driver.in_transaction

    def lock_partition(self, connection: Connection, partition: Partition) -> None:
        """Nothing to do: there is one writing transaction at a time."""

    def insert_rows(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if len(rows) > 1:
            insert_tuples(connection, table, rows)
        else:
            connection.execute(insert(table), rows[0]).close()

    def update_rows(
        self,
        connection: Connection,
        table: Table,
        keys: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
        condition: ColumnElement[bool],
    ) -> int:
        if len(rows) > 1:
            return update_by_tuples(connection, table, keys, rows, condition)
        return update_each(connection, table, keys, rows, condition)

    def hold(
        self,
        connection: Connection,
        statement: Select[Any],
        same: Update,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        del same  # whoever writes holds everything
        return connection.execute(statement, values).all()

    def limit_waiting(self, connection: Connection, seconds: float) -> None:
        """Nothing to do: a transaction that writes has waited before it began."""

    def limit_silence(self, connection: Connection, seconds: float) -> None:
        """Nothing can be done: there is no server."""

    def ring(self, connection: Connection) -> None:
        """Nothing to do: whoever listens sees that the file has changed."""

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        while not stop.is_set():
            try:
                with closing(self._connect(Access.READ)) as connection:
                    self._watch(connection, ring, stop)
            except sqlite3.Error as error:
                log.debug("changes of %s are not seen: %s", self.location, error)
                stop.wait(_LOOK_LATER)

    def _watch(self, connection: sqlite3.Connection, ring: Callable[[], None], stop: Event) -> None:
        seen = None
        while not stop.wait(_GLANCE):
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != seen:
                ring()
            seen = version

    def now(self, connection: Connection) -> datetime:
        found = connection.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        return datetime.fromisoformat(found.scalar_one()).replace(tzinfo=UTC)

    def first(self, statement: S, count: int) -> S:
        return statement.limit(count)

    def at_a_glance(self, statement: S) -> S:
        return statement

    def not_held(self, statement: S) -> S:
        return statement

    def read_frames(
        self,
        connection: Connection,
        statement: Select[Any],
        schema: Mapping[str, pl.DataType],
        size: int,
    ) -> Generator[pl.DataFrame, None, None]:
        with connection.execute(statement) as result:
            cursor: sqlite3.Cursor = result.cursor  # type: ignore[assignment]  # pysqlite's own
            while True:
                try:
                    rows = cursor.fetchmany(size)
                except sqlite3.Error as error:
                    raise self.translate(error) from error
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
        frame = stored_frame(frame)
        width = frame.width
        many = max(1, min(_ROWS_A_STATEMENT, _PARAMETERS_A_STATEMENT // width))
        fixed = tuple(constants.values())
        names = (*constants, *frame.columns)
        several = _insert_sql(connection, table, names, len(fixed), rows=many)
        single = _insert_sql(connection, table, names, len(fixed), rows=1)
        for offset in range(0, frame.height, CHUNK_ROWS):
            chunk = frame.slice(offset, CHUNK_ROWS)
            values = _row_by_row(chunk)
            whole = (chunk.height - chunk.height % many) * width
            for statement, start, end, step in (
                (several, 0, whole, many * width),
                (single, whole, len(values), width),
            ):
                groups = [
                    (*fixed, *values[place : place + step]) for place in range(start, end, step)
                ]
                if groups:
                    connection.exec_driver_sql(statement, groups)

    def keep_writers_out(self, connection: Connection, table: Table) -> None:
        """Nothing to do: there is one writing transaction at a time."""

    def identity(self, connection: Connection) -> str:
        del connection
        found = self._path.stat()
        return f"sqlite {found.st_dev} {found.st_ino}"

    def continue_numbering(self, connection: Connection, column: Column[Any]) -> None:
        """Nothing to do: the next key is always one more than the highest."""

    def translate(self, error: BaseException) -> SpineError:
        return explain(error, self._path, self._busy_timeout)

    def server_version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())

    def space(self, connection: Connection) -> Space:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        return Space(used=pages * size, free=shutil.disk_usage(self._path.parent).free)


def _switched_to_wal(connection: sqlite3.Connection, *, patient: bool) -> bool:
    """False where two processes switch a fresh file at once: SQLite does not wait by itself."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if patient and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def _row_by_row(frame: pl.DataFrame) -> list[Any]:
    """All values of a frame in the order of its rows; no tuple is made of any of them."""
    values: list[Any] = [None] * (frame.height * frame.width)
    for place, column in enumerate(frame.get_columns()):
        values[place :: frame.width] = column.to_list()
    return values


def _insert_sql(
    connection: Connection, table: Table, columns: tuple[str, ...], fixed: int, *, rows: int
) -> str:
    """INSERT of several rows at once, which costs SQLite about half of one row at a time.

    The first ``fixed`` parameters stand in every row and are bound once.
    """
    prepare = connection.dialect.identifier_preparer
    names = ", ".join(prepare.quote(column) for column in columns)
    constants = [f"?{number + 1}" for number in range(fixed)]
    width = len(columns) - fixed
    tuples = (
        ",".join([*constants, *(f"?{fixed + row * width + n + 1}" for n in range(width))])
        for row in range(rows)
    )
    values = ",".join(f"({item})" for item in tuples)
    return f"INSERT INTO {prepare.format_table(table)} ({names}) VALUES {values}"  # noqa: S608  # names of our own schema, values are bound
