"""The datasets that the domain publishes, and the tables in which their rows are kept."""

from __future__ import annotations

from datetime import date

import polars as pl

from ..datasets import Column, DatasetSpec
from .history import SHARE_CHANGE_SCHEMA, TIER_SPLIT_SCHEMA
from .numbers import SHARES
from .weeks import Tier

DOMAIN = "finra.otc_transparency"

TABLE_VENUE_VOLUME = "finra_otc_venue_volume"
"""One row per symbol and MPID of a capture: the accepted rows."""

TABLE_SYMBOL_MEASURES = "finra_otc_symbol_measures"
"""One row per symbol of a capture: the frame of measures.symbol_measures."""

TABLE_VENUE_SHARE = "finra_otc_venue_share"
"""One row per MPID of a capture: the frame of measures.venue_share."""

_TEXT, _COUNT, _RATIO, _DAY = pl.String(), pl.Int64(), pl.Float64(), pl.Date()

_WEEK = Column("week_start", _DAY, "Monday of the week in which the trades were made")
_TIER = Column("tier", _TEXT, "T1 (NMS Tier 1), T2 (NMS Tier 2) or OTC")
_SYMBOL = Column("symbol", _TEXT, "issue symbol, in the case that FINRA writes it")
_MPID = Column("mpid", _TEXT, "market participant identifier of the venue")
_VENUE_NAME = Column("venue_name", _TEXT, "name of the venue")
_ISSUE_NAME = Column("issue_name", _TEXT, "name of the issue, of the first MPID; may be empty")
_TOTAL_SHARES = Column("total_shares", SHARES, "shares traded over all venues")
_TOTAL_TRADES = Column("total_trades", _COUNT, "trades over all venues")

_SUMMARY = (
    _TOTAL_SHARES,
    _TOTAL_TRADES,
    Column("venue_count", _COUNT, "venues that traded the symbol"),
    Column("avg_trade_size", _RATIO, "shares per trade; null without trades"),
    Column("top_venue", _TEXT, "MPID with most shares, the first of equal ones"),
    Column("top_venue_share", _RATIO, "its fraction of the symbol's shares, 0..1"),
)
_CONCENTRATION = (
    Column("hhi", _RATIO, "sum of squared venue shares of the symbol, 0..1; 1 for one venue"),
    Column("effective_venues", _RATIO, "1 / hhi"),
)
_PER_SESSION = (
    Column("sessions", _COUNT, "NYSE sessions in the week"),
    Column("shares_per_session", _RATIO, "shares per session"),
)
_ROLLING = (
    Column("weeks_present", _COUNT, "of the six weeks ending here, those with the symbol"),
    Column("is_complete", pl.Boolean(), "whether it is present in all six"),
    Column("mean_shares", _RATIO, "mean weekly shares over the weeks present"),
    Column("min_shares", SHARES, "least weekly shares"),
    Column("max_shares", SHARES, "most weekly shares"),
    Column("mean_trades", _RATIO, "mean weekly trades over the weeks present"),
    Column("min_trades", _COUNT, "least weekly trades"),
    Column("max_trades", _COUNT, "most weekly trades"),
    Column(
        "trend_pct",
        _RATIO,
        "change of shares from the first week present to the last, in per cent; null for a "
        "single week or a first of 0",
    ),
    Column("trend", _TEXT, "UP above 5 per cent, DOWN below -5, else FLAT"),
)
_SCORE = Column("score", _RATIO, "liquidity: percentile rank within the tier, 0..1")


def _spec(name: str, description: str, key: tuple[str, ...], *columns: Column) -> DatasetSpec:
    return DatasetSpec(f"{DOMAIN}.{name}", description, key, columns, DOMAIN)


_BY_SYMBOL = ("week_start", "tier", "symbol")
_BY_VENUE = ("week_start", "tier", "mpid")

VENUE_VOLUME = _spec(
    "venue_volume",
    "Shares and trades per symbol and venue, as FINRA published them",
    (*_BY_SYMBOL, "mpid"),
    _WEEK,
    _TIER,
    _SYMBOL,
    _MPID,
    _VENUE_NAME,
    Column("issue_name", _TEXT, "name of the issue, exactly as published; may be empty"),
    Column("shares", SHARES, "shares traded in the week"),
    Column("trades", _COUNT, "trades in the week"),
    Column("last_update_date", _DAY, "when FINRA last updated the row"),
)

SYMBOL_SUMMARY = _spec(
    "symbol_summary",
    "Volume, venues and the top venue of each symbol",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    *_SUMMARY,
    _ISSUE_NAME,
)

VENUE_SHARE = _spec(
    "venue_share",
    "Each venue's part of the tier's shares; over venues it sums to 1",
    _BY_VENUE,
    _WEEK,
    _TIER,
    _MPID,
    Column("total_shares", SHARES, "shares traded at the venue over all symbols"),
    Column("total_trades", _COUNT, "trades at the venue over all symbols"),
    Column("symbol_count", _COUNT, "symbols traded at the venue"),
    Column("share", _RATIO, "fraction of the tier's shares, 0..1; null where it has none"),
    Column("rank", _COUNT, "1 for most shares; equal venues by MPID"),
    _VENUE_NAME,
)

SYMBOL_VENUE_SHARE = _spec(
    "symbol_venue_share",
    "Each venue's part of a symbol's shares; per symbol it sums to 1",
    (*_BY_SYMBOL, "mpid"),
    _WEEK,
    _TIER,
    _SYMBOL,
    _MPID,
    Column("share", _RATIO, "fraction of the symbol's shares, 0..1"),
)

CONCENTRATION = _spec(
    "concentration",
    "How concentrated each symbol's shares are on venues (Herfindahl-Hirschman index)",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    *_CONCENTRATION,
)

TIER_SPLIT = _spec(
    "tier_split",
    "Shares of each symbol by tier, from the latest capture of each tier",
    ("week_start", "symbol"),
    _WEEK,
    _SYMBOL,
    *(
        Column(
            name,
            dtype,
            "shares over all tiers"
            if name == "total_shares"
            else f"shares in tier {name.split('_')[0].upper()}; 0 where it has none"
            if name.endswith("_shares")
            else f"fraction of the shares in tier {name.split('_')[0].upper()}, 0..1",
        )
        for name, dtype in list(TIER_SPLIT_SCHEMA.items())[2:]
    ),
)

TRADING_DAY_VOLUME = _spec(
    "trading_day_volume",
    "Shares of each symbol per trading day of the week",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    *_PER_SESSION,
)

ROLLING_6W = _spec(
    "rolling_6w",
    "Volume of each symbol over the six weeks that end here, from the latest capture of each",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    *_ROLLING,
)

LIQUIDITY = _spec(
    "liquidity",
    "Liquidity score: rank in the tier by ln(1+shares) + ln(1+trades) + ln(1+venues)",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    _SCORE,
)

VENUE_SHARE_CHANGE = _spec(
    "venue_share_change",
    "Change of each venue's share of the tier against the week before",
    _BY_VENUE,
    _WEEK,
    _TIER,
    *(
        Column(name, dtype, text)
        for (name, dtype), text in zip(
            SHARE_CHANGE_SCHEMA.items(),
            (
                _MPID.description,
                "fraction of the tier's shares, 0..1; 0 for a venue that has vanished",
                "fraction in the week before; 0 for a venue that is new",
                "share less previous share",
            ),
            strict=True,
        )
    ),
)

RESEARCH_SNAPSHOT = _spec(
    "research_snapshot",
    "All that is known of a symbol's week in one row",
    _BY_SYMBOL,
    _WEEK,
    _TIER,
    _SYMBOL,
    _ISSUE_NAME,
    *_SUMMARY,
    *_CONCENTRATION,
    *_PER_SESSION,
    _SCORE,
    *_ROLLING,
    Column("quality_status", _TEXT, "PASS, or the worst severity of a failed check"),
)

DATASETS: tuple[DatasetSpec, ...] = (
    VENUE_VOLUME,
    SYMBOL_SUMMARY,
    VENUE_SHARE,
    SYMBOL_VENUE_SHARE,
    CONCENTRATION,
    TIER_SPLIT,
    TRADING_DAY_VOLUME,
    ROLLING_6W,
    LIQUIDITY,
    VENUE_SHARE_CHANGE,
    RESEARCH_SNAPSHOT,
)


def of_partition(
    spec: DatasetSpec, frame: pl.DataFrame, week: date, tier: Tier | None = None
) -> pl.DataFrame:
    """``frame`` as rows of the dataset: its week (and tier) added, its columns put in order."""
    partition = [pl.lit(week, dtype=pl.Date).alias("week_start")]
    if tier is not None:
        partition.append(pl.lit(tier.value).alias("tier"))
    return frame.with_columns(partition).select(
        pl.col(column.name).cast(column.dtype) for column in spec.columns
    )
