"""The datasets' names, columns and keys are a contract; what is computed fits into them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from market_spine.domain.datasets import DatasetSpec
from market_spine.domain.finra_otc import datasets, history, measures
from market_spine.domain.finra_otc.contract import ACCEPTED_SCHEMA
from market_spine.domain.finra_otc.weeks import Tier

WEEK = date(2025, 11, 24)

COLUMNS = {
    "venue_volume": "week_start tier symbol mpid venue_name issue_name shares trades "
    "last_update_date",
    "symbol_summary": "week_start tier symbol total_shares total_trades venue_count "
    "avg_trade_size top_venue top_venue_share issue_name",
    "venue_share": "week_start tier mpid total_shares total_trades symbol_count share rank "
    "venue_name",
    "symbol_venue_share": "week_start tier symbol mpid share",
    "concentration": "week_start tier symbol hhi effective_venues",
    "tier_split": "week_start symbol t1_shares t2_shares otc_shares total_shares t1_share "
    "t2_share otc_share",
    "trading_day_volume": "week_start tier symbol sessions shares_per_session",
    "rolling_6w": "week_start tier symbol weeks_present is_complete mean_shares min_shares "
    "max_shares mean_trades min_trades max_trades trend_pct trend",
    "liquidity": "week_start tier symbol score",
    "venue_share_change": "week_start tier mpid share previous_share change",
    "research_snapshot": "week_start tier symbol issue_name total_shares total_trades "
    "venue_count avg_trade_size top_venue top_venue_share hhi effective_venues sessions "
    "shares_per_session score weeks_present is_complete mean_shares min_shares max_shares "
    "mean_trades min_trades max_trades trend_pct trend quality_status",
}

ROWS = pl.DataFrame(
    [
        ("B", "V1", "v1", "b", Decimal(10), 1, date(2025, 12, 29)),
        ("A", "V2", "v2", "a", Decimal("0.5"), 0, date(2025, 12, 29)),
    ],
    schema=ACCEPTED_SCHEMA,
    orient="row",
)


def test_names_and_columns_are_those_of_the_contract() -> None:
    assert {spec.name: spec.column_names for spec in datasets.DATASETS} == {
        f"finra.otc_transparency.{name}": tuple(columns.split())
        for name, columns in COLUMNS.items()
    }


@pytest.mark.parametrize("spec", datasets.DATASETS, ids=lambda spec: spec.name)
def test_every_dataset_describes_itself(spec: DatasetSpec) -> None:
    assert spec.domain == "finra.otc_transparency"
    assert spec.description
    assert [column.name for column in spec.columns if not column.description] == []
    assert set(spec.key) <= set(spec.column_names)
    assert spec.columns[0].name == "week_start"


def computed() -> dict[str, pl.DataFrame]:
    wide = measures.symbol_measures(ROWS, 4)
    venues = measures.venue_share(ROWS)
    past = [
        wide.select(pl.lit(week).alias("week_start"), "symbol", "total_shares", "total_trades")
        for week in history.window(WEEK)
    ]
    rolling = history.rolling_6w(pl.concat(past), WEEK)
    totals = wide.select(
        pl.lit(WEEK).alias("week_start"), pl.lit("OTC").alias("tier"), "symbol", "total_shares"
    )
    return {
        "venue_volume": ROWS,
        "symbol_summary": measures.symbol_summary(ROWS),
        "venue_share": venues,
        "symbol_venue_share": measures.symbol_venue_share(ROWS),
        "concentration": measures.concentration(ROWS),
        "tier_split": history.tier_split(totals),
        "trading_day_volume": measures.trading_day_volume(wide, 4),
        "rolling_6w": rolling,
        "liquidity": measures.liquidity(wide),
        "venue_share_change": history.venue_share_change(venues, venues),
        "research_snapshot": history.research_snapshot(wide, rolling, "PASS"),
    }


@pytest.mark.parametrize("spec", datasets.DATASETS, ids=lambda spec: spec.name)
def test_what_is_computed_has_the_types_and_the_key_that_are_declared(spec: DatasetSpec) -> None:
    frame = computed()[spec.name.rsplit(".", 1)[1]]
    assert [
        (name, dtype)
        for name, dtype in frame.schema.items()
        if spec.schema.get(name, dtype) != dtype
    ] == []
    tier = Tier.OTC if "tier" in spec.schema else None
    published = datasets.of_partition(spec, frame, WEEK, tier)
    assert dict(published.schema) == spec.schema
    assert published.height == 2
    assert set(published["week_start"]) == {WEEK}
    assert published.select(spec.key).is_unique().all()


def test_stored_tables_have_the_columns_of_their_frames() -> None:
    assert ROWS.columns == [
        *("symbol", "mpid", "venue_name", "issue_name", "shares", "trades", "last_update_date")
    ]
    assert measures.symbol_measures(ROWS, 4).columns == [
        *("symbol", "issue_name", "total_shares", "total_trades", "venue_count", "avg_trade_size"),
        *("top_venue", "top_venue_share", "hhi", "effective_venues", "sessions"),
        *("shares_per_session", "score"),
    ]
    assert measures.venue_share(ROWS).columns == [
        *("mpid", "venue_name", "total_shares", "total_trades", "symbol_count", "share", "rank")
    ]
