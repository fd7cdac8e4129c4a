"""What one capture of a tier's week says: volumes, venues, concentration, liquidity.

All functions take the accepted rows of one capture, unique by symbol and MPID and in any order,
or what another of them gave. Quantities are summed as decimals and integers, ratios are one
division of two exact totals, and so the results are the same to the last bit whatever the order.
"""

from __future__ import annotations

import polars as pl

from ..errors import ValidationError
from .numbers import SHARES, ratio, share_units

_MILLION = 10**6  # millionths in one share
_WIDEST = 1e38  # below the largest 128-bit whole number

SYMBOL_MEASURES_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "issue_name": pl.String(),
    "total_shares": SHARES,
    "total_trades": pl.Int64(),
    "venue_count": pl.Int64(),
    "avg_trade_size": pl.Float64(),
    "top_venue": pl.String(),
    "top_venue_share": pl.Float64(),
    "hhi": pl.Float64(),
    "effective_venues": pl.Float64(),
    "sessions": pl.Int64(),
    "shares_per_session": pl.Float64(),
    "score": pl.Float64(),
}

VENUE_SHARE_SCHEMA: dict[str, pl.DataType] = {
    "mpid": pl.String(),
    "venue_name": pl.String(),
    "total_shares": SHARES,
    "total_trades": pl.Int64(),
    "symbol_count": pl.Int64(),
    "share": pl.Float64(),
    "rank": pl.Int64(),
}

SUMMARY_COLUMNS = (
    "symbol",
    "issue_name",
    "total_shares",
    "total_trades",
    "venue_count",
    "avg_trade_size",
    "top_venue",
    "top_venue_share",
)


def symbol_measures(rows: pl.DataFrame, sessions: int) -> pl.DataFrame:
    """One row per symbol, sorted by symbol, with every measure of this module that has one.

    ``sessions`` is the number of trading days in the week. The columns are those of
    SYMBOL_MEASURES_SCHEMA; each means what the function says that gives it alone, and is null
    where that function gives no row. Raises a ValidationError for a total of 10^12 or more
    shares, or of 2^63 or more trades.
    """
    totals = _symbol_totals(rows)
    return (
        totals.with_columns(
            ratio(pl.col("total_shares"), pl.col("total_trades")).alias("avg_trade_size"),
            ratio(pl.col("top_shares"), pl.col("units")).alias("top_venue_share"),
            ratio(pl.col("squares"), pl.col("units") * pl.col("units")).alias("hhi"),
            pl.lit(sessions, dtype=pl.Int64).alias("sessions"),
            _per_session(sessions),
            _score(),
        )
        .with_columns((1.0 / pl.col("hhi")).alias("effective_venues"))
        .select(pl.col(name).cast(dtype) for name, dtype in SYMBOL_MEASURES_SCHEMA.items())
    )


def symbol_summary(rows: pl.DataFrame) -> pl.DataFrame:
    """Per symbol: shares, trades, venues, average trade size and the venue with most shares.

    ``avg_trade_size`` is shares per trade, null without trades. Of venues with equally many
    shares the first by MPID is the top venue; its share is null where the symbol has no shares.
    ``issue_name`` is that of the first MPID.
    """
    return symbol_measures(rows, 1).select(SUMMARY_COLUMNS)


def concentration(rows: pl.DataFrame) -> pl.DataFrame:
    """Per symbol with shares: ``hhi``, the sum of its squared venue shares, and 1/hhi.

    ``hhi`` lies in 0..1 and is exactly 1 for one venue.
    """
    wide = symbol_measures(rows, 1)
    return wide.select("symbol", "hhi", "effective_venues").drop_nulls("hhi")


def trading_day_volume(summary: pl.DataFrame, sessions: int) -> pl.DataFrame:
    """Per symbol: shares per NYSE session of the week; null in a week without any."""
    return summary.select(
        "symbol", pl.lit(sessions, dtype=pl.Int64).alias("sessions"), _per_session(sessions)
    )


def liquidity(summary: pl.DataFrame) -> pl.DataFrame:
    """Per symbol: ``score``, its percentile rank in the tier, from 0 (least liquid) to 1.

    Ranked is ln(1 + shares) + ln(1 + trades) + ln(1 + venues). The score is (rank - 1)/(n - 1)
    with equal symbols sharing their mean rank, and 1 for a symbol that is alone.
    """
    return summary.select("symbol", _score())


def venue_share(rows: pl.DataFrame) -> pl.DataFrame:
    """Per venue, best rank first: its shares, trades, symbols and share of the tier's shares.

    ``share`` lies in 0..1 and sums to 1; it is null where the tier has no shares. ``rank`` counts
    from 1 by shares, equal venues by MPID. ``venue_name`` is that of the venue's first symbol.
    Raises a ValidationError where a total is too large, as :func:`symbol_measures` does.
    """
    totals = (
        _ordered(rows)
        .group_by("mpid", maintain_order=True)
        .agg(
            pl.col("venue_name").first(),
            *_sums(),
            pl.len().cast(pl.Int64).alias("symbol_count"),
        )
    )
    return (
        _within_bounds(totals, "mpid", "venue")
        .sort("total_shares", "mpid", descending=[True, False])
        .with_columns(
            ratio(pl.col("units"), pl.col("units").sum()).alias("share"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"),
        )
        .select(VENUE_SHARE_SCHEMA.keys())
    )


def symbol_venue_share(rows: pl.DataFrame) -> pl.DataFrame:
    """Per symbol and venue, sorted by both: the venue's share of the symbol's shares, 0..1.

    The shares of a symbol sum to 1. A symbol without shares has no rows.
    """
    units = share_units("shares")
    return (
        _ordered(rows)
        .select("symbol", "mpid", units.alias("units"))
        .with_columns(pl.col("units").sum().over("symbol").alias("total"))
        .filter(pl.col("total") > 0)
        .select("symbol", "mpid", ratio(pl.col("units"), pl.col("total")).alias("share"))
    )


def _symbol_totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Per symbol, in order: totals in exact numbers, and the venue with most shares."""
    ordered = _ordered(rows)
    # Rows of a symbol stand together: a running number groups them faster than their text.
    starts = pl.col("symbol").ne_missing(pl.col("symbol").shift())
    ordered = ordered.with_columns(
        starts.cum_sum().cast(pl.UInt32).set_sorted().alias("group"),
        share_units("shares").alias("part"),
    )
    totals = ordered.group_by("group", maintain_order=True).agg(
        pl.col("symbol").first(),
        pl.col("issue_name").first(),
        *_sums(),
        pl.len().cast(pl.Int64).alias("venue_count"),
        pl.col("part").max().alias("top_shares"),
        (pl.col("part") * pl.col("part")).sum().alias("squares"),
    )
    leaders = (
        ordered.select("group", "mpid", "part")
        .join(totals.select("group", "top_shares"), on="group", maintain_order="left")
        .filter(pl.col("part") == pl.col("top_shares"))
        .unique("group", keep="first", maintain_order=True)
        .select("group", pl.col("mpid").alias("top_venue"))
    )
    return _within_bounds(totals, "symbol", "symbol").join(
        leaders, on="group", maintain_order="left"
    )


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows sorted by symbol and MPID; themselves when they are already."""
    keys = rows.select("symbol", "mpid")
    symbol, mpid = pl.col("symbol"), pl.col("mpid")
    rising = (symbol > symbol.shift()) | ((symbol == symbol.shift()) & (mpid >= mpid.shift()))
    if keys.select(rising.all()).item():
        return rows
    return rows.sort("symbol", "mpid")


def _sums() -> tuple[pl.Expr, ...]:
    return (
        pl.col("shares").sum().alias("shares"),
        pl.col("trades").cast(pl.Int128).sum().alias("trades"),
    )


def _within_bounds(totals: pl.DataFrame, column: str, what: str) -> pl.DataFrame:
    """Totals in the types that are stored; raises a ValidationError where one does not fit."""
    typed = totals.with_columns(
        pl.col("shares").cast(SHARES, strict=False).alias("total_shares"),
        pl.col("trades").cast(pl.Int64, strict=False).alias("total_trades"),
    )
    over = typed.filter(pl.col("total_shares").is_null() | pl.col("total_trades").is_null())
    if not over.is_empty():
        worst = over.row(0, named=True)
        raise ValidationError(
            f"the totals of {what} {worst[column]} are too large: {worst['shares']} shares, "
            f"{worst['trades']} trades",
            hint="a week has less than 10^12 shares and 2^63 trades: look at its rows",
            metadata={what: worst[column]},
        )
    return typed.with_columns(share_units("total_shares").alias("units"))


def _per_session(sessions: int) -> pl.Expr:
    return ratio(pl.col("total_shares"), pl.lit(sessions)).alias("shares_per_session")


def _score() -> pl.Expr:
    """The percentile rank of ln(1+shares) + ln(1+trades) + ln(1+venues).

    Ranked by the product, which has the same order and is exact in whole numbers: sums of
    logarithms would break ties by noise, and differently on another machine.
    """
    shares = share_units("total_shares") + _MILLION
    trades = pl.col("total_trades").cast(pl.Int128) + 1
    venues = pl.col("venue_count").cast(pl.Int128) + 1
    rough = shares.cast(pl.Float64) * trades.cast(pl.Float64) * venues.cast(pl.Float64)
    # A product beyond 128 bits takes more trades than there ever were; it is ranked roughly.
    rank = pl.when((rough < _WIDEST).all()).then((shares * trades * venues).rank("average"))
    others = pl.len().cast(pl.Int64) - 1
    return ratio(rank.otherwise(rough.rank("average")) - 1.0, others).fill_null(1.0).alias("score")
