"""A database is a source like any other: the whole suite, over SQLite and a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import sqlite3
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
import pytest

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.adapters.outbound.sources import RetryingSource
from market_spine.ports.sources import Source
from market_spine.testing.source_suite import SourceSuite

RECORDS = pl.DataFrame(
    {
        "symbol": ["BRK.B", "", "007", "Ünï'c\"o\\de", None, "a\tb\nc\r"],
        "mpid": ["A", "B", "C", "D", "E", "F"],
        "shares": [
            Decimal("1.10"),
            Decimal("1250000000"),
            Decimal("-0.000001"),
            None,
            Decimal(0),
            Decimal(6),
        ],
        "trades": [1, 2**62, -3, None, 5, 6],
        "day": [dt.date(2025, 12, 1), None, dt.date(1, 1, 1), dt.date(9999, 12, 31)] + [None] * 2,
    },
    schema={
        "symbol": pl.String,
        "mpid": pl.String,
        "shares": pl.Decimal(18, 6),
        "trades": pl.Int64,
        "day": pl.Date,
    },
)
CREATE = (
    "CREATE TABLE volumes (place integer PRIMARY KEY, symbol text, mpid text,"
    " shares numeric(18, 6), trades bigint, day date)"
)
COLUMNS = "symbol, mpid, shares, trades, day"
QUERY = f"SELECT {COLUMNS} FROM volumes WHERE place < :most ORDER BY place"


def fill_sqlite(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute(CREATE)
        rows = [
            (place, row[0], row[1], None if row[2] is None else str(row[2]), row[3], row[4])
            for place, row in enumerate(RECORDS.rows())
        ]
        texts = [(*row[:5], None if row[5] is None else row[5].isoformat()) for row in rows]
        connection.executemany("INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?)", texts)
    connection.close()
    return f"sqlite:///{path}"


def fill_postgres(url: str) -> str:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(CREATE)
        rows = [(place, *row) for place, row in enumerate(RECORDS.rows())]
        connection.cursor().executemany("INSERT INTO volumes VALUES (%s, %s, %s, %s, %s, %s)", rows)
    return url


class OfRecords(SourceSuite):
    """The suite for a database that holds RECORDS under ``url``."""

    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self, url: str) -> Source:
        return DatabaseSource(url, query=QUERY, parameters={"most": 100})

    @pytest.fixture
    def broken(self, url: str) -> Source:
        return DatabaseSource(url, table="absent")


class ByKey(OfRecords):
    @pytest.fixture
    def source(self, url: str) -> Source:
        query = f"SELECT {COLUMNS} FROM volumes"
        return DatabaseSource(url, query=query, key=["mpid"], timeout=60)


class TestSqliteSource(OfRecords):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return fill_sqlite(tmp_path / "volumes.db")


class TestSqliteSourceByKey(ByKey):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return fill_sqlite(tmp_path / "volumes.db")


class TestPostgresSource(OfRecords):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return fill_postgres(postgres_url)


class TestPostgresSourceByKey(ByKey):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return fill_postgres(postgres_url)


class TestRetryingDatabaseSource(TestPostgresSource):
    @pytest.fixture
    def source(self, url: str) -> Source:
        inner = DatabaseSource(url, query=QUERY, parameters={"most": 100})
        return RetryingSource(inner, 3, 0, lambda _: None)
