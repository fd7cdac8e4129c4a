"""What several captures say together, by figures worked out by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.domain.errors import ValidationError
from market_spine.domain.finra_otc.history import (
    ROLLING_SCHEMA,
    SHARE_CHANGE_SCHEMA,
    TIER_SPLIT_SCHEMA,
    missing_weeks,
    research_snapshot,
    rolling_6w,
    tier_split,
    venue_share_change,
    window,
)
from market_spine.domain.finra_otc.measures import symbol_measures
from market_spine.domain.finra_otc.numbers import SHARES

WEEK = date(2025, 12, 22)
WEEKS = [WEEK - timedelta(weeks=back) for back in (5, 4, 3, 2, 1, 0)]

HISTORY = {
    "week_start": pl.Date,
    "symbol": pl.String,
    "total_shares": SHARES,
    "total_trades": pl.Int64,
}


def history(volumes: dict[str, list[str | int | None]]) -> pl.DataFrame:
    """Shares by symbol in each of the six weeks (None: absent), with a tenth as many trades."""
    rows = [
        (week, symbol, Decimal(shares), int(Decimal(shares)) // 10)
        for symbol, weekly in volumes.items()
        for week, shares in zip(WEEKS, weekly, strict=True)
        if shares is not None
    ]
    return pl.DataFrame(rows, schema=HISTORY, orient="row")


def rolled(weekly: list[str | int | None]) -> dict[str, object]:
    """The row of a symbol beside another that is there every week."""
    frame = rolling_6w(history({"S": weekly, "Z": [10] * 6}), WEEK)
    return frame.filter(pl.col("symbol") == "S").row(0, named=True)


def test_the_window_is_six_mondays_and_may_span_two_years() -> None:
    assert window(date(2026, 1, 5)) == tuple(
        date.fromisoformat(day)
        for day in (
            *("2025-12-01", "2025-12-08", "2025-12-15"),
            *("2025-12-22", "2025-12-29", "2026-01-05"),
        )
    )


def test_missing_weeks_are_those_of_the_window_only() -> None:
    present = [*WEEKS[1:4], date(2020, 1, 6)]
    assert missing_weeks(WEEK, present) == (WEEKS[0], WEEKS[4], WEEKS[5])
    assert missing_weeks(WEEK, WEEKS) == ()


def test_six_weeks_of_a_symbol() -> None:
    # 100 + 200 + 300 + 400 + 500 + 150 = 1650, by six 275; from 100 to 150 is +50 %.
    assert rolled([100, 200, 300, 400, 500, 150]) == {
        "symbol": "S",
        "weeks_present": 6,
        "is_complete": True,
        "mean_shares": 275.0,
        "min_shares": Decimal(100),
        "max_shares": Decimal(500),
        "mean_trades": 27.5,
        "min_trades": 10,
        "max_trades": 50,
        "trend_pct": 50.0,
        "trend": "UP",
    }


def test_an_absent_week_is_missing_and_not_zero() -> None:
    # Present are 400, 100 and 250: mean 250, least 100; from 400 to 250 is -37.5 %.
    row = rolled([None, 400, None, 100, None, 250])
    assert (row["weeks_present"], row["is_complete"]) == (3, False)
    assert (row["mean_shares"], row["min_shares"]) == (250.0, Decimal(100))
    assert (row["trend_pct"], row["trend"]) == (-37.5, "DOWN")


@pytest.mark.parametrize(
    ("first", "last", "percent", "trend"),
    [
        ("100", "105", 5.0, "FLAT"),
        ("100", "105.000001", 5.000001, "UP"),
        ("100", "95", -5.0, "FLAT"),
        ("100", "94.999999", -5.000001, "DOWN"),
        ("60", "63", 5.0, "FLAT"),
        ("100", "100", 0.0, "FLAT"),
        ("100", "0", -100.0, "DOWN"),
        ("0", "100", None, "FLAT"),
    ],
)
def test_a_trend_is_beyond_five_per_cent(
    first: str, last: str, percent: float | None, trend: str
) -> None:
    row = rolled([first, None, 7, None, None, last])
    assert row["trend_pct"] == (None if percent is None else pytest.approx(percent, abs=1e-12))
    assert row["trend"] == trend


def test_one_week_has_no_trend() -> None:
    row = rolled([None] * 5 + [50])
    assert (row["weeks_present"], row["trend_pct"], row["trend"]) == (1, None, "FLAT")
    assert row["mean_shares"] == 50.0


def test_only_symbols_of_the_ending_week_have_a_row() -> None:
    frame = rolling_6w(history({"B": [1] * 6, "A": [1] * 5 + [None], "C": [None] * 5 + [1]}), WEEK)
    assert frame["symbol"].to_list() == ["B", "C"]


def test_weeks_outside_the_window_are_passed_over() -> None:
    inside = history({"S": [10] * 6})
    outside = inside.with_columns(
        pl.col("week_start") - pl.duration(weeks=6),
        pl.lit(Decimal(999), SHARES).alias("total_shares"),
    )
    after = outside.with_columns(pl.col("week_start") + pl.duration(weeks=12))
    assert rolling_6w(pl.concat([outside, inside, after]), WEEK).equals(rolling_6w(inside, WEEK))


@pytest.mark.parametrize("absent", range(6))
def test_a_tier_that_misses_a_week_has_no_rows(absent: int) -> None:
    weekly: list[str | int | None] = [10] * 6
    weekly[absent] = None
    frame = rolling_6w(history({"S": weekly, "T": weekly}), WEEK)
    assert frame.is_empty()
    assert dict(frame.schema) == ROLLING_SCHEMA


def test_no_history_at_all_gives_no_rows() -> None:
    frame = rolling_6w(pl.DataFrame(schema=HISTORY), WEEK)
    assert (frame.height, dict(frame.schema)) == (0, ROLLING_SCHEMA)


@given(
    st.dictionaries(
        st.sampled_from("ABCDE"),
        st.lists(st.none() | st.integers(0, 10**11), min_size=6, max_size=6),
        min_size=1,
    ),
    st.integers(0, 1000),
)
def test_rolling_rows_do_not_depend_on_the_order_of_rows(
    volumes: dict[str, list[str | int | None]], seed: int
) -> None:
    table = history({**volumes, "Z": [10] * 6})
    first = rolling_6w(table, WEEK)
    assert rolling_6w(table.sample(fraction=1, shuffle=True, seed=seed), WEEK).equals(first)
    assert dict(first.schema) == ROLLING_SCHEMA
    for row in first.to_dicts():
        assert row["min_shares"] <= row["mean_shares"] * (1 + 1e-12)
        assert row["mean_shares"] <= float(row["max_shares"]) * (1 + 1e-12)


def totals(*rows: tuple[date, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(week, tier, symbol, Decimal(shares)) for week, tier, symbol, shares in rows],
        schema={
            "week_start": pl.Date,
            "tier": pl.String,
            "symbol": pl.String,
            "total_shares": SHARES,
        },
        orient="row",
    )


def test_tier_split() -> None:
    frame = tier_split(
        totals(
            (WEEK, "T2", "B", "25.5"),
            (WEEK, "T1", "B", "74.5"),
            (WEEK, "OTC", "A", "7"),
            (WEEK, "T1", "C", "0"),
            (WEEKS[0], "T1", "B", "3"),
        )
    )
    assert dict(frame.schema) == TIER_SPLIT_SCHEMA
    zero = Decimal(0)
    assert frame.rows() == [
        (WEEKS[0], "B", Decimal(3), zero, zero, Decimal(3), 1.0, 0.0, 0.0),
        (WEEK, "A", zero, zero, Decimal(7), Decimal(7), 0.0, 0.0, 1.0),
        (WEEK, "B", Decimal("74.5"), Decimal("25.5"), zero, Decimal(100), 0.745, 0.255, 0.0),
        (WEEK, "C", zero, zero, zero, zero, None, None, None),
    ]


def test_no_totals_give_no_split() -> None:
    frame = tier_split(totals())
    assert (frame.height, dict(frame.schema)) == (0, TIER_SPLIT_SCHEMA)


def test_a_split_whose_total_cannot_be_kept_names_the_symbol() -> None:
    with pytest.raises(ValidationError, match="symbol BIG"):
        tier_split(totals((WEEK, "T1", "BIG", "999999999999"), (WEEK, "T2", "BIG", "1")))


shares_of = st.integers(0, 10**11).map(str)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["T1", "T2", "OTC"])), shares_of
    )
)
def test_the_parts_of_a_split_sum_to_one(cells: dict[tuple[str, str], str]) -> None:
    frame = tier_split(totals(*((WEEK, tier, name, n) for (name, tier), n in cells.items())))
    for row in frame.to_dicts():
        parts = [row[f"{tier}_share"] for tier in ("t1", "t2", "otc")]
        if row["total_shares"]:
            assert math.isclose(sum(parts), 1, abs_tol=1e-9)
        else:
            assert parts == [None] * 3


def shares(**by_venue: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        list(by_venue.items()), schema={"mpid": pl.String, "share": pl.Float64}, orient="row"
    )


def test_venue_share_change() -> None:
    frame = venue_share_change(shares(B=0.5, A=0.25, NEW=0.25), shares(A=0.75, B=0.0, GONE=0.25))
    assert frame.rows() == [
        ("A", 0.25, 0.75, -0.5),
        ("B", 0.5, 0.0, 0.5),
        ("GONE", 0.0, 0.25, -0.25),
        ("NEW", 0.25, 0.0, 0.25),
    ]


def test_without_a_week_before_there_is_no_change() -> None:
    frame = venue_share_change(shares(A=1.0), None)
    assert (frame.height, dict(frame.schema)) == (0, SHARE_CHANGE_SCHEMA)


def test_an_empty_week_is_not_a_missing_one() -> None:
    assert venue_share_change(shares(), shares(A=1.0)).rows() == [("A", 0.0, 1.0, -1.0)]
    assert venue_share_change(shares(A=1.0), shares()).rows() == [("A", 1.0, 0.0, 1.0)]
    assert venue_share_change(shares(A=None), shares(A=1.0)).rows() == [("A", 0.0, 1.0, -1.0)]


MEASURES = symbol_measures(
    pl.DataFrame(
        {
            "symbol": ["S", "T"],
            "mpid": ["V", "V"],
            "venue_name": ["v", "v"],
            "issue_name": ["s", "t"],
            "shares": [Decimal(10), Decimal(20)],
            "trades": [1, 2],
            "last_update_date": [date(2026, 1, 26)] * 2,
        },
        schema_overrides={"shares": SHARES},
    ),
    4,
)


def test_the_snapshot_is_one_wide_row_per_symbol() -> None:
    rolling = rolling_6w(history({"T": [10, 20, 30, 40, 50, 20]}), WEEK)
    frame = research_snapshot(MEASURES, rolling, "WARNING")
    assert frame["symbol"].to_list() == ["S", "T"]
    assert frame.select(MEASURES.columns).equals(MEASURES)
    assert frame["weeks_present"].to_list() == [None, 6]
    assert frame["trend"].to_list() == [None, "UP"]
    assert frame["quality_status"].to_list() == ["WARNING", "WARNING"]


def test_the_snapshot_stands_without_history() -> None:
    empty = rolling_6w(pl.DataFrame(schema=HISTORY), WEEK)
    frame = research_snapshot(MEASURES, empty, "PASS")
    assert frame.height == 2
    assert frame["mean_shares"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("first", "last", "trend"),
    [
        ("1.4", "1.47", "FLAT"),  # exactly 5 per cent, which floating point calls more
        ("1.4", "1.470001", "UP"),
        ("1.4", "1.33", "FLAT"),
        ("1.4", "1.329999", "DOWN"),
        ("20", "21", "FLAT"),
        ("20", "19", "FLAT"),
        ("0", "5", "FLAT"),
        ("999999999999.999999", "0.000001", "DOWN"),
    ],
)
def test_five_per_cent_is_flat_to_the_last_digit(first: str, last: str, trend: str) -> None:
    weeks = [date(2025, 10, 6) + timedelta(weeks=number) for number in range(6)]
    shares = [Decimal(first), *[Decimal(last)] * 5]
    history = pl.DataFrame(
        {"week_start": weeks, "symbol": ["A"] * 6, "total_shares": shares, "total_trades": [1] * 6},
        schema_overrides={"total_shares": pl.Decimal(18, 6)},
    )
    [row] = rolling_6w(history, weeks[-1]).to_dicts()
    assert row["trend"] == trend
    if (first, last) == ("1.4", "1.47"):
        assert row["trend_pct"] == 5.0
