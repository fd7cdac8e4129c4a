"""What several captures say together: rolling weeks, tiers side by side, changes of share.

Which capture of a week counts is decided by whoever reads them (the latest known); these
functions only compute.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from ..errors import ValidationError
from .numbers import SHARES, ratio, share_units
from .weeks import Tier, week_shift

WINDOW_WEEKS = 6

TREND_PERCENT = 5
"""Beyond this change in per cent, up or down, a trend is not FLAT."""

_FLAT = pl.lit("FLAT")

ROLLING_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "weeks_present": pl.Int64(),
    "is_complete": pl.Boolean(),
    "mean_shares": pl.Float64(),
    "min_shares": SHARES,
    "max_shares": SHARES,
    "mean_trades": pl.Float64(),
    "min_trades": pl.Int64(),
    "max_trades": pl.Int64(),
    "trend_pct": pl.Float64(),
    "trend": pl.String(),
}

TIER_SPLIT_SCHEMA: dict[str, pl.DataType] = {
    "week_start": pl.Date(),
    "symbol": pl.String(),
    **{f"{tier.value.lower()}_shares": SHARES for tier in Tier},
    "total_shares": SHARES,
    **{f"{tier.value.lower()}_share": pl.Float64() for tier in Tier},
}

SHARE_CHANGE_SCHEMA: dict[str, pl.DataType] = {
    "mpid": pl.String(),
    "share": pl.Float64(),
    "previous_share": pl.Float64(),
    "change": pl.Float64(),
}

SNAPSHOT_MEASURES = (
    "symbol",
    "issue_name",
    "total_shares",
    "total_trades",
    "venue_count",
    "avg_trade_size",
    "top_venue",
    "top_venue_share",
    "hhi",
    "effective_venues",
    "sessions",
    "shares_per_session",
    "score",
)


def window(week: date) -> tuple[date, ...]:
    """The Mondays of the six consecutive weeks that end with ``week``, ascending."""
    return tuple(week_shift(week, back) for back in range(1 - WINDOW_WEEKS, 1))


def missing_weeks(week: date, present: Collection[date]) -> tuple[date, ...]:
    """The Mondays of the window ending with ``week`` that are not ``present``, ascending."""
    return tuple(monday for monday in window(week) if monday not in present)


def rolling_6w(history: pl.DataFrame, week: date) -> pl.DataFrame:
    """Per symbol of ``week``, sorted: its volume over the six weeks that end with it.

    ``history`` (week_start, symbol, total_shares, total_trades) has one row per week and symbol
    of one tier; other weeks in it are passed over. Means are over the weeks in which the symbol
    is present: an absent week is missing, not zero. ``trend_pct`` is the change from the first
    such week's shares to the last's in per cent of the first's, null for a single week or a first
    of 0. ``trend`` is UP above 5, DOWN below -5 and FLAT otherwise, also where there is none.
    Where the tier lacks one of the six weeks altogether the answer is empty.
    """
    wanted = window(week)
    weeks = history.filter(pl.col("week_start").is_in(wanted))
    if missing_weeks(week, set(weeks["week_start"].unique())):
        return pl.DataFrame(schema=ROLLING_SCHEMA)
    symbols = weeks.filter(pl.col("week_start") == week).select("symbol")
    shares, trades = pl.col("total_shares"), pl.col("total_trades")
    rise = (share_units("last") - share_units("first")) * 100
    return (
        weeks.join(symbols, on="symbol", how="semi")
        .sort("symbol", "week_start")
        .group_by("symbol", maintain_order=True)
        .agg(
            pl.len().alias("weeks_present"),
            shares.sum().alias("all_shares"),
            shares.min().alias("min_shares"),
            shares.max().alias("max_shares"),
            trades.cast(pl.Int128).sum().alias("all_trades"),
            trades.min().alias("min_trades"),
            trades.max().alias("max_trades"),
            shares.first().alias("first"),
            shares.last().alias("last"),
        )
        .with_columns(
            ratio(pl.col("all_shares"), pl.col("weeks_present")).alias("mean_shares"),
            ratio(pl.col("all_trades"), pl.col("weeks_present")).alias("mean_trades"),
            (pl.col("weeks_present") == WINDOW_WEEKS).alias("is_complete"),
            pl.when(pl.col("weeks_present") > 1)
            .then(ratio(rise, share_units("first")))
            .alias("trend_pct"),
            pl.when(share_units("first") != 0)
            .then(_trend(rise, share_units("first")))
            .otherwise(_FLAT)
            .alias("trend"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in ROLLING_SCHEMA.items())
    )


def _trend(rise: pl.Expr, first: pl.Expr) -> pl.Expr:
    """``rise`` is a hundred times the change. Whole numbers: exactly 5 per cent is FLAT."""
    return (
        pl.when(first == 0)
        .then(_FLAT)
        .when(rise > TREND_PERCENT * first)
        .then(pl.lit("UP"))
        .when(rise < -TREND_PERCENT * first)
        .then(pl.lit("DOWN"))
        .otherwise(_FLAT)
    )


def tier_split(totals: pl.DataFrame) -> pl.DataFrame:
    """Per week and symbol, sorted: its shares in each tier, and each tier's part of them.

    ``totals`` (week_start, tier, symbol, total_shares) holds the symbol summaries of all tiers.
    A tier without the symbol has 0 shares. The parts sum to 1, and are null where the symbol has
    no shares at all. Raises a ValidationError for a symbol with 10^12 or more shares.
    """
    shares = {tier: f"{tier.value.lower()}_shares" for tier in Tier}
    parts = (
        totals.group_by("week_start", "symbol")
        .agg(
            *(
                pl.col("total_shares").filter(pl.col("tier") == tier.value).sum().alias(name)
                for tier, name in shares.items()
            ),
            pl.col("total_shares").sum().alias("exact"),
        )
        .with_columns(pl.col("exact").cast(SHARES, strict=False).alias("total_shares"))
        .sort("week_start", "symbol")
    )
    over = parts.filter(pl.col("total_shares").is_null() & pl.col("exact").is_not_null())
    if not over.is_empty():
        worst = over.row(0, named=True)
        raise ValidationError(
            f"the total of symbol {worst['symbol']} over the tiers of week "
            f"{worst['week_start']} is too large: {worst['exact']} shares",
            hint="a week has less than 10^12 shares: look at its captures",
            metadata={"symbol": worst["symbol"]},
        )
    whole = pl.col("total_shares")
    return parts.with_columns(
        ratio(pl.col(name), whole).alias(f"{tier.value.lower()}_share")
        for tier, name in shares.items()
    ).select(pl.col(name).cast(dtype) for name, dtype in TIER_SPLIT_SCHEMA.items())


def venue_share_change(current: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """Per venue, sorted by MPID: its share of the tier's shares less that of the week before.

    Both frames have ``mpid`` and ``share``. A venue that is new had a share of 0, one that has
    vanished has a share of 0 now. Without a previous week the answer is empty.
    """
    if previous is None:
        return pl.DataFrame(schema=SHARE_CHANGE_SCHEMA)
    before = previous.select("mpid", pl.col("share").alias("previous_share"))
    return (
        current.select("mpid", "share")
        .join(before, on="mpid", how="full", coalesce=True)
        .with_columns(pl.col("share", "previous_share").cast(pl.Float64).fill_null(0.0))
        .with_columns((pl.col("share") - pl.col("previous_share")).alias("change"))
        .select(SHARE_CHANGE_SCHEMA.keys())
        .sort("mpid")
    )


def research_snapshot(
    symbol_measures: pl.DataFrame, rolling: pl.DataFrame, worst_status: str
) -> pl.DataFrame:
    """One wide row per symbol, sorted: its measures, its six weeks and the quality behind them.

    ``rolling`` is what :func:`rolling_6w` gave for the same week; its columns are null for
    symbols that it lacks. ``worst_status`` is PASS or the worst severity of a failed check, the
    same for all rows.
    """
    return (
        symbol_measures.select(SNAPSHOT_MEASURES)
        .join(rolling.select(ROLLING_SCHEMA.keys()), on="symbol", how="left")
        .sort("symbol")
        .with_columns(pl.lit(worst_status).alias("quality_status"))
    )
