"""What a source over an SQLite file promises, by trying to break it."""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlite_source import ENDLESS, read, run, source

from market_spine.adapters.outbound.databases import sqlite
from market_spine.domain.errors import ValidationError

UTC = dt.UTC


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some data.db"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("select 1; drop table kept", "drop table kept"),
        ("select 1 /* ; */ -- ;\n; delete from kept", "delete from kept"),
        ("insert into kept values (2) returning x", "INSERT"),
        ("with d as (select 2) insert into kept select * from d", "insert"),
        ("with d as (select 2) delete from kept", "delete"),
        ("with d as (select 2) update kept set x = 2", "update"),
        ("commit; delete from kept", "COMMIT"),
        ("attach 'other.db' as other", "ATTACH"),
        ("pragma user_version = 7", "PRAGMA"),
        ("select * from pragma_table_info('kept')", "PRAGMA"),
        ("vacuum into 'copy.db'", "VACUUM"),
        ("select load_extension('x')", "load_extension"),
        ("replace into kept values (2)", "REPLACE"),
        ("explain delete from kept", "EXPLAIN"),
        ("select writefile('copy.db', 'x')", "writefile"),
    ],
)
def test_nothing_can_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, query: str, named: str
) -> None:
    monkeypatch.chdir(path.parent)
    run(path, "create table kept (x int)", "insert into kept values (1)")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValidationError) as caught:
        read(path, query)
    assert named in str(caught.value)
    assert caught.value.hint
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_database_itself_refuses_what_the_statement_check_lets_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(path, "create table kept (x int)", "insert into kept values (1)")
    blind = sqlite.Syntax(further=("INSERT", "DELETE", "PRAGMA", "ATTACH", "COMMIT"))
    monkeypatch.setattr(sqlite, "_SYNTAX", blind)
    for query in ("insert into kept values (2)", "delete from kept", "pragma user_version = 7"):
        with pytest.raises(ValidationError):
            read(path, query)
    assert run(path, "select * from kept") == [(1,)]


TYPES: dict[str, tuple[Any, pl.DataType, Any]] = {
    "integer": (2**63 - 1, pl.Int64(), 2**63 - 1),
    "bigint": (-(2**63), pl.Int64(), -(2**63)),
    "text": ("007", pl.String(), "007"),
    "varchar(10)": ("é\0😀", pl.String(), "é\0😀"),
    "double precision": (0.1, pl.Float64(), 0.1),
    "real": (5, pl.Float64(), 5.0),
    "decimal(18, 6)": ("1.100000", pl.Decimal(18, 6), Decimal("1.1")),
    "numeric(9,2)": (0.07, pl.Decimal(9, 2), Decimal("0.07")),
    "numeric(9)": (7, pl.Decimal(9, 0), Decimal(7)),
    "numeric": (1e-7, pl.Decimal(38, 18), Decimal("0.0000001")),
    "boolean": (1, pl.Boolean(), True),
    "blob": (b"\x00'\xff", pl.Binary(), b"\x00'\xff"),
    "date": ("2025-12-01", pl.Date(), dt.date(2025, 12, 1)),
    "time": ("23:59:59.5", pl.Time(), dt.time(23, 59, 59, 500000)),
    "datetime": (
        "2025-12-01 10:00:00.000001",
        pl.Datetime("us"),
        dt.datetime.fromisoformat("2025-12-01T10:00:00.000001"),
    ),
    "timestamp": (
        "2025-12-01T10:00:00",
        pl.Datetime("us"),
        dt.datetime.fromisoformat("2025-12-01T10:00:00"),
    ),
    "timestamptz": (
        "2025-12-01T10:00:00+02:00",
        pl.Datetime("us", "UTC"),
        dt.datetime(2025, 12, 1, 8, tzinfo=UTC),
    ),
    "timestamp with time zone": (
        "2025-12-01 10:00:00.25Z",
        pl.Datetime("us", "UTC"),
        dt.datetime(2025, 12, 1, 10, 0, 0, 250000, tzinfo=UTC),
    ),
    "json": ('{"a": 1}', pl.String(), '{"a": 1}'),
    "": ("any", pl.String(), "any"),
}


@pytest.mark.parametrize("declared", TYPES)
def test_declared_types_come_without_loss(path: Path, declared: str) -> None:
    value, dtype, expected = TYPES[declared]
    connection = sqlite3.connect(path)
    connection.execute(f"create table v (x {declared})")
    connection.executemany("insert into v values (?)", [(None,), (value,)])
    connection.commit()
    connection.close()
    frame = read(path, "select x as y from v order by rowid")
    assert frame.schema == {"y": dtype}
    assert frame["y"].to_list() == [None, expected]
    first = next(source(path, table="v").stream(batch_rows=1))
    assert first.frame.schema["x"] == dtype
    none = read(path, "select x from v where x is null and x = 1")
    assert none.schema == {"x": dtype}
    assert none.is_empty()


@pytest.mark.parametrize(
    ("declared", "value", "shown"),
    [
        ("integer", "'abc'", "abc"),
        ("integer", "1.5", "1.5"),
        ("text", "x'00'", "\\x00"),
        ("decimal(9,2)", "0.001", "0.001"),
        ("decimal(9,2)", "'n/a'", "n/a"),
        ("decimal(9,2)", "12345678.5", "12345678.5"),
        ("numeric", "1e300", "1000"),
        ("numeric", "'None'", "None"),
        ("boolean", "2", "2"),
        ("date", "'01.12.2025'", "01.12.2025"),
        ("date", "20251201", "20251201"),
        ("date", "'2025-12-01 10:00'", "2025-12-01 10:00"),
        ("time", "'24:00:00'", "24:00:00"),
        ("timestamp", "'2025-12-01 10:00:00.1234567'", "1234567"),
        ("timestamp", "'2025-12-01 10:00:00+02:00'", "+02:00"),
        ("timestamptz", "'yesterday'", "yesterday"),
        ("real", "'abc'", "abc"),
        ("blob", "'abc'", "abc"),
    ],
)
def test_a_value_that_contradicts_its_column_is_refused(
    path: Path, declared: str, value: str, shown: str
) -> None:
    run(path, f"create table v (price {declared})", f"insert into v values (null), ({value})")
    with pytest.raises(ValidationError) as caught:
        read(path, "select * from v")
    assert "column price" in caught.value.message
    assert shown in caught.value.message
    assert read(path, "select cast(price as text) as price from v").schema == {"price": pl.String()}


def test_expressions_have_the_type_of_their_values(path: Path) -> None:
    run(path, "create table v (n int)", "insert into v values (1), (2), (null)")
    query = "select count(*) as c, sum(n) / 2.0 as h, max('a' || n) as t, null as e from v"
    frame = read(path, query)
    assert frame.row(0) == (3, 1.5, "a2", None)
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.String]
    mixed = "select 1 as x union all select 2.5 union all select 3"
    assert read(path, mixed)["x"].to_list() == [1.0, 2.5, 3.0]
    assert [row for b in source(path, mixed).stream(batch_rows=1) for row in b.frame["x"]] == [
        1,
        2.5,
        3,
    ]


def test_an_expression_whose_first_values_are_null_keeps_its_type(path: Path) -> None:
    query = f"select n, case when n > :null then n * 0.5 end as x from ({ENDLESS} limit :count)"
    asked = source(path, query, parameters={"null": 3000, "count": 5000})
    run(path, "create table v (n int)")
    schemas = {tuple(batch.frame.schema.items()) for batch in asked.stream(batch_rows=500)}
    assert len(schemas) == 1
    assert asked.fetch().frame.schema["x"] == pl.Float64()


def test_an_expression_that_changes_its_type_is_refused(path: Path) -> None:
    run(path, "create table v (n int)")
    late = f"select case when n < 4000 then n else 'x' end as x from ({ENDLESS} limit 5000)"
    with pytest.raises(ValidationError, match="column x holds 'x'"):
        list(source(path, late).stream(batch_rows=1000))
    with pytest.raises(ValidationError, match="several types: int and str"):
        read(path, "select 1 as x union all select 'a'")
    with pytest.raises(ValidationError, match="9007199254740993"):
        read(path, "select 0.5 as x union all select 9007199254740993")


def test_text_that_is_not_utf8_is_refused(path: Path) -> None:
    run(path, "create table v (t text)", "insert into v values (cast(x'ff41' as text))")
    with pytest.raises(ValidationError, match="not UTF-8") as caught:
        read(path, "select t from v")
    assert "BLOB" in str(caught.value.hint)
    assert read(path, "select cast(t as blob) as t from v")["t"].to_list() == [b"\xffA"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1 as a, 2 as b, 3 as a", "several columns named a"),
        ('select 1 as "_line"', "_line"),
        ("select * from absent", "no such table"),
        ("select absent from kept", "no such column"),
        ("select from where", "syntax error"),
        ("select ?", "cannot be read"),
        ("select @x", "cannot be read"),
    ],
)
def test_a_wrong_query_is_told_by_what_is_wrong(path: Path, query: str, said: str) -> None:
    run(path, "create table kept (x int)")
    asked = source(path, query)
    for attempt in (asked.fetch, lambda: list(asked.stream())):
        with pytest.raises(ValidationError, match=said) as caught:
            attempt()
        assert caught.value.hint


def test_parameters_keep_their_values(path: Path) -> None:
    run(path, "create table v (n int)")
    values: dict[str, Any] = {
        "t": "'; drop table v; --",
        "i": -5,
        "f": 0.1,
        "n": Decimal("1.25"),
        "w": Decimal("2.0"),
        "d": dt.date(2025, 12, 1),
        "m": dt.datetime.fromisoformat("2025-12-01T10:00:00"),
        "e": None,
        "r": b"\x00",
    }
    query = "select :t t, :i i, :f f, :n n, :w w, :d d, :m m, :e e, :r r, ':x %s' c, '1:2' g"
    assert read(path, query, parameters=values).row(0) == (
        *("'; drop table v; --", -5, 0.1, 1.25, 2, "2025-12-01", "2025-12-01 10:00:00"),
        *(None, b"\x00", ":x %s", "1:2"),
    )
    for odd in (object(), [1], Decimal("0.12345678901234567890123"), Decimal("NaN")):
        with pytest.raises(ValidationError, match="parameter x"):
            read(path, "select :x as x", parameters={"x": odd})


def test_pages_give_what_one_statement_gives(path: Path) -> None:
    columns = "char(65 + n % 7), n, n / 8.0, date('2025-12-01', n || ' days')"
    rows = f"select {columns} from ({ENDLESS} limit 500)"
    run(
        path,
        "create table v (s text, n int, x real, d date, primary key (s, n)) without rowid",
        f"insert into v {rows}",
    )
    for key in (["s", "n"], ["n"], ["x"], ["d"]):
        asked = source(path, table="v", key=key)
        whole = source(path, f"select * from v order by {', '.join(key)}").fetch()
        taps = bytearray()
        batches = list(asked.stream(batch_rows=7, tap=taps.extend))
        assert [batch.rows for batch in batches] == [7] * 71 + [3]
        assert pl.concat(batch.frame for batch in batches).equals(whole.frame)
        assert hashlib.sha256(taps).hexdigest() == whole.digest == asked.fetch().digest


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("('a'), ('b'), ('B'), ('c')", "same in several rows"),
        ("('a'), (null), ('c')", "null in some rows"),
    ],
)
def test_a_key_that_would_lose_rows_is_refused(path: Path, values: str, said: str) -> None:
    run(path, "create table v (k text collate nocase)", f"insert into v values {values}")
    with pytest.raises(ValidationError, match=said):
        list(source(path, table="v", key=["k"]).stream(batch_rows=2))


def test_pages_see_one_state_of_the_file(path: Path) -> None:
    run(path, "pragma journal_mode = wal", "create table v (n int)")
    run(path, f"insert into v select n * 10 from ({ENDLESS} limit 6)")
    stream = source(path, table="v", key=["n"]).stream(batch_rows=2)
    rows = next(stream).frame["n"].to_list()
    run(path, "insert into v values (25), (55)")
    rows += [n for batch in stream for n in batch.frame["n"]]
    assert rows == [10, 20, 30, 40, 50, 60]


def test_the_same_rows_have_the_same_digest_and_others_another(path: Path) -> None:
    run(path, "create table v (t text, n int)")
    base = "select t, n from v order by rowid"
    digests = set()
    contents = ("('a', 1)", "('a', null)", "('', 1)", "(null, 1)", "('a,1', 1)", "('a', 11)")
    for content in contents:
        run(path, "delete from v", f"insert into v values {content}, ('b', 2)")
        result = source(path, base).fetch()
        assert result.digest == source(path, base).fetch().digest
        digests.add(result.digest)
    assert len(digests) == len(contents)
