"""Two files that FINRA published, against the figures that are known of them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from market_spine.domain.finra_otc.contract import HEADER, Normalized, normalize, split_by_tier
from market_spine.domain.finra_otc.measures import (
    concentration,
    symbol_measures,
    symbol_venue_share,
    venue_share,
)
from market_spine.domain.finra_otc.weeks import Tier, infer_week, name_evidence
from market_spine.testing.memory_calendar import MemoryCalendar

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "finra"

# name: bytes, rows, symbols, shares, trades, tier-wide HHI, symbols with one venue, week
FIGURES = {
    "finra_otc_weekly_otc_20251215.csv": (
        *(556_300, 5_328, 3_111, 1_335_995_901, 472_776, 0.697248, 1_625),
        date(2025, 11, 10),
    ),
    "finra_otc_weekly_otc_20251222.csv": (
        *(539_272, 5_192, 2_985, 943_802_893, 497_191, 0.676855, 1_509),
        date(2025, 11, 17),
    ),
}

# by MPID in 20251215: symbols, shares, trades
VENUES = {
    "OTCN": (2300, 1_098_033_568, 132_031),
    "OTCX": (1709, 192_693_090, 158_153),
    "ARCA": (873, 41_003_592, 174_094),
    "SWCL": (1, 4_124_679, 600),
    "PPEX": (434, 115_190, 7_831),
    "PROS": (5, 15_430, 45),
    "ALTS": (4, 5_316, 4),
    "SMKT": (1, 5_026, 17),
    "STEN": (1, 10, 1),
}


def real(name: str) -> Path:
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"the real file {name} is not beside this checkout")
    return file


def raw(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.concat_str(pl.col(HEADER).fill_null(""), separator="|")).to_series()


def texts(name: str) -> pl.DataFrame:
    frame = pl.read_csv(real(name), separator="|", quote_char=None, infer_schema=False)
    return frame.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("_line"))


def normalized(name: str) -> Normalized:
    parts = split_by_tier(texts(name))
    assert list(parts) == [Tier.OTC]
    return normalize(parts[Tier.OTC], Tier.OTC, raw)


@pytest.fixture(scope="module")
def december_15() -> pl.DataFrame:
    return normalized("finra_otc_weekly_otc_20251215.csv").accepted


@pytest.mark.parametrize("name", FIGURES)
def test_the_totals_of_a_real_file(name: str) -> None:
    size, count, symbols, shares, trades, hhi, single, _ = FIGURES[name]
    assert real(name).stat().st_size == size
    result = normalized(name)
    accepted = result.accepted
    assert result.rows_read == count
    assert accepted.height == count, result.rejects
    assert result.rejects.is_empty()
    assert accepted["symbol"].n_unique() == symbols
    assert accepted["shares"].sum() == shares
    assert accepted["trades"].sum() == trades
    market = venue_share(accepted)
    assert market.height == 9
    assert round(market.select((pl.col("share") ** 2).sum()).item(), 6) == hhi
    assert market["share"].sum() == pytest.approx(1, abs=1e-9)
    measured = concentration(accepted)
    assert measured.height == symbols
    assert measured.filter(pl.col("hhi") == 1.0).height == single


@pytest.mark.parametrize("name", FIGURES)
def test_the_week_of_a_real_file(name: str) -> None:
    calendar = MemoryCalendar([date(2025, 11, 27), date(2025, 12, 25)])
    accepted = normalized(name).accepted
    tier, file_date = name_evidence(name)
    assert tier is Tier.OTC
    for evidence in (file_date, None):
        week = infer_week(
            Tier.OTC,
            file_date=evidence,
            update_dates=accepted["last_update_date"].unique().to_list(),
            next_session=lambda day: calendar.sessions(day, day + timedelta(days=10))[0],
        )
        assert week == FIGURES[name][-1]


def test_the_venues_of_a_real_file(december_15: pl.DataFrame) -> None:
    market = venue_share(december_15)
    assert market["mpid"].to_list() == list(VENUES)
    assert market["rank"].to_list() == list(range(1, 10))
    assert {
        mpid: counts
        for mpid, *counts in market.select(
            "mpid", "symbol_count", "total_shares", "total_trades"
        ).rows()
    } == {
        mpid: [count, Decimal(shares), trades] for mpid, (count, shares, trades) in VENUES.items()
    }
    assert [round(share, 6) for share in market["share"][:3]] == [0.821884, 0.144232, 0.030691]


def test_the_largest_row_of_a_real_file(december_15: pl.DataFrame) -> None:
    largest = december_15.sort("shares").tail(1).row(0, named=True)
    assert (largest["symbol"], largest["shares"]) == ("ECOX", 249_703_875)


def test_no_key_stands_twice_in_a_real_file(december_15: pl.DataFrame) -> None:
    assert december_15.select("symbol", "mpid").is_unique().all()


def test_eight_symbols_of_a_real_file_have_a_tie_for_the_top_venue(
    december_15: pl.DataFrame,
) -> None:
    most = pl.col("shares") == pl.col("shares").max().over("symbol")
    leaders = december_15.filter(most).group_by("symbol").agg("mpid")
    ties = leaders.filter(pl.col("mpid").list.len() > 1)
    assert ties.height == 8
    tops = dict(symbol_measures(december_15, 5).select("symbol", "top_venue").rows())
    assert {symbol: tops[symbol] for symbol in ties["symbol"]} == {
        symbol: min(mpids) for symbol, mpids in ties.rows()
    }


def test_symbol_shares_of_a_real_file_sum_to_one(december_15: pl.DataFrame) -> None:
    sums = symbol_venue_share(december_15).group_by("symbol").agg(pl.col("share").sum())
    assert sums.height == 3_111
    assert sums.filter((pl.col("share") - 1).abs() > 1e-9).is_empty()


def test_a_real_file_in_any_order_measures_the_same(december_15: pl.DataFrame) -> None:
    shuffled = december_15.sample(fraction=1, shuffle=True, seed=7)
    assert symbol_measures(shuffled, 5).equals(symbol_measures(december_15, 5))
    assert venue_share(shuffled).equals(venue_share(december_15))
