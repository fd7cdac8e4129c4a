"""Db2: one prepared statement, described, read in batches and rolled back.

Db2 has no read-only transaction. What keeps it from writing: the statement has to begin like a
query and to give columns, none that change data on the way (``FINAL TABLE`` and its kind) are let
through, and whatever happens is rolled back at the end. Give the user SELECT only.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import ibm_db
import polars as pl

from ....domain.errors import SpineError, ValidationError
from ....ports.sources import Tap
from .addresses import Address
from .canonical import canonical_bytes
from .db2_connection import connected
from .db2_errors import translated
from .db2_types import column_type
from .paging import expanded, first_value_query, null_query, page_query, pages, same_query
from .query import Syntax
from .request import Request
from .row_frames import RowFrames
from .sessions import Session, check_columns

_CHANGES = re.compile(r"(?i)\b(?:FINAL|NEW|OLD)\s+TABLE\s*\(")


def _stored_name(name: str) -> str:
    """Names in small letters stand in the catalogue in capitals."""
    return name.upper() if name == name.lower() else name


def _shown_name(name: str) -> str:
    return name.lower() if name == name.upper() else name


_SYNTAX = Syntax(stored_name=_stored_name)


@contextmanager
def db2_session(address: Address, request: Request) -> Iterator[Session]:
    """A unit of work for reading, rolled back at the end."""
    query = request.parsed(_SYNTAX)
    if change := _CHANGES.search(query.bare):
        raise ValidationError(
            f"{change[0].rstrip('( ')} is refused: a database source only reads",
            hint="select from the table itself",
        )
    values = [_bound(name, request.parameters[name]) for name in query.names]
    clock = _Clock(request.timeout)
    try:
        with connected(address.url) as connection:
            yield _Db2Session(connection, request, query.render(lambda _: "?"), values, clock)
    except SpineError:
        raise
    except Exception as error:
        # The driver raises plain exceptions, and only their text says what they are.
        if type(error) is not Exception:
            raise
        raise translated(error, address, request, overdue=clock.overdue) from None


class _Clock:
    """When the statement that runs has had its time."""

    def __init__(self, timeout: float | None) -> None:
        self.seconds = 0 if timeout is None else max(1, math.ceil(timeout))
        self._started = math.inf

    def start(self) -> None:
        self._started = time.monotonic()

    @property
    def overdue(self) -> bool:
        return bool(self.seconds) and time.monotonic() - self._started >= self.seconds


class _Db2Session:
    def __init__(
        self, connection: Any, request: Request, query: str, values: Sequence[Any], clock: _Clock
    ) -> None:
        self._connection = connection
        self._query = query
        self._values = list(values)
        self._clock = clock
        self._tap: Tap | None = None
        self._last: tuple[Any, ...] = ()
        self._asked_key = request.key
        self._key = [_stored_name(name) for name in request.key]
        types = self._described()
        check_columns(list(map(_shown_name, types)), tuple(map(_shown_name, self._key)))
        self._key_places = [list(types).index(name) for name in self._key]
        self._rows = RowFrames({_shown_name(n): t for n, t in types.items()}, self._first_value)

    @property
    def schema(self) -> pl.Schema:
        return self._rows.schema

    def _described(self) -> dict[str, pl.DataType | None]:
        """The columns of the prepared statement, which has not been executed."""
        statement = ibm_db.prepare(self._connection, self._query)
        count = ibm_db.num_fields(statement)
        names = [ibm_db.field_name(statement, place) for place in range(count or 0)]
        check_columns(list(map(_shown_name, names)), ())
        return {name: column_type(statement, place) for place, name in enumerate(names)}

    def frames(self, batch_rows: int, tap: Tap | None) -> Generator[pl.DataFrame, None, None]:
        self._tap = tap
        if self._key:
            yield from pages(self, self._asked_key, batch_rows)
        else:
            yield from self._read(self._query, self._values, batch_rows)

    def page(self, after: object | None, rows: int) -> Iterator[pl.DataFrame]:
        values = after if isinstance(after, tuple) else ()
        marks = ["?"] * len(values) or None
        query = page_query(self._query, self._key, marks, rows, row_values=False)
        yield from self._read(query, [*self._values, *expanded(values)], rows)

    def last(self) -> object:
        return tuple(self._last[place] for place in self._key_places)

    def holds_null(self) -> bool:
        return bool(self._all(null_query(self._query, self._key), self._values))

    def ambiguous(self, last: object) -> bool:
        values = last if isinstance(last, tuple) else ()
        query = same_query(self._query, self._key, ["?"] * len(values))
        return len(self._all(query, [*self._values, *values])) > 1

    def _first_value(self, name: str) -> object:
        query = first_value_query(self._query, _stored_name(name))
        found = self._all(query, self._values)
        return found[0][0] if found else None

    def _all(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = ibm_db.fetchall(self._executed(query, values))
        return found

    def _read(self, query: str, values: Sequence[Any], batch_rows: int) -> Iterator[pl.DataFrame]:
        statement = self._executed(query, values)
        while rows := ibm_db.fetchmany(statement, batch_rows):
            self._last = rows[-1]
            frame = self._rows.frame(rows)
            if self._tap is not None:
                self._tap(canonical_bytes(frame))
            yield frame
        ibm_db.free_stmt(statement)

    def _executed(self, query: str, values: Sequence[Any]) -> Any:
        statement = ibm_db.prepare(self._connection, query)
        if self._clock.seconds:
            ibm_db.set_option(statement, {ibm_db.SQL_ATTR_QUERY_TIMEOUT: self._clock.seconds}, 0)
        self._clock.start()
        if values:
            ibm_db.execute(statement, tuple(values))
        else:
            ibm_db.execute(statement)
        return statement


def _bound(name: str, value: object) -> object:
    if value is None or isinstance(
        value, bool | int | float | str | bytes | date | time_of_day | Decimal
    ):
        return value
    raise ValidationError(
        f"the value of parameter {name} cannot be sent: it is a {type(value).__name__}",
        hint="give a number, a text, a date or a time",
    )
