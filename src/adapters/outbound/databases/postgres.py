"""PostgreSQL: the query goes through COPY, in a transaction that cannot write."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from ....domain.errors import SourceError, ValidationError
from ....ports.sources import Tap
from .addresses import Address
from .ahead import one_ahead
from .batches import regrouped
from .copy_stream import copied
from .copy_text import CopyText, column_type
from .paging import null_query, page_query, pages, same_query
from .postgres_errors import translated
from .query import Syntax
from .request import Request
from .sessions import Session, check_columns
from .silence import AttentiveConnection

_SYNTAX = Syntax(
    # E'it\'s', $$text$$, $tag$text$tag$
    quotes=r"(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'"
    r"| (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$",
    further=("TABLE",),
)
_WANTED = {
    "connect_timeout": 10,
    "fallback_application_name": "market-spine",
    # A server that is gone without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_GRACE_SECONDS = 5.0
"""What the server's own word that a statement took too long may take to arrive."""

_PIECE_BYTES = 8 << 20

# What a value looks like as text must not depend on how the server or the role is set up.
_SETTINGS = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; "
    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'; "
    "SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on; "
    "SET LOCAL statement_timeout = {}"
)


@contextmanager
def postgres_session(address: Address, request: Request) -> Iterator[Session]:
    """A snapshot of the database for reading; closing it cancels what still runs."""
    query = request.parsed(_SYNTAX)
    with _typed(address, request):
        connection = _connect(address, request.timeout)
    try:
        with _typed(address, request):
            session = _PostgresSession(
                connection, address, request, query.render(_literals(connection, request))
            )
        yield session
    finally:
        connection.close()


def _connect(address: Address, timeout: float | None) -> psycopg.Connection[Any]:
    dialect: Any = PGDialect_psycopg  # untyped
    given: dict[str, Any] = dialect().create_connect_args(address.url)[1]
    options = {**_WANTED, **given, "client_encoding": "utf8"}
    connection = AttentiveConnection.connect(**options, prepare_threshold=None)
    if timeout is not None:
        connection.patience = timeout + _GRACE_SECONDS
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _literals(connection: psycopg.Connection[Any], request: Request) -> Any:
    def literal(name: str) -> str:
        try:
            return sql.Literal(request.parameters[name]).as_string(connection)
        except (psycopg.ProgrammingError, psycopg.DataError, UnicodeError) as error:
            kind = type(request.parameters[name]).__name__
            raise ValidationError(
                f"the value of parameter {name} cannot be sent: {error}",
                hint=f"give a number, a text, a date or a time; it is a {kind}",
            ) from None

    return literal


@contextmanager
def _typed(address: Address, request: Request) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, address, request) from None


class _PostgresSession:
    def __init__(
        self, connection: psycopg.Connection[Any], address: Address, request: Request, query: str
    ) -> None:
        self._connection = connection
        self._address = address
        self._request = request
        self._query = query
        self._tap: Tap | None = None
        self._last: dict[str, Any] = {}
        timeout = 0 if request.timeout is None else max(1, round(request.timeout * 1000))
        connection.execute(_SETTINGS.format(timeout).encode())
        self.schema = self._described()
        self._text = CopyText(self.schema)

    def _described(self) -> pl.Schema:
        """The columns, from a cursor that is declared and never fetched from.

        Declaring takes one statement that only reads, and checks permissions: the server refuses
        all else here, before the query is sent for COPY, which would take several statements.
        """
        with self._connection.cursor("spine_source") as cursor:
            cursor.execute(self._query.encode())
            found = cursor.pgresult
            count = found.nfields if found is not None else 0
            names = [column.name for column in cursor.description or ()]
            check_columns(names, self._request.key)
            return pl.Schema(
                {
                    names[place]: column_type(found.ftype(place), found.fmod(place))
                    for place in range(count)
                    if found is not None
                }
            )

    def frames(self, batch_rows: int, tap: Tap | None) -> Generator[pl.DataFrame, None, None]:
        self._tap = tap
        with _typed(self._address, self._request):
            if self._request.key:
                yield from pages(self, self._request.key, batch_rows)
            else:
                yield from self._copied(self._query, batch_rows)

    def page(self, after: object | None, rows: int) -> Iterator[pl.DataFrame]:
        values = None if after is None else self._marks(after)
        query = page_query(self._query, self._request.key, values, rows)
        for frame in self._copied(query, rows):
            self._last = frame.select(self._request.key).row(-1, named=True)
            yield frame

    def last(self) -> object:
        return self._last

    def holds_null(self) -> bool:
        return bool(self._rows(null_query(self._query, self._request.key)))

    def ambiguous(self, last: object) -> bool:
        marks = self._marks(last)
        return len(self._rows(same_query(self._query, self._request.key, marks))) > 1

    def _marks(self, last: object) -> list[str]:
        values = last if isinstance(last, dict) else {}
        return [sql.Literal(values[name]).as_string(self._connection) for name in self._request.key]

    def _rows(self, query: str) -> list[Any]:
        return self._connection.execute(query.encode()).fetchall()

    def _copied(self, query: str, batch_rows: int) -> Iterator[pl.DataFrame]:
        statement = f"COPY (\n{query}\n) TO STDOUT (ENCODING 'UTF8')"
        told: list[int] = []
        taken = 0
        with closing(copied(self._connection, statement, _PIECE_BYTES, told.append)) as pieces:
            # The server goes on sending while what came before is taken apart.
            frames = one_ahead(self._text.frame, map(self._tapped, pieces))
            for frame in regrouped(frames, batch_rows):
                taken += frame.height
                yield frame
        if told != [taken]:
            raise SourceError(
                f"the server sent {told} rows, and {taken} could be taken apart",
                hint="this is a defect; select fewer columns to find which one it comes from",
            )

    def _tapped(self, lines: bytes) -> bytes:
        if self._tap is not None:
            self._tap(lines)
        return lines
