"""The measures of one capture, by figures worked out by hand and by properties."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.domain.errors import ValidationError
from market_spine.domain.finra_otc.contract import ACCEPTED_SCHEMA
from market_spine.domain.finra_otc.measures import (
    SYMBOL_MEASURES_SCHEMA,
    VENUE_SHARE_SCHEMA,
    concentration,
    liquidity,
    symbol_measures,
    symbol_summary,
    symbol_venue_share,
    trading_day_volume,
    venue_share,
)

Row = tuple[str, str, str, int]


def rows(*given_rows: Row) -> pl.DataFrame:
    """Accepted rows from (symbol, mpid, shares, trades)."""
    return pl.DataFrame(
        [
            (symbol, mpid, f"{mpid} LLC", f"{symbol} by {mpid}", Decimal(shares), trades, DAY)
            for symbol, mpid, shares, trades in given_rows
        ],
        schema=ACCEPTED_SCHEMA,
        orient="row",
    )


DAY = date(2025, 12, 15)

# AAA: 600 + 300 + 100 shares; BBB: a tie of two venues; CCC: one venue; DDD: no shares.
TABLE = rows(
    ("AAA", "V1", "600", 6),
    ("AAA", "V2", "300", 3),
    ("AAA", "V3", "100", 1),
    ("BBB", "V3", "250.5", 5),
    ("BBB", "V2", "250.5", 0),
    ("CCC", "V2", "499", 0),
    ("DDD", "V1", "0", 2),
)


def test_symbol_summary() -> None:
    assert symbol_summary(TABLE).rows() == [
        ("AAA", "AAA by V1", Decimal(1000), 10, 3, 100.0, "V1", 0.6),
        ("BBB", "BBB by V2", Decimal(501), 5, 2, 100.2, "V2", 0.5),
        ("CCC", "CCC by V2", Decimal(499), 0, 1, None, "V2", 1.0),
        ("DDD", "DDD by V1", Decimal(0), 2, 1, 0.0, "V1", None),
    ]


def test_concentration() -> None:
    # AAA: .36 + .09 + .01 = .46
    assert concentration(TABLE).rows() == [
        ("AAA", 0.46, 1 / 0.46),
        ("BBB", 0.5, 2.0),
        ("CCC", 1.0, 1.0),
    ]


def test_venue_share() -> None:
    # V2 has 300 + 250.5 + 499 = 1049.5, V1 600, V3 100 + 250.5 = 350.5, of 2000.
    assert venue_share(TABLE).rows() == [
        ("V2", "V2 LLC", Decimal("1049.5"), 3, 3, 0.52475, 1),
        ("V1", "V1 LLC", Decimal(600), 8, 2, 0.3, 2),
        ("V3", "V3 LLC", Decimal("350.5"), 6, 2, 0.17525, 3),
    ]


def test_equal_venues_rank_by_mpid() -> None:
    table = rows(("A", "Z", "5", 1), ("A", "b", "5", 1), ("B", "A", "5", 1))
    assert venue_share(table).select("mpid", "rank").rows() == [("A", 1), ("Z", 2), ("b", 3)]


def test_symbol_venue_share() -> None:
    assert symbol_venue_share(TABLE).rows() == [
        ("AAA", "V1", 0.6),
        ("AAA", "V2", 0.3),
        ("AAA", "V3", 0.1),
        ("BBB", "V2", 0.5),
        ("BBB", "V3", 0.5),
        ("CCC", "V2", 1.0),
    ]


def test_a_venue_without_shares_of_a_symbol_that_has_some_keeps_its_row() -> None:
    table = rows(("A", "V1", "10", 1), ("A", "V2", "0", 3))
    assert symbol_venue_share(table).rows() == [("A", "V1", 1.0), ("A", "V2", 0.0)]


def test_volume_per_trading_day() -> None:
    summary = symbol_summary(TABLE)
    assert trading_day_volume(summary, 4).rows() == [
        ("AAA", 4, 250.0),
        ("BBB", 4, 125.25),
        ("CCC", 4, 124.75),
        ("DDD", 4, 0.0),
    ]
    assert trading_day_volume(summary, 0)["shares_per_session"].to_list() == [None] * 4


def test_liquidity_is_the_rank_within_the_tier() -> None:
    # ln(1+shares) + ln(1+trades) + ln(1+venues) is the ln of the product of these:
    # AAA 1001*11*4 = 44044, BBB 502*6*3 = 9036, CCC 500*1*2 = 1000, DDD 1*3*2 = 6.
    assert liquidity(symbol_summary(TABLE)).rows() == [
        ("AAA", 1.0),
        ("BBB", 2 / 3),
        ("CCC", 1 / 3),
        ("DDD", 0.0),
    ]


@pytest.mark.parametrize("symbols", [2, 3, 50, 99, 188])
def test_scores_are_spread_evenly_from_exactly_0_to_exactly_1(symbols: int) -> None:
    table = rows(*((f"S{index:03d}", "V", str(index + 1), 1) for index in range(symbols)))
    assert liquidity(symbol_summary(table))["score"].to_list() == [
        rank / (symbols - 1) for rank in range(symbols)
    ]


def test_equal_symbols_share_their_mean_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 of four: 0, 0.5, 0.5, 1.
    table = rows(("A", "V", "1", 1), ("B", "V", "5", 5), ("C", "W", "5", 5), ("D", "V", "9", 9))
    assert liquidity(symbol_summary(table))["score"].to_list() == [0.0, 0.5, 0.5, 1.0]


def test_a_symbol_that_is_alone_is_the_most_liquid() -> None:
    assert liquidity(symbol_summary(rows(("A", "V", "1", 1))))["score"].to_list() == [1.0]


def test_the_wide_frame_agrees_with_its_parts() -> None:
    wide = symbol_measures(TABLE, 4)
    summary = symbol_summary(TABLE)
    assert dict(wide.schema) == SYMBOL_MEASURES_SCHEMA
    assert wide.select(summary.columns).equals(summary)
    assert (
        wide.select("symbol", "hhi", "effective_venues").drop_nulls().equals(concentration(TABLE))
    )
    daily = trading_day_volume(summary, 4)
    assert wide.select(daily.columns).equals(daily)
    assert wide.select("symbol", "score").equals(liquidity(summary))


def test_no_rows_give_empty_frames_with_their_types() -> None:
    nothing = TABLE.clear()
    wide, venues = symbol_measures(nothing, 5), venue_share(nothing)
    assert (wide.height, dict(wide.schema)) == (0, SYMBOL_MEASURES_SCHEMA)
    assert (venues.height, dict(venues.schema)) == (0, VENUE_SHARE_SCHEMA)
    shares = symbol_venue_share(nothing)
    assert (shares.height, shares.schema["share"]) == (0, pl.Float64)
    assert concentration(nothing).is_empty()
    assert trading_day_volume(wide, 5).is_empty()
    assert liquidity(wide).is_empty()


def test_a_tier_without_any_shares_has_no_shares_to_divide() -> None:
    table = rows(("A", "V1", "0", 1), ("B", "V2", "0", 1))
    assert venue_share(table)["share"].to_list() == [None, None]
    assert symbol_venue_share(table).is_empty()
    assert concentration(table).is_empty()


LARGEST = "999999999999.999999"


def test_the_largest_total_is_exact() -> None:
    half = "499999999999.999999"
    table = rows(("A", "V1", half, 2**62), ("A", "V2", "500000000000", 2**62 - 1))
    summary = symbol_summary(table).row(0, named=True)
    assert summary["total_shares"] == Decimal(LARGEST)
    assert summary["total_trades"] == 2**63 - 1
    assert concentration(table)["hhi"][0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "table",
    [
        rows(("BIG", "V1", LARGEST, 1), ("BIG", "V2", "0.000001", 1)),
        rows(("BIG", "V1", "1", 2**63 - 1), ("BIG", "V2", "1", 1)),
    ],
)
def test_a_total_that_cannot_be_kept_names_the_symbol(table: pl.DataFrame) -> None:
    with pytest.raises(ValidationError, match="totals of symbol BIG are too large"):
        symbol_measures(table, 5)


def test_a_total_of_a_venue_that_cannot_be_kept_names_the_venue() -> None:
    table = rows(("A", "BIGV", LARGEST, 1), ("B", "BIGV", "0.000001", 1))
    assert symbol_measures(table, 5).height == 2
    with pytest.raises(ValidationError, match="totals of venue BIGV are too large"):
        venue_share(table)


def test_a_tier_may_have_more_shares_than_any_venue_can() -> None:
    table = rows(("A", "V1", LARGEST, 1), ("B", "V2", LARGEST, 1))
    assert venue_share(table)["share"].to_list() == [0.5, 0.5]


symbols = st.sampled_from(["A", "BRK.B", "ABRpD", "ABRPD", "1E5", "é", "漢"])
venues = st.sampled_from(["V1", "V2", "v1", "OTCN", "OTCX", "Z"])
quantities = st.one_of(
    st.just(Decimal(0)),
    st.integers(1, 10**10).map(Decimal),
    st.integers(1, 10**16).map(lambda units: Decimal(units).scaleb(-6)),
)
volumes = st.tuples(quantities, st.integers(0, 10**9)).filter(any)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    cells = draw(st.dictionaries(st.tuples(symbols, venues), volumes, max_size=25))
    return rows(
        *((symbol, mpid, str(shares), trades) for (symbol, mpid), (shares, trades) in cells.items())
    )


@given(tables())
def test_shares_sum_to_one(table: pl.DataFrame) -> None:
    market = venue_share(table)
    if table["shares"].sum() > 0:
        assert math.isclose(market["share"].sum(), 1, abs_tol=1e-9)
    sums = symbol_venue_share(table).group_by("symbol").agg(pl.col("share").sum())["share"]
    assert [total for total in sums if not math.isclose(total, 1, abs_tol=1e-9)] == []
    assert market["rank"].to_list() == list(range(1, market.height + 1))


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(table: pl.DataFrame, random: Any) -> None:
    order = list(range(table.height))
    random.shuffle(order)
    shuffled = table[order]
    assert bits(symbol_measures(table, 4)) == bits(symbol_measures(shuffled, 4))
    assert bits(venue_share(table)) == bits(venue_share(shuffled))
    assert bits(symbol_venue_share(table)) == bits(symbol_venue_share(shuffled))


def bits(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """The rows with floats in hexadecimal, so that no difference hides."""
    return [
        tuple(value.hex() if isinstance(value, float) else value for value in row)
        for row in frame.rows()
    ]


def test_the_order_of_many_rows_changes_no_bit() -> None:
    """Enough rows for several threads to share them."""
    many = 60_000
    table = pl.DataFrame(
        {
            "symbol": [f"S{index * 7919 % 3001}" for index in range(many)],
            "mpid": [f"V{index}" for index in range(many)],
            "venue_name": "v",
            "issue_name": "i",
            "shares": [Decimal(index * 104729 % 10**9).scaleb(-3) for index in range(many)],
            "trades": [index % 97 + 1 for index in range(many)],
            "last_update_date": DAY,
        },
        schema=ACCEPTED_SCHEMA,
    )
    first = bits(symbol_measures(table, 4)), bits(venue_share(table))
    for seed in range(3):
        shuffled = table.sample(fraction=1, shuffle=True, seed=seed)
        assert (bits(symbol_measures(shuffled, 4)), bits(venue_share(shuffled))) == first


@given(tables())
def test_measures_are_those_of_exact_arithmetic(table: pl.DataFrame) -> None:
    held: dict[str, dict[str, Fraction]] = {}
    for symbol, mpid, shares in table.select("symbol", "mpid", "shares").rows():
        held.setdefault(symbol, {})[mpid] = Fraction(shares)
    wide = {row["symbol"]: row for row in symbol_measures(table, 4).to_dicts()}
    assert list(wide) == sorted(held, key=str.encode)
    for symbol, parts in held.items():
        total = sum(parts.values())
        row = wide[symbol]
        assert Fraction(row["total_shares"]) == total
        assert row["venue_count"] == len(parts)
        best = min(parts, key=lambda mpid: (-parts[mpid], mpid.encode()))  # used here
        assert row["top_venue"] == best
        if total == 0:
            assert (row["hhi"], row["top_venue_share"]) == (None, None)
            continue
        hhi = sum((part / total) ** 2 for part in parts.values())
        assert row["hhi"] == pytest.approx(float(hhi), rel=1e-14)
        assert 0 < row["hhi"] <= 1
        assert row["top_venue_share"] == pytest.approx(float(parts[best] / total), rel=1e-14)
        if len(parts) == 1:
            assert (row["hhi"], row["effective_venues"]) == (1.0, 1.0)
        assert 0 <= row["score"] <= 1


def liquidity_of(*symbols: tuple[str, int, int]) -> dict[str, float]:
    """Scores of symbols (shares, trades, venues), which have as many venues as the last says."""
    rows = [
        (f"S{number}", f"V{venue}", shares if venue == 0 else "0", trades if venue == 0 else 0)
        for number, (shares, trades, venues) in enumerate(symbols)
        for venue in range(venues)
    ]
    frame = pl.DataFrame(
        {
            "symbol": [row[0] for row in rows],
            "mpid": [row[1] for row in rows],
            "venue_name": ["v"] * len(rows),
            "issue_name": ["i"] * len(rows),
            "shares": [Decimal(row[2]) for row in rows],
            "trades": [row[3] for row in rows],
            "last_update_date": [date(2025, 12, 15)] * len(rows),
        },
        schema_overrides={"shares": pl.Decimal(18, 6), "trades": pl.Int64},
    )
    measured = symbol_measures(frame, 5)
    return dict(measured.select("symbol", "score").iter_rows())


def test_symbols_of_equal_activity_share_their_rank_whatever_the_logarithms_say() -> None:
    # (1+5)(1+1)(1+1) = (1+3)(1+2)(1+1) = 24: equal, although the sums of logarithms differ.
    scores = liquidity_of(("5", 1, 1), ("3", 2, 1), ("0.5", 1, 1), ("100", 9, 2))
    assert scores == {"S0": 0.5, "S1": 0.5, "S2": 0.0, "S3": 1.0}


def test_activity_beyond_any_market_is_still_ranked() -> None:
    most = 2**63 - 2
    scores = liquidity_of(("999999999999", most, 3), ("1", 1, 1), ("999999999998", most, 1))
    assert (scores["S1"], scores["S2"], scores["S0"]) == (0.0, 0.5, 1.0)
