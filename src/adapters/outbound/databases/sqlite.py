"""SQLite: the file is opened for reading only, and an authorizer allows nothing but SELECT."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from ....domain.errors import Category, SourceError, ValidationError
from ....ports.sources import Tap
from .addresses import Address
from .canonical import canonical_bytes
from .paging import LIMIT, first_value_query, null_query, page_query, pages, same_query
from .query import Query, Syntax
from .request import Request
from .row_frames import RowFrames
from .sessions import Session, check_columns
from .sqlite_errors import translated
from .sqlite_types import declared_type

_SYNTAX = Syntax(quotes=r"`(?:[^`]|``)*` | \[[^\]]*\]", nested=False)
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_EXTENSION = "load_extension"
_NAMED = {
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_TRANSACTION: "a transaction",
    sqlite3.SQLITE_FUNCTION: _EXTENSION,
}
_WAIT_SECONDS = 10.0
_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""

_LOOK_AHEAD = 1000
"""Rows from which the type of an expression is taken at least, however small a batch is."""

_LAST = "spine_after_"


@contextmanager
def sqlite_session(address: Address, request: Request) -> Iterator[Session]:
    """A snapshot of the file for reading."""
    path = _file(address)
    query = request.parsed(_SYNTAX)
    parameters = {name: _bound(name, value) for name, value in request.parameters.items()}
    refused: list[str] = []
    session: _SqliteSession | None = None
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with closing(
            sqlite3.connect(
                uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
        ) as connection:
            session = _SqliteSession(connection, request, query, parameters, refused)
            yield session
    except (sqlite3.Error, sqlite3.Warning) as error:
        if session is not None and session.was_interrupted(error):
            raise KeyboardInterrupt from None
        raise translated(error, address, request, refused) from None


def _file(address: Address) -> Path:
    named = address.url.database
    if not named or named == ":memory:" or address.url.query or named.startswith("file:"):
        raise ValidationError(
            f"{address.shown} names no file", hint="write it as sqlite:///FILE, without options"
        )
    path = Path(named).absolute()
    try:
        found = path.is_file()
    except OSError:
        found = False
    if not found:
        raise SourceError(
            f"there is no database file {path}", hint="check the path and the working folder"
        )
    if not os.access(path, os.R_OK):
        raise SourceError(
            f"{path} may not be read",
            category=Category.PERMISSION,
            hint="let the user that runs this process read it",
        )
    return path


class _SqliteSession:
    def __init__(
        self,
        connection: sqlite3.Connection,
        request: Request,
        query: Query,
        parameters: Mapping[str, Any],
        refused: list[str],
    ) -> None:
        self._connection = connection
        self._request = request
        self._query = query.render(lambda name: f":{name}")
        self._parameters = dict(parameters)
        self._last: tuple[Any, ...] = ()
        self._tap: Tap | None = None
        self._deadline = math.inf
        declared = self._declared(query.render(lambda _: "NULL"))
        check_columns(_told_apart(list(declared)), request.key)
        types = {name: declared_type(type_) for name, type_ in declared.items()}
        self._rows = RowFrames(types, self._first_value)
        self._key_places = [list(types).index(name) for name in request.key]
        _forbid_writing(connection, refused)

    @property
    def schema(self) -> pl.Schema:
        return self._rows.schema

    def _declared(self, query: str) -> dict[str, str]:
        """The columns and the types that their tables declare, by a view that is never read.

        SQLite tells them of a view only; the view is kept apart from the file, which cannot be
        written. NULL stands for parameters, which a view cannot have.
        """
        self._connection.execute(f"CREATE TEMP VIEW spine_source AS\n{query}")
        told = self._connection.execute("PRAGMA temp.table_info(spine_source)").fetchall()
        self._connection.execute("DROP VIEW temp.spine_source")
        return {row[1]: row[2] for row in told}

    def frames(self, batch_rows: int, tap: Tap | None) -> Generator[pl.DataFrame, None, None]:
        self._tap = tap
        if self._request.key:
            yield from pages(self, self._request.key, batch_rows)
        else:
            yield from self._read(self._query, self._parameters, batch_rows)

    def page(self, after: object | None, rows: int) -> Iterator[pl.DataFrame]:
        values = self._after(after)
        marks = [f":{name}" for name in values] or None
        query = page_query(self._query, self._request.key, marks, rows, first=LIMIT)
        yield from self._read(query, {**self._parameters, **values}, rows)

    def last(self) -> object:
        return tuple(self._last[place] for place in self._key_places)

    def holds_null(self) -> bool:
        query = null_query(self._query, self._request.key, first=LIMIT)
        return bool(self._all(query, self._parameters))

    def ambiguous(self, last: object) -> bool:
        values = self._after(last)
        marks = [f":{name}" for name in values]
        query = same_query(self._query, self._request.key, marks, first=LIMIT)
        return len(self._all(query, {**self._parameters, **values})) > 1

    @staticmethod
    def _after(last: object | None) -> dict[str, Any]:
        values = last if isinstance(last, tuple) else ()
        return {f"{_LAST}{place}": value for place, value in enumerate(values)}

    def _all(self, query: str, parameters: Mapping[str, Any]) -> list[Any]:
        self._start_clock()
        return self._connection.execute(query, dict(parameters)).fetchall()

    def _read(
        self, query: str, parameters: Mapping[str, Any], batch_rows: int
    ) -> Iterator[pl.DataFrame]:
        self._start_clock()
        with closing(self._connection.execute(query, dict(parameters))) as cursor:
            while rows := cursor.fetchmany(max(batch_rows, _LOOK_AHEAD)):
                self._last = rows[-1]
                frame = self._rows.frame(rows)
                if self._tap is not None:
                    self._tap(canonical_bytes(frame))
                yield from frame.iter_slices(batch_rows)

    def _first_value(self, name: str) -> object:
        """The first value of a column that is not null, if any."""
        found = self._all(first_value_query(self._query, name, LIMIT), self._parameters)
        return found[0][0] if found else None

    def _start_clock(self) -> None:
        timeout = self._request.timeout
        self._deadline = math.inf if timeout is None else time.monotonic() + timeout
        self._connection.set_progress_handler(self._late, _STEPS)

    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def was_interrupted(self, error: BaseException) -> bool:
        """Whether a signal's exception, which SQLite swallows, ended the statement."""
        ended = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
        return ended and not self._late()


def _forbid_writing(connection: sqlite3.Connection, refused: list[str]) -> None:
    """Let the database refuse all but reading, from here on; ``refused`` receives what it was."""
    connection.execute("PRAGMA query_only = ON")
    connection.execute("BEGIN")

    def authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        extends = action == sqlite3.SQLITE_FUNCTION and name == _EXTENSION
        if action in _ALLOWED and not extends:
            return sqlite3.SQLITE_OK
        refused.append(_NAMED.get(action, "anything but reading"))
        return sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)


def _told_apart(names: list[str]) -> list[str]:
    """The names as the query gave them: in a view SQLite calls a second ``a`` ``a:1``."""
    return [
        base if number.isdigit() and base in names else name
        for name in names
        for base, _, number in [name.rpartition(":")]
    ]


def _bound(name: str, value: object) -> object:
    """A parameter's value in a form that SQLite has."""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(name, value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise ValidationError(
        f"the value of parameter {name} cannot be sent: it is a {type(value).__name__}",
        hint="give a number, a text, a date or a time",
    )


def _number(name: str, value: Decimal) -> int | float:
    if value.is_finite() and value == value.to_integral_value():
        return int(value)
    if not value.is_finite() or Decimal(repr(float(value))) != value:
        raise ValidationError(
            f"the value of parameter {name} is no number that SQLite can compare: {value}",
            hint="give it as text, or with fewer digits",
        )
    return float(value)
