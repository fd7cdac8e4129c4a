"""What goes into Db2 comes out of it, value for value; a load is taken as a whole or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.schema import CreateTable

from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.db2_rows import CHUNK_ROWS
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import LoadError, SpineError
from market_spine.domain.runs import RunFilter
from market_spine.testing.store_suite_samples import (
    TEXTS,
    VOLUME,
    rows_of,
    volume_rows,
    with_capture,
)

SCHEMA: dict[str, pl.DataType] = {
    "k": pl.Int64(),
    "text": pl.String(),
    "big": pl.Int64(),
    "quantity": pl.Decimal(18, 6),
    "day": pl.Date(),
    "moment": pl.Datetime("us"),
    "number": pl.Float64(),
    "small": pl.Int16(),
    "plain": pl.Int32(),
}
KEPT = Table(
    "kept",
    MetaData(),
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Column("k", BigInteger, primary_key=True, autoincrement=False),
    Column("text", String(400)),
    Column("big", BigInteger),
    Column("quantity", Numeric(18, 6)),
    Column("day", Date),
    Column("moment", DateTime),
    Column("number", Double),
    Column("small", SmallInteger),
    Column("plain", Integer),
)
EXTREMES = (
    ("é🚀株 'quoted' \"twice\" back\\slash % _ ?", 2**63 - 1, "999999999999.999999"),
    ("", -(2**63), "-999999999999.999999"),
    (" ", 0, "0.000001"),
    ("tab\tnewline\r\n", 1, "-0.000001"),
    (None, None, None),
    ("NULL", -1, "0.100000"),
    ("x" * 400, 2**53 + 1, "123456.789012"),
)


def extremes() -> pl.DataFrame:
    days = [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31), None]
    # As they are kept: UTC, without saying so.
    moments = [
        dt.datetime.fromisoformat("0001-01-01T00:00:00"),
        dt.datetime.fromisoformat("9999-12-31T23:59:59.999999"),
        dt.datetime.fromisoformat("2025-11-02T01:30:00.000001"),
        None,
    ]
    numbers = [0.1, 5e-324, 1.7976931348623157e308, -2.5, None, 1 / 3, 2.0**53 + 2]
    rows = [
        (
            place,
            text,
            big,
            quantity and Decimal(quantity),
            days[place % 4],
            moments[place % 4],
            numbers[place],
            None if text is None else -(2**15) + place,
            None if text is None else 2**31 - 1 - place,
        )
        for place, (text, big, quantity) in enumerate(EXTREMES)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


class Place:
    """The table ``kept`` in a schema of its own, and a transaction on it."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.dialect = database.dialect
        self.connection = connection

    def load(self, frame: pl.DataFrame, owner: int = 1) -> None:
        self.dialect.insert_frame(self.connection, KEPT, {"owner": owner}, frame)

    def frames(self, size: int) -> list[pl.DataFrame]:
        wanted = select(*(KEPT.c[name] for name in SCHEMA)).order_by(KEPT.c.owner, KEPT.c.k)
        return list(self.dialect.read_frames(self.connection, wanted, SCHEMA, size))

    def count(self) -> int:
        return int(self.connection.execute(select(func.count()).select_from(KEPT)).scalar_one())


@pytest.fixture
def place(db2_url: str) -> Iterator[Place]:
    database = Database(db2_url)
    with database.connect(Access.WRITE) as connection:
        connection.execute(CreateTable(KEPT))
        connection.commit()
        yield Place(database, connection)
        connection.rollback()
    database.close()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_every_value_comes_back_as_it_was(place: Place, size: int) -> None:
    place.load(extremes())
    found = place.frames(size)
    assert {frame.height for frame in found[:-1]} <= {size}
    assert_frame_equal(pl.concat(found), extremes())


@pytest.mark.parametrize("name", [name for name in SCHEMA if name != "k"])
def test_nulls_may_stand_anywhere(place: Place, name: str) -> None:
    frame = extremes()
    first = pl.when(pl.col("k") > 2).then(pl.col(name)).alias(name)
    place.load(frame.with_columns(first), owner=1)
    place.load(frame.with_columns(pl.lit(None, SCHEMA[name]).alias(name)), owner=2)
    (found,) = place.frames(100)
    assert found[name].head(3).null_count() == 3
    assert found[name].tail(frame.height).null_count() == frame.height


def test_columns_that_are_not_given_are_null(place: Place) -> None:
    place.load(extremes().select("k", "text"))
    (found,) = place.frames(100)
    assert_frame_equal(found.select("k", "text"), extremes().select("k", "text"))
    assert found["quantity"].null_count() == found.height


def test_no_rows_are_no_frame(place: Place) -> None:
    place.load(extremes().clear())
    assert place.frames(100) == []


def test_more_rows_than_one_array_holds_are_all_there(place: Place) -> None:
    rows = 2 * CHUNK_ROWS + 7
    many = pl.concat([extremes()] * (rows // 7 + 1)).head(rows)
    many = many.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("k"))
    place.load(many)
    assert_frame_equal(pl.concat(place.frames(9_999)), many)


def test_other_statements_may_run_between_frames(place: Place) -> None:
    place.load(extremes())
    wanted = select(KEPT.c.k).order_by(KEPT.c.k)
    seen = []
    schema = {"k": pl.Int64()}
    for frame in place.dialect.read_frames(place.connection, wanted, schema, 2):
        assert place.count() == len(EXTREMES)
        seen += frame["k"].to_list()
    assert seen == list(range(len(EXTREMES)))


@pytest.mark.parametrize(
    "bad",
    [
        pl.lit("x" * 401).alias("text"),
        pl.lit(3, pl.Int64).alias("k"),
    ],
    ids=["too long", "the same key"],
)
def test_a_row_that_is_refused_keeps_out_all_others(place: Place, bad: pl.Expr) -> None:
    place.load(extremes(), owner=7)
    last = pl.col("k") == len(EXTREMES) - 1
    name = bad.meta.output_name()
    frame = extremes().with_columns(pl.when(last).then(bad).otherwise(pl.col(name)).alias(name))
    with pytest.raises(SpineError):
        place.load(frame)
    assert place.count() == len(EXTREMES)
    # The unit of work may go on, and so may the next load.
    place.load(extremes())
    assert place.count() == 2 * len(EXTREMES)


def test_rows_that_are_there_already_are_refused_not_skipped(place: Place) -> None:
    place.load(extremes().head(2))
    with pytest.raises(LoadError, match="2 of 7 rows for kept") as caught:
        place.load(extremes())
    assert caught.value.context.metadata["fault"] == "unique"


def test_texts_that_were_lost_somewhere_survive(db2_url: str) -> None:
    store = SqlStore(db2_url)
    store.ensure_ready()
    (one,) = with_capture(store, "one")
    wanted = volume_rows(
        *((f"S{place:02}", "M", text, text * 3000, "1.5", 1) for place, text in enumerate(TEXTS))
    )
    with store.write() as unit:
        unit.rows.replace(VOLUME, one.key, wanted)
        unit.commit()
    with store.read() as unit:
        assert_frame_equal(rows_of(unit, one), wanted)
    store.close()


def test_a_limit_of_none_gives_none(db2_url: str) -> None:
    store = SqlStore(db2_url)
    store.ensure_ready()
    with_capture(store, "one")
    with store.read() as unit:
        assert len(unit.runs.list(RunFilter(limit=1))) == 1
        assert unit.runs.list(RunFilter(limit=0)) == []
    store.close()


def test_memory_stays_small_while_rows_are_read(place: Place) -> None:
    rows = 30_000
    narrow = pl.DataFrame({"k": range(rows)}, schema={"k": pl.Int64}).with_columns(
        pl.lit("x" * 400).alias("text")
    )
    place.load(narrow)
    fetched: list[int] = []
    wanted = select(*(KEPT.c[name] for name in SCHEMA)).order_by(KEPT.c.k)
    frames = place.dialect.read_frames(place.connection, wanted, SCHEMA, 1_000)
    for frame in frames:
        fetched.append(frame.height)
        if len(fetched) == 3:
            frames.close()
    assert fetched == [1_000] * 3
    assert place.count() == rows
