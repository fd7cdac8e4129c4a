"""What stands in a database comes out of it, value for value, whatever it is."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.ports.sources import LINE

UTC = dt.UTC
ODD = [
    "",
    "\\N",
    "\\",
    "\\\\N",
    "\\.",
    "\t",
    "\n",
    "\r\n",
    '"',
    "'",
    '""',
    "NULL",
    "null",
    " ",
    "%s",
]
ODD += ["\ufeff", "x\x01", "\x1f\x8b", "\\n", "\\x41", "é😀", "a\u2028b", "\x7f", ":a", "$$"]
TEXT = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.text(alphabet='\\\t\n\r"N,.', max_size=8),
)
ROW = st.tuples(
    st.none() | TEXT,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**12) + 1, 10**12 - 1, places=6),
    st.none() | st.floats(allow_nan=False, allow_subnormal=True),
    st.none() | st.booleans(),
    st.none() | st.binary(max_size=12),
    st.none() | st.dates(),
    st.none() | st.datetimes(),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.times(),
    st.none() | TEXT,
)
ROWS = st.lists(ROW, min_size=1, max_size=8)
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
COLUMNS = "a text, b bigint, c numeric(18,6), d double precision, e boolean, f {}, g date,"
COLUMNS += " h timestamp, i timestamp with time zone, j time, k text"
NOTHING: list[tuple[Any, ...]] = [(None,) * 11, (None,) * 11]


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create table v (n serial, {COLUMNS.format('bytea')})")
        yield postgres_url, connection


@SETTINGS
@given(ROWS)
@example(NOTHING)
def test_values_come_out_of_postgres_as_they_went_in(
    postgres: tuple[str, psycopg.Connection[Any]], rows: list[tuple[Any, ...]]
) -> None:
    url, connection = postgres
    connection.execute("truncate v")
    marks = ", ".join(["%b"] * 11)
    insert = f"insert into v (a, b, c, d, e, f, g, h, i, j, k) values ({marks})"
    connection.cursor().executemany(insert, rows)
    query = "select a, b, c, d, e, f, g, h, i, j, k from v order by n"
    assert read(url, query) == rows
    for place in (0, 10):  # a text alone: its empty value is an empty line
        column = "abcdefghijk"[place]
        assert read(url, f"select {column} from v order by n") == [(row[place],) for row in rows]


@SETTINGS
@given(ROWS)
@example(NOTHING)
def test_values_come_out_of_sqlite_as_they_went_in(
    tmp_path: Path, rows: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / "values.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(f"create table v (n integer primary key, {COLUMNS.format('blob')})")
    marks = ", ".join("?" * 11)
    insert = f"insert into v (a, b, c, d, e, f, g, h, i, j, k) values ({marks})"
    connection.executemany(insert, [tuple(map(stored, row)) for row in rows])
    connection.commit()
    connection.close()
    query = "select a, b, c, d, e, f, g, h, i, j, k from v order by n"
    found = read(f"sqlite:///{path}", query)
    # What SQLite itself keeps of a decimal is a number of 15 digits.
    expected = [(*row[:2], kept(row[2]), *row[3:]) for row in rows]
    assert [(*row[:2], kept(row[2]), *row[3:]) for row in found] == expected


def stored(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def kept(value: Decimal | None) -> str | None:
    return None if value is None else f"{float(value):.14e}"


def read(url: str, query: str) -> list[tuple[Any, ...]]:
    return DatabaseSource(url, query=query).fetch().frame.drop(LINE).rows()
