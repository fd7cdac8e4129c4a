"""What a source over a real PostgreSQL promises, by trying to break it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from beside_postgres import Run, beside
from sqlalchemy import make_url

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.domain.errors import Category, SourceError, SpineError, ValidationError
from market_spine.ports.sources import LINE

UTC = dt.UTC


@pytest.fixture
def run(postgres_url: str) -> Iterator[Run]:
    with beside(postgres_url) as execute:
        yield execute


def read(url: str, query: str, **options: Any) -> pl.DataFrame:
    return DatabaseSource(url, query=query, **options).fetch().frame.drop(LINE)


REFUSED = {
    "two statements": ("select 1; drop table kept", "drop table kept"),
    "two in brackets": ("select 1) to stdout; drop table kept; copy (select 1", "drop table kept"),
    "behind a comment": ("select 1 /* ; */ -- ;\n; delete from kept", "delete from kept"),
    "insert": ("insert into kept values (2) returning x", "INSERT"),
    "comment before delete": ("/* select */ -- select\n delete from kept returning x", "DELETE"),
    "writing WITH": ("with d as (delete from kept returning x) select * from d", "data-modifying"),
    "insert in WITH": ("with d as (insert into kept values (2) returning x) table d", "modifying"),
    "WITH before insert": ("with d as (select 2) insert into kept select * from d", "insert"),
    "select into": ("select x into taken from kept", "INTO"),
    "writing function": ("select change()", "DELETE"),
    "sequence": ("select nextval('numbers')", "nextval"),
    "for update": ("select x from kept for update", "FOR UPDATE"),
    "read-write": (
        "select set_config('transaction_read_only', 'off', true), change()",
        "read-write",
    ),
    "commit": ("commit; delete from kept", "COMMIT"),
    "copy": ("copy kept to program 'touch /tmp/spine'", "COPY"),
    "do": ("do $$ begin delete from kept; end $$", "DO"),
    "set": ("set transaction read write", "SET"),
    "explain": ("explain analyze delete from kept", "EXPLAIN"),
    "call": ("call anything()", "CALL"),
    "large object": ("select lo_create(4711)", "lo_create"),
}


@pytest.mark.parametrize("trick", REFUSED)
def test_nothing_can_be_written(postgres_url: str, run: Run, trick: str) -> None:
    run("create table kept (x int)")
    run("insert into kept values (1)")
    run("create sequence numbers")
    run("create function change() returns int language sql as 'delete from kept returning 1'")
    query, named = REFUSED[trick]
    with pytest.raises(ValidationError) as caught:
        read(postgres_url, query)
    assert named in caught.value.message
    assert caught.value.hint
    assert run("select * from kept") == [(1,)]
    assert run("select is_called from numbers") == [(False,)]
    assert run("select to_regclass('taken')::text") == [(None,)]
    assert run("select count(*) from pg_largeobject_metadata where oid = 4711") == [(0,)]


def test_a_parameter_cannot_break_out(postgres_url: str, run: Run) -> None:
    run("create table kept (x int)")
    for value in ("'; drop table kept; --", "\\'; drop table kept; --", "$$", "%s", "ü' || '"):
        frame = read(postgres_url, "select :v::text as v, '%s :v' as s", parameters={"v": value})
        assert frame.row(0) == (value, "%s :v")
    assert run("select count(*) from kept") == [(0,)]


def test_parameters_keep_their_values(postgres_url: str) -> None:
    values: dict[str, object] = {
        "i": -5,
        "n": Decimal("-1.10"),
        "d": dt.date(2025, 12, 1),
        "m": dt.datetime(2025, 12, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "b": True,
        "nothing": None,
        "raw": b"\x00\xff'",
    }
    query = "select 1-:i as i, :n as n, :d as d, :m as m, :b as b, :nothing::int as e, :raw as r"
    assert read(postgres_url, query, parameters=values).row(0) == (
        6,
        Decimal("-1.10"),
        dt.date(2025, 12, 1),
        dt.datetime(2025, 12, 1, 8, tzinfo=UTC),
        True,
        None,
        b"\x00\xff'",
    )


def test_a_value_that_cannot_be_sent_is_refused(postgres_url: str) -> None:
    for value in (object(), "a\0b", {"a": 1}):
        with pytest.raises(ValidationError, match="parameter v cannot be sent"):
            read(postgres_url, "select :v as v", parameters={"v": value})


TYPES: dict[str, tuple[pl.DataType, Any]] = {
    "(-7)::smallint": (pl.Int16(), -7),
    "2147483647::int": (pl.Int32(), 2**31 - 1),
    "(-9223372036854775808)::bigint": (pl.Int64(), -(2**63)),
    "0.1::real": (pl.Float32(), pytest.approx(0.1)),
    "(1/3.0)::float8": (pl.Float64(), 1 / 3),
    "'NaN'::float8": (pl.Float64(), pytest.approx(float("nan"), nan_ok=True)),
    "'-Infinity'::float8": (pl.Float64(), float("-inf")),
    "1.1::numeric(18, 6)": (pl.Decimal(18, 6), Decimal("1.1")),
    "99999999999999999999999999999999999999::numeric(38)": (pl.Decimal(38, 0), Decimal("9" * 38)),
    "-0.123456789012345678::numeric": (pl.Decimal(38, 18), Decimal("-0.123456789012345678")),
    "12345::numeric(4, -2)": (pl.Decimal(38, 18), Decimal(12300)),
    "0.00120::numeric(3, 5)": (pl.Decimal(38, 18), Decimal("0.0012")),
    "5::numeric(50, 2)": (pl.Decimal(38, 18), Decimal(5)),
    "false": (pl.Boolean(), False),
    "'0001-01-01'::date": (pl.Date(), dt.date(1, 1, 1)),
    "'23:59:59.999999'::time": (pl.Time(), dt.time(23, 59, 59, 999999)),
    "'9999-12-31 23:59:59.999999'::timestamp": (
        pl.Datetime("us"),
        dt.datetime.fromisoformat("9999-12-31T23:59:59.999999"),
    ),
    "'2025-12-01 10:00:00.5+02'::timestamptz": (
        pl.Datetime("us", "UTC"),
        dt.datetime(2025, 12, 1, 8, 0, 0, 500000, tzinfo=UTC),
    ),
    "'\\x00ff5c'::bytea": (pl.Binary(), b"\x00\xff\\"),
    "''::bytea": (pl.Binary(), b""),
    '\'{"a": "\\u00e9\\n"}\'::json': (pl.String(), '{"a": "\\u00e9\\n"}'),
    "'{\"a\":1}'::jsonb": (pl.String(), '{"a": 1}'),
    "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid": (
        pl.String(),
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    "array['a','b\"\\c',null]": (pl.String(), '{a,"b\\"\\\\c",NULL}'),
    "'1 day 02:00'::interval": (pl.String(), "1 day 02:00:00"),
    "'x'::char(3)": (pl.String(), "x  "),
    "'10:00+02'::timetz": (pl.String(), "10:00:00+02"),
    "'x'::text": (pl.String(), "x"),
    "4294967295::oid": (pl.Int64(), 2**32 - 1),
    "'[1,3)'::int4range": (pl.String(), "[1,3)"),
}


@pytest.mark.parametrize("expression", TYPES)
def test_types_and_values_come_without_loss(postgres_url: str, expression: str) -> None:
    dtype, value = TYPES[expression]
    query = f"select v from (values (1), (2)) n(k) left join (select 1 as k, {expression} as v) e"
    frame = read(postgres_url, f"{query} using (k) order by k")
    assert frame.schema == {"v": dtype}
    assert frame["v"].to_list() == [value, None]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_the_query_runs_in_utc_whatever_zone_the_connection_has(
    postgres_url: str, zone: str
) -> None:
    given = make_url(postgres_url)
    options = f"{given.query['options']} -c TimeZone={zone} -c DateStyle=SQL,DMY"
    url = given.update_query_dict({"options": options}).render_as_string(hide_password=False)
    moments = "values (timestamptz '2025-12-01 00:30Z'), ('2025-12-01 23:30Z')"
    query = f"select m::date as day, m::text as said, m from ({moments}) v(m) order by m"
    assert read(url, query).rows() == [
        (moment.date(), f"{moment:%Y-%m-%d %H:%M:%S}+00", moment)
        for moment in (dt.datetime(2025, 12, 1, hour, 30, tzinfo=UTC) for hour in (0, 23))
    ]


def test_columns_keep_their_types_without_a_value(postgres_url: str) -> None:
    columns = ", ".join(f"{text} as c{place}" for place, text in enumerate(TYPES))
    types = [dtype for dtype, _ in TYPES.values()]
    none = DatabaseSource(postgres_url, query=f"select {columns} where false")
    assert none.fetch().frame.schema.dtypes() == [*types, pl.Int64()]
    assert list(none.stream()) == []
    nulls = ", ".join(f"null::{text.rpartition('::')[2]}" for text in ("::int", "::numeric(9,3)"))
    query = f"select {nulls} from generate_series(1, 3) union all select 1, 2.5"
    first = next(DatabaseSource(postgres_url, query=query).stream(batch_rows=2))
    assert first.frame.schema.dtypes()[:2] == [pl.Int32(), pl.Decimal(38, 18)]


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("'NaN'::numeric", "NaN"),
        ("'NaN'::numeric(9, 2)", "NaN"),
        ("'Infinity'::numeric", "Infinity"),
        ("1/3::numeric", "0.33333333333333333333"),
        ("123456789012345678901::numeric", "123456789012345678901"),
        ("'infinity'::date", "infinity"),
        ("'0044-03-15 BC'::date", "0044-03-15 BC"),
        ("'12345-01-01'::date", "12345-01-01"),
        ("'-infinity'::timestamptz", "-infinity"),
        ("'12345-01-01'::timestamp", "12345-01-01 00:00:00"),
        ("'24:00'::time", "24:00:00"),
    ],
)
def test_a_value_without_an_exact_form_is_refused_by_column(
    postgres_url: str, expression: str, shown: str
) -> None:
    column = f"case when n = 3 then {expression} end"
    query = f"select {column} as price from generate_series(1, 5) n"
    with pytest.raises(ValidationError) as caught:
        read(postgres_url, query)
    assert "column price" in caught.value.message
    assert shown in caught.value.message
    assert "CAST(price AS" in str(caught.value.hint)
    text = read(postgres_url, f"select cast(price as text) as price from ({query}) q")
    assert text["price"].drop_nulls().to_list() == [shown]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1 as a, 2 as b, 3 as a", "several columns named a"),
        ('select 1 as "_line"', "_line"),
        ("select", "no columns"),
        ("select from generate_series(1, 3)", "no columns"),
    ],
)
def test_columns_that_no_frame_can_have_are_refused(
    postgres_url: str, query: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        read(postgres_url, query)
    assert caught.value.hint


def test_lines_count_on_over_batches(postgres_url: str) -> None:
    source = DatabaseSource(postgres_url, query="select n from generate_series(1, 10) n")
    batches = list(source.stream(batch_rows=4))
    assert [batch.rows for batch in batches] == [4, 4, 2]
    assert pl.concat(batch.frame for batch in batches)[LINE].to_list() == list(range(1, 11))
    assert {batch.origin for batch in batches} == {"query"}


def test_wide_rows_come_in_smaller_batches(postgres_url: str) -> None:
    query = "select n, repeat(n::text, 3000000) as wide from generate_series(1, 60) n"
    batches = list(DatabaseSource(postgres_url, query=query).stream())
    assert len(batches) > 1
    assert sum(batch.rows for batch in batches) == 60
    assert max(batch.frame.estimated_size("mb") for batch in batches) < 100


# Paging


def test_pages_give_what_one_statement_gives(postgres_url: str, run: Run) -> None:
    run("create table v (symbol text, at timestamptz, id uuid, n numeric(9,3), x bytea)")
    run(
        "insert into v select chr(65 + n % 7), timestamptz '2025-12-01' + n * interval '1 us',"
        " md5(n::text)::uuid, n / 8.0, int4send(n) from generate_series(1, 500) n"
    )
    for key in (["symbol", "at"], ["id"], ["n"], ["x"], ["at", "symbol"]):
        source = DatabaseSource(postgres_url, table="v", key=key)
        order = ", ".join(key)
        whole = DatabaseSource(postgres_url, query=f"select * from v order by {order}").fetch()
        taps = bytearray()
        batches = list(source.stream(batch_rows=7, tap=taps.extend))
        assert [batch.rows for batch in batches] == [7] * 71 + [3]
        assert pl.concat(batch.frame for batch in batches).equals(whole.frame)
        assert source.fetch().digest == whole.digest
        assert len(taps) == whole.bytes


def test_pages_that_end_with_the_rows_lose_none(postgres_url: str) -> None:
    query = "select n from generate_series(1, 6) n where n <= :most"
    for most in range(7):
        source = DatabaseSource(postgres_url, query=query, parameters={"most": most}, key=["n"])
        rows = [row for batch in source.stream(batch_rows=3) for row in batch.frame["n"]]
        assert rows == list(range(1, most + 1))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("(1), (2), (2), (3)", "same in several rows"),
        ("(1), (null), (3)", "null in some rows"),
    ],
)
def test_a_key_that_would_lose_rows_is_refused(postgres_url: str, values: str, said: str) -> None:
    source = DatabaseSource(postgres_url, query=f"select * from (values {values}) v(k)", key=["k"])
    with pytest.raises(ValidationError, match=said):
        list(source.stream(batch_rows=2))


def test_rows_that_only_the_database_takes_for_the_same_are_not_lost(postgres_url: str) -> None:
    query = "select * from (values (float8 '-1'), ('-0'), ('0'), ('1')) v(k)"
    with pytest.raises(ValidationError, match="same in several rows"):
        list(DatabaseSource(postgres_url, query=query, key=["k"]).stream(batch_rows=2))


def test_a_key_that_is_no_column_is_refused(postgres_url: str) -> None:
    with pytest.raises(ValidationError, match="the key names m"):
        DatabaseSource(postgres_url, query="select 1 as n", key=["n", "m"]).validate()


def test_pages_see_one_state_of_the_table(postgres_url: str, run: Run) -> None:
    run("create table v (n int)")
    run("insert into v select n * 10 from generate_series(1, 6) n")
    stream = DatabaseSource(postgres_url, table="v", key=["n"]).stream(batch_rows=2)
    rows = next(stream).frame["n"].to_list()
    run("insert into v values (25), (55)")
    rows += [n for batch in stream for n in batch.frame["n"]]
    assert rows == [10, 20, 30, 40, 50, 60]


# Errors


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from absent", "absent"),
        ("select absent from pg_class", "absent"),
        ("select from where", "syntax error"),
        ("select absent()", "absent"),
        ("select 'x'::int", "invalid input syntax"),
        ("select * from absent.t", "absent"),
        ("select $1 as a", "parameter"),
        ("select a from (select 1 as a) q where a = $1", "parameter"),
    ],
)
def test_a_wrong_query_is_told_by_what_is_wrong(postgres_url: str, query: str, said: str) -> None:
    for attempt in (
        DatabaseSource(postgres_url, query=query).validate,
        lambda: read(postgres_url, query),
    ):
        with pytest.raises(ValidationError, match=said) as caught:
            attempt()
        assert caught.value.category is Category.VALIDATION


def test_what_may_not_be_read_is_told_at_validation(postgres_url: str, run: Run) -> None:
    role = make_url(postgres_url).query["options"]
    name = f"reader_{abs(hash(role))}"
    schema = run("select current_schema()")[0][0]
    run("create table hidden (x int)")
    run(f"create role {name} login password 'pw'")
    try:
        run(f"grant usage on schema {schema} to {name}")
        url = make_url(postgres_url).set(username=name, password="pw").render_as_string(False)
        with pytest.raises(SpineError, match="hidden") as caught:
            DatabaseSource(url, table="hidden").validate()
        assert caught.value.category is Category.PERMISSION
    finally:
        run(f"drop owned by {name}")
        run(f"drop role {name}")


@pytest.mark.parametrize(
    ("change", "category"),
    [
        ({"host": "127.0.0.1", "port": 1}, Category.DEPENDENCY),
        ({"host": "/nowhere"}, Category.DEPENDENCY),
        ({"database": "absent"}, Category.SOURCE),
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_password(
    postgres_url: str, change: dict[str, Any], category: Category
) -> None:
    given = make_url(postgres_url)
    url = given.set(password="hunter2", **change)
    if "host" in change:
        url = url.difference_update_query(["host"])
    source = DatabaseSource(url.render_as_string(hide_password=False), table="t")
    with pytest.raises(SourceError) as caught:
        source.validate()
    assert caught.value.category is category
    assert caught.value.hint
    assert "hunter2" not in str(caught.value.to_dict())


def test_a_password_that_the_server_itself_says_is_masked(postgres_url: str) -> None:
    given = make_url(postgres_url).set(password="hunter2")
    source = DatabaseSource(given.render_as_string(hide_password=False), query="select hunter2()")
    with pytest.raises(ValidationError, match=r"function \*\*\*\(\) does not exist") as caught:
        source.validate()
    assert "hunter2" not in str(caught.value.to_dict())
