"""Values survive the way into the database and back, one for one, on SQLite and PostgreSQL alike.

Each frame goes through the store, as pipelines write it, and through the dialect's own bulk load.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from postgres_server import own_schema
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    literal,
)
from sqlalchemy import select as sql_select

from market_spine.adapters.outbound.sql.column_types import quantity
from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.postgres_frames import CHUNK_ROWS
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import RejectFilter
from market_spine.testing.store_suite_samples import (
    TEXTS,
    VOLUME,
    rows_of,
    some_rejects,
    volume_rows,
    with_capture,
)

HIGHEST = Decimal("999999999999.999999")
NASTY = (
    *TEXTS,
    "\\N",
    "\\.",
    "first\n\\.\nlast",
    "\r",
    "a\rb",
    "\r\n",
    "\n",
    '"',
    '""',
    ',"',
    "a,b",
    ",,,",
    "'; DROP TABLE runs; --",
    "\\",
    "\\\\",
    "\x01\x1f\x7f",
    "\ufeff",
    "\u2028\u2029\x85",
    "e\u0301",
    "אבג \u202e abc",
    "👩\u200d👩\u200d👧 🏳️\u200d🌈",
    "\U0010ffff\ue000\uffff",
    " leading and trailing ",
    "null",
    "NaN",
    "%(x)s %% {}",
)
SCHEMA: dict[str, pl.DataType] = {
    "number": pl.Int64(),
    "amount": pl.Decimal(18, 6),
    "whole": pl.Int64(),
    "ratio": pl.Float64(),
    "day": pl.Date(),
    "moment": pl.Datetime("us"),
    "label": pl.String(),
    "words": pl.String(),
}
SAMPLES = Table(
    "samples",
    MetaData(),
    Column("owner_key", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("amount", quantity()),
    Column("whole", BigInteger),
    Column("ratio", Double),
    Column("day", Date),
    Column("moment", DateTime),
    Column("label", Text),
    Column("words", Text),
)
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXT = st.sampled_from(NASTY) | st.text(CHARACTERS, max_size=20)
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])
# SQLite keeps no minus zero; the store makes it zero.
NUMBER = (st.floats(allow_nan=False, allow_infinity=False) | BITS.filter(math.isfinite)).map(
    lambda value: value + 0.0
)
AMOUNT = st.decimals(min_value=-HIGHEST, max_value=HIGHEST, places=6)
ROW = st.tuples(
    st.none() | AMOUNT,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | NUMBER,
    st.none() | st.dates(),
    st.none() | st.datetimes(),
    st.none() | TEXT,
    st.none() | TEXT,
)
MOMENTS = pl.Series(
    ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"]
).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
EXTREMES = [
    (HIGHEST, 2**63 - 1, 1.7976931348623157e308, date(9999, 12, 31), MOMENTS[1], "", None),
    (-HIGHEST, -(2**63), 5e-324, date(1, 1, 1), MOMENTS[0], None, ""),
    (Decimal("0.000001"), 0, 2.225073858507201e-308, date(1970, 1, 1), MOMENTS[2], " ", "\r"),
    (Decimal("-0.000001"), -1, 0.1 + 0.2, date(1969, 12, 31), None, "\\.", "\\N"),
    (None, None, None, None, None, None, None),
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('values') / 'spine.db'}"
        return
    with own_schema(request.getfixturevalue("postgres_server")) as made:
        yield made


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    store.ensure_ready()
    with_capture(store, "one")
    yield store
    store.close()


@pytest.fixture(scope="module")
def database(store: SqlStore, url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        with database.engine(Access.CREATE).begin() as connection:
            SAMPLES.create(connection)
        yield database


def _through(
    database: Database, frame: pl.DataFrame, *, size: int = 100_000, columns: Sequence[str] = ()
) -> pl.DataFrame:
    """The rows as they come back, in their order; the transaction is rolled back behind them."""
    schema = {name: SCHEMA[name] for name in columns or SCHEMA}
    statement = (
        sql_select(*(SAMPLES.c[name] for name in schema))
        .where(SAMPLES.c.owner_key == 7)
        .order_by(SAMPLES.c.number)
    )
    with database.connect(Access.WRITE) as connection, connection.begin():
        database.dialect.insert_frame(connection, SAMPLES, {"owner_key": 7}, frame)
        frames = list(database.dialect.read_frames(connection, statement, schema, size))
        connection.rollback()
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def _frame(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    numbered = [(number, *row) for number, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=SCHEMA, orient="row")


def _bits(frame: pl.DataFrame) -> pl.DataFrame:
    """Floats by their bits: equality would take 0.0 for -0.0."""
    return frame.with_columns(
        pl.col("ratio").map_elements(
            lambda value: struct.pack("d", value).hex(), return_dtype=pl.String
        )
    )


several = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@several
@given(rows=st.lists(ROW, min_size=1, max_size=30))
@example(rows=EXTREMES)
@example(rows=[(None, None, None, None, None, a, b) for a in NASTY for b in ("", None, "\r")])
def test_frames_come_back_value_for_value(database: Database, rows: list[tuple[Any, ...]]) -> None:
    frame = _frame(rows)

    found = _through(database, frame)

    assert_frame_equal(_bits(found), _bits(frame), check_exact=True)


@pytest.mark.parametrize("name", [name for name in SCHEMA if name != "number"])
def test_a_column_by_itself_keeps_its_nulls(database: Database, name: str) -> None:
    """A row of one null is a row all the same, at the begin and the end and in between."""
    values = _frame(EXTREMES)[name]
    nulls = values.clear().extend_constant(None, 2)
    column = pl.concat([nulls, values, nulls, values, nulls])
    frame = column.to_frame().with_row_index("number").cast({"number": pl.Int64})

    assert _through(database, frame, columns=[name])[name].to_list() == column.to_list()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_of_any_size_give_the_same_rows(database: Database, size: int) -> None:
    frame = _frame(
        [(None, number, None, None, None, "x\n" * (number % 3), None) for number in range(21)]
    )

    assert_frame_equal(_through(database, frame, size=size), frame)


def test_a_row_of_many_columns_is_read_whole(database: Database) -> None:
    names = [f"c{number}" for number in range(130)]
    values = dict.fromkeys(names, pl.Int64())
    statement = sql_select(*(literal(number).label(name) for number, name in enumerate(names)))
    with database.connect(Access.READ) as connection, connection.begin():
        [frame] = database.dialect.read_frames(connection, statement, values, 10)
    assert frame.row(0) == tuple(range(130))


def test_no_rows_are_no_frames(database: Database) -> None:
    assert _through(database, _frame([])).is_empty()


def test_texts_that_look_like_ends_of_lines_do_not_shift_a_large_load(database: Database) -> None:
    """More than a chunk, and more than a reader splits among threads."""
    many = 2 * CHUNK_ROWS + 11
    texts = pl.Series("label", NASTY)
    frame = pl.select(number=pl.int_range(many, dtype=pl.Int64)).with_columns(
        pl.col("number").cast(pl.Decimal(18, 6)).alias("amount"),
        (pl.col("number") * 3).alias("whole"),
        (pl.col("number") / 7).alias("ratio"),
        pl.lit(None, pl.Date).alias("day"),
        pl.lit(None, pl.Datetime("us")).alias("moment"),
        texts.gather(pl.Series(range(many)) % texts.len()).alias("label"),
        texts.gather(pl.Series(range(many)) * 7 % texts.len()).alias("words"),
    )

    assert_frame_equal(_through(database, frame, size=40_000), frame)


@several
@given(
    texts=st.lists(st.tuples(TEXT, st.none() | TEXT, AMOUNT), min_size=1, max_size=20),
    trades=st.integers(-(2**63), 2**63 - 1),
    day=st.none() | st.dates(),
)
@example(texts=[(text, text, HIGHEST) for text in NASTY], trades=2**63 - 1, day=date(1, 1, 1))
def test_rows_of_the_store_come_back_value_for_value(
    store: SqlStore, texts: list[tuple[str, str | None, Decimal]], trades: int, day: date | None
) -> None:
    rows = volume_rows(
        *((f"S{number:03}", text[:20], name, text, str(amount), trades)
          for number, (text, name, amount) in enumerate(texts))
    ).with_columns(pl.lit(day, pl.Date).alias("last_update_date"))  # fmt: skip
    with store.write() as unit:
        capture = unit.captures.get("one")
        assert capture is not None
        unit.rows.replace(VOLUME, capture.key, rows)
        found = rows_of(unit, capture)
        names = pl.concat(unit.rows.read(VOLUME, capture.key, columns=["venue_name"]))

    assert_frame_equal(found, rows)
    assert names["venue_name"].to_list() == [name for _, name, _ in texts]


def test_rejects_come_back_value_for_value(store: SqlStore) -> None:
    with store.write() as unit:
        capture = unit.captures.get("one")
        assert capture is not None
        given_rejects = pl.concat(
            some_rejects(line, raw=text) for line, text in enumerate(NASTY * 2)
        )
        unit.rejects.replace(capture.key, given_rejects)
        found = unit.rejects.list(RejectFilter(limit=None))

    assert [item.raw for item in found] == list(NASTY * 2)
