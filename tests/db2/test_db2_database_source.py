"""Db2 as a source: the whole suite, and the promises that are its own."""

from __future__ import annotations

import datetime as dt
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from db2_rig import Rig
from db2_schemas import connected
from sqlalchemy import make_url

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.domain.errors import Category, SourceError, ValidationError
from market_spine.ports.sources import LINE, Source
from market_spine.testing.source_suite import SourceSuite

RECORDS = pl.DataFrame(
    {
        "symbol": ["BRK.B", "", "007", "Ünï'c\"o\\de 😀", None, "a\tb\nc\r"],
        "mpid": ["A", "B", "C", "D", "E", "F"],
        "shares": [Decimal("1.10"), Decimal(1250000000), Decimal("-0.000001"), None, None, None],
        "trades": [1, 2**62, -3, None, 5, 6],
        "day": [dt.date(2025, 12, 1), None, dt.date(1, 1, 1), dt.date(9999, 12, 31), None, None],
    },
    schema={
        "symbol": pl.String,
        "mpid": pl.String,
        "shares": pl.Decimal(18, 6),
        "trades": pl.Int64,
        "day": pl.Date,
    },
)
COLUMNS = "symbol, mpid, shares, trades, day"
QUERY = f"SELECT {COLUMNS} FROM volumes WHERE mpid < :most ORDER BY mpid"


def run(url: str, *statements: str | tuple[str, tuple[Any, ...]]) -> list[Any]:
    found: list[Any] = []
    with connected(url) as connection:
        for statement in statements:
            text, values = (statement, ()) if isinstance(statement, str) else statement
            result = connection.exec_driver_sql(text, values)
            found = [tuple(row) for row in result] if result.returns_rows else []
        connection.commit()
    return found


def read(url: str, query: str, **options: Any) -> pl.DataFrame:
    return DatabaseSource(url, query=query, **options).fetch().frame.drop(LINE)


@pytest.fixture
def filled(db2_url: str) -> str:
    create = (
        "CREATE TABLE volumes (symbol varchar(40), mpid varchar(8) NOT NULL,"
        " shares decimal(18, 6), trades bigint, day date)"
    )
    insert = "INSERT INTO volumes VALUES (?, ?, ?, ?, ?)"
    run(db2_url, create, *((insert, row) for row in RECORDS.rows()))
    return db2_url


class TestDb2Source(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self, filled: str) -> Source:
        return DatabaseSource(filled, query=QUERY, parameters={"most": "Z"})

    @pytest.fixture
    def broken(self, db2_url: str) -> Source:
        return DatabaseSource(db2_url, table="absent")


class TestDb2SourceByKey(TestDb2Source):
    @pytest.fixture
    def source(self, filled: str) -> Source:
        return DatabaseSource(filled, table="volumes", key=["mpid"], timeout=60)


def test_pages_of_several_columns_give_what_one_statement_gives(db2_url: str) -> None:
    rows = [(f"S{place % 3}", place, f"t{place}") for place in range(25)]
    insert = "INSERT INTO v VALUES (?, ?, ?)"
    create = "CREATE TABLE v (s varchar(5) NOT NULL, n integer NOT NULL, t varchar(9))"
    run(db2_url, create, *((insert, row) for row in rows))
    whole = DatabaseSource(db2_url, query="SELECT * FROM v WHERE n < 99 ORDER BY s, n").fetch()
    query = "SELECT * FROM v WHERE n < :most"
    paged = DatabaseSource(db2_url, query=query, parameters={"most": 99}, key=["s", "n"])
    batches = list(paged.stream(batch_rows=4))
    assert [batch.rows for batch in batches] == [4] * 6 + [1]
    assert pl.concat(batch.frame for batch in batches).equals(whole.frame)
    assert paged.fetch().digest == whole.digest
    with pytest.raises(ValidationError, match="same in several rows"):
        list(DatabaseSource(db2_url, table="v", key=["s"]).stream(batch_rows=4))


def test_types_and_values_come_without_loss(db2_url: str) -> None:
    columns = {
        "a smallint": (pl.Int16(), -7),
        "b integer": (pl.Int32(), 2**31 - 1),
        "c bigint": (pl.Int64(), -(2**63)),
        "d decimal(31, 6)": (pl.Decimal(31, 6), Decimal("-1234567890123456789012345.000001")),
        "e real": (pl.Float32(), 0.25),
        "f double": (pl.Float64(), 0.1),
        "g char(3)": (pl.String(), "x  "),
        "h varchar(10) for bit data": (pl.Binary(), b"\x00\xff'"),
        "i timestamp": (pl.Datetime("us"), dt.datetime.fromisoformat("2025-12-01T10:00:00.000001")),
        "j time": (pl.Time(), dt.time(23, 59, 59)),
        "k clob(1000)": (pl.String(), "é😀\n"),
        "l blob(1000)": (pl.Binary(), b"\x00\xff"),
    }
    values = tuple(value for _, value in columns.values())
    marks = ", ".join("?" * len(columns))
    run(
        db2_url,
        f"CREATE TABLE v (n integer NOT NULL, {', '.join(columns)})",
        (f"INSERT INTO v VALUES (2, {marks})", values),
        "INSERT INTO v (n) VALUES (1)",
    )
    types = [dtype for dtype, _ in columns.values()]
    batches = list(DatabaseSource(db2_url, query="SELECT * FROM v ORDER BY n").stream(batch_rows=1))
    assert [batch.frame.dtypes[1:-1] for batch in batches] == [types, types]
    assert batches[0].frame.row(0)[1:-1] == (None,) * len(columns)
    assert batches[1].frame.row(0)[1:-1] == values
    none = read(db2_url, "SELECT b, d, i FROM v WHERE n = 3")
    assert none.dtypes == [pl.Int32, pl.Decimal(31, 6), pl.Datetime("us")]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("select x from kept; drop table kept", "drop table kept"),
        ("delete from kept", "DELETE"),
        ("commit; delete from kept", "COMMIT"),
        ("select * from final table (insert into kept values (2)) as f", "final table"),
        ("select * from OLD  TABLE(delete from kept) as f", "OLD"),
        ("call sysproc.admin_cmd('x')", "CALL"),
        ("set current schema x", "SET"),
    ],
)
def test_nothing_can_be_written(db2_url: str, query: str, named: str) -> None:
    run(db2_url, "CREATE TABLE kept (x integer)", "INSERT INTO kept VALUES (1)")
    with pytest.raises(ValidationError) as caught:
        read(db2_url, query)
    assert named in caught.value.message
    assert run(db2_url, "SELECT x FROM kept") == [(1,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from absent", "ABSENT"),
        ("select absent from kept", "ABSENT"),
        ("select from where", "SQL0104N"),
        ("select x as a, x as a from kept", "several columns named a"),
    ],
)
def test_a_wrong_query_is_told_by_what_is_wrong(db2_url: str, query: str, said: str) -> None:
    run(db2_url, "CREATE TABLE kept (x integer)")
    with pytest.raises(ValidationError, match=said) as caught:
        DatabaseSource(db2_url, query=query).validate()
    assert caught.value.hint


def test_an_error_while_reading_is_no_end(db2_url: str) -> None:
    run(db2_url, "CREATE TABLE v (n integer)", "INSERT INTO v VALUES (1), (0)")
    source = DatabaseSource(db2_url, query="select 1 / n as q from v")
    source.validate()
    with pytest.raises(ValidationError, match="SQL0801N"):
        source.fetch()


def test_a_wrong_password_is_a_matter_of_permission_and_never_shown(db2_url: str) -> None:
    url = make_url(db2_url).set(password="hunter2").render_as_string(hide_password=False)
    with pytest.raises(SourceError) as caught:
        DatabaseSource(url, query="values (1)").validate()
    assert caught.value.category is Category.PERMISSION
    assert "hunter2" not in str(caught.value.to_dict())
    cut = make_url(db2_url).set(password="a;b").render_as_string(hide_password=False)
    with pytest.raises(Exception, match="semicolon"):
        DatabaseSource(cut, query="values (1)").validate()


def test_a_server_that_is_gone_is_told(mortal_db2: Rig) -> None:
    source = DatabaseSource(mortal_db2.url, query="values (1), (2), (3)")
    assert source.fetch().rows == 3
    mortal_db2.kill()
    with pytest.raises(SourceError) as caught:
        source.fetch()
    assert caught.value.category is Category.DEPENDENCY
    assert caught.value.retryable


@contextmanager
def cut_after(url: str, size: int) -> Iterator[str]:
    """The URL of a way to the server that ends when ``size`` bytes have come from there."""
    target = make_url(url)
    place = (str(target.host), target.port or 50_000)

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(place) as server, suppress(ConnectionError):
                hand_on(self.request, server, size)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as front:
        threading.Thread(target=front.serve_forever, args=(0.05,)).start()
        port = front.server_address[1]
        try:
            yield target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        finally:
            front.shutdown()


def hand_on(client: socket.socket, server: socket.socket, size: int) -> None:
    while size > 0:
        for ready in select.select([client, server], [], [])[0]:
            said = ready.recv(65_536)
            if not said:
                return
            if ready is client:
                server.sendall(said)
            else:
                client.sendall(said[:size])
                size -= len(said)


@pytest.mark.parametrize("size", [20_000, 400_000])
def test_a_stream_that_is_cut_off_is_a_lost_connection(db2_url: str, size: int) -> None:
    rows = tuple((place, "x" * 80) for place in range(10_000))
    run(db2_url, "CREATE TABLE v (n integer NOT NULL, t varchar(100))")
    with connected(db2_url) as connection:
        connection.exec_driver_sql("INSERT INTO v VALUES (?, ?)", list(rows))
        connection.commit()
    # With nothing set in the session the driver connects again and tries to go on by itself.
    schema = make_url(db2_url).query["CurrentSchema"]
    plain = make_url(db2_url).difference_update_query(["CurrentSchema"])
    url = plain.render_as_string(hide_password=False)
    query = f"SELECT n, t FROM {schema}.v"
    with cut_after(url, 100_000_000) as whole:
        assert DatabaseSource(whole, query=query).fetch().rows == 10_000
    with cut_after(url, size) as broken, pytest.raises(SourceError) as caught:
        DatabaseSource(broken, query=query).fetch()
    assert caught.value.category is Category.DEPENDENCY, caught.value
    assert caught.value.retryable


def test_a_statement_that_takes_too_long_is_ended(mortal_db2: Rig) -> None:
    many = ", ".join(f"sys.syscolumns c{place}" for place in range(6))
    source = DatabaseSource(mortal_db2.url, query=f"select count(*) as n from {many}", timeout=1)
    with pytest.raises(SourceError, match="1 seconds") as caught:
        source.fetch()
    assert caught.value.category is Category.TIMEOUT
