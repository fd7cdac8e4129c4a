from __future__ import annotations

import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from market_spine.adapters.outbound.sql.fitting import require_fitting
from market_spine.adapters.outbound.sql.json_text import from_text, to_text
from market_spine.adapters.outbound.sql.row_frames import conform
from market_spine.adapters.outbound.sql.row_tables import row_table
from market_spine.adapters.outbound.sql.schema_runs import RUNS
from market_spine.adapters.outbound.sql.sqlite_values import restored_frame, stored_frame
from market_spine.domain.errors import LoadError
from market_spine.testing.store_suite_samples import volume_rows

QUANTITIES = st.decimals(
    min_value=Decimal("-999999999999.999999"),
    max_value=Decimal("999999999999.999999"),
    places=6,
)


def _through_sqlite(values: pl.Series) -> pl.Series:
    stored = stored_frame(values.to_frame("v")).rows()
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v BIGINT)")
    connection.executemany("INSERT INTO t (v) VALUES (?)", stored)
    fetched = connection.execute("SELECT v FROM t ORDER BY n").fetchall()
    connection.close()
    return restored_frame(fetched, {"v": values.dtype})["v"]


@given(st.lists(st.none() | QUANTITIES, min_size=1))
@example([Decimal("999999999999.999999"), None, Decimal("-999999999999.999999")])
@example([Decimal("0.000001"), Decimal("-0.000001"), Decimal(0)])
def test_quantities_are_exact(values: list[Decimal | None]) -> None:
    series = pl.Series("v", values, dtype=pl.Decimal(18, 6))
    restored = _through_sqlite(series)
    assert restored.dtype == series.dtype
    assert restored.to_list() == values


def test_a_quantity_is_stored_as_a_count_of_millionths() -> None:
    series = pl.Series("v", [Decimal("12.5")], dtype=pl.Decimal(18, 6))
    assert stored_frame(series.to_frame()).item() == 12500000


@given(st.lists(st.none() | st.dates(), min_size=1))
@example([date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)])
def test_days_are_exact(values: list[date | None]) -> None:
    series = pl.Series("v", values, dtype=pl.Date)
    assert _through_sqlite(series).to_list() == values


@given(st.lists(st.none() | st.datetimes(), min_size=1))
@example([datetime.min, datetime.max])  # noqa: DTZ901  # the store keeps naive UTC
def test_moments_are_exact(values: list[datetime | None]) -> None:
    series = pl.Series("v", values, dtype=pl.Datetime("us"))
    assert _through_sqlite(series).to_list() == values


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_json_text_keeps_every_value_in_plain_ascii(value: dict[str, object]) -> None:
    text = to_text(value, "the value")
    assert text.isascii()
    assert "\0" not in text
    assert from_text(text) == value


def test_what_is_no_json_is_named() -> None:
    with pytest.raises(LoadError, match="the metrics of run 7"):
        to_text({"x": date(2025, 1, 1)}, "the metrics of run 7")
    circle: dict[str, object] = {}
    circle["self"] = circle
    with pytest.raises(LoadError):
        to_text(circle, "a circle")


def test_rows_are_put_in_the_order_of_bytes() -> None:
    """Sorting by characters, by locale or without case would each give another order."""
    symbols = ["A", "A.B", "AB", "Z", "a", "é", "\uffee", "\U00010000"]
    assert symbols == sorted(symbols, key=str.encode)
    table = row_table("finra_otc_venue_volume")
    rows = volume_rows(*((item, mpid, "v", "i", "1", 1) for item in symbols for mpid in "AB"))
    for seed in range(5):
        shuffled = rows.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(conform(table, shuffled), rows)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("shares", pl.Decimal(12, 2)),
        ("shares", pl.Decimal(38, 6)),
        ("shares", pl.Int32),
        ("trades", pl.UInt8),
        ("symbol", pl.Categorical),
        ("issue_name", pl.Enum(["APPLE"])),
        ("venue_name", pl.Null),
    ],
)
def test_types_that_lose_nothing_are_taken(column: str, dtype: pl.DataType) -> None:
    table = row_table("finra_otc_venue_volume")
    rows = volume_rows(("AAPL", "OTCN", None, "APPLE", "1", 1))
    given_rows = rows.with_columns(pl.col(column).cast(dtype))
    assert_frame_equal(conform(table, given_rows), rows)


def test_a_frame_in_any_order_of_columns_is_taken() -> None:
    table = row_table("finra_otc_venue_volume")
    rows = volume_rows(("AAPL", "OTCN", None, "APPLE", "1", 1))
    assert_frame_equal(conform(table, rows.select(reversed(rows.columns))), rows)


def test_days_beyond_a_week_keep_their_order_as_text() -> None:
    days = [date(2025, 12, 28) + timedelta(days=number) for number in range(10)]
    series = pl.Series("v", days)
    stored = stored_frame(series.to_frame()).to_series()
    assert stored.is_sorted()
    assert stored[0] == "2025-12-28"


class Named(StrEnum):
    LONG = "x" * 201


@pytest.mark.parametrize("text", [Named.LONG, "x" * 201, "a\0b", "é" * 101])
def test_a_text_that_does_not_fit_is_refused_of_whatever_class_it_is(text: str) -> None:
    fitting, not_fitting = {"pipeline": "a.b"}, {"pipeline": text}
    require_fitting(RUNS, fitting)
    with pytest.raises(LoadError, match=r"runs\.pipeline"):
        require_fitting(RUNS, [fitting, not_fitting])
