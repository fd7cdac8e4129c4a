"""Why a row of the weekly file is refused, in the order in which reasons are named."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

UNKNOWN_TIER = "UNKNOWN_TIER"
TIER_MISMATCH = "TIER_MISMATCH"
BLANK_SYMBOL = "BLANK_SYMBOL"
BLANK_MPID = "BLANK_MPID"
SYMBOL_TOO_LONG = "SYMBOL_TOO_LONG"
MPID_TOO_LONG = "MPID_TOO_LONG"
BAD_SHARES = "BAD_SHARES"
BAD_TRADES = "BAD_TRADES"
NEGATIVE_SHARES = "NEGATIVE_SHARES"
NEGATIVE_TRADES = "NEGATIVE_TRADES"
BAD_DATE = "BAD_DATE"
ZERO_VOLUME = "ZERO_VOLUME"
DUPLICATE_KEY = "DUPLICATE_KEY"

REJECT_SCHEMA: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    "reason": pl.String(),
    "detail": pl.String(),
    "raw": pl.String(),
}

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule of the row contract, the reason it stands for and the words that explain it.

    ``words`` is an expression over the typed row and its texts in the file.
    """

    rule: str
    reason: str
    words: pl.Expr


def _shown(column: str) -> pl.Expr:
    text = pl.col(column).fill_null("")
    cut = pl.concat_str(text.str.head(_SHOWN), pl.lit("..."))
    shown = pl.when(text.str.len_chars() > _SHOWN).then(cut).otherwise(text)
    return pl.concat_str(pl.lit("'"), shown, pl.lit("'"))


def _said(column: str, what: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{column} "), _shown(column), pl.lit(f" {what}"))


def refusals(number: str, max_characters: int) -> tuple[Refusal, ...]:
    """All refusals that one row alone can earn, the most telling first.

    ``number`` is the pattern of a number in text, ``max_characters`` the longest identifier.
    """
    shares, trades = "totalWeeklyShareQuantity", "totalWeeklyTradeCount"
    symbol, mpid = "issueSymbolIdentifier", "MPID"
    too_long = f"has more than {max_characters} characters"
    is_number = pl.col(shares).str.strip_chars().str.contains(number).fill_null(value=False)
    mismatch = pl.concat_str(
        pl.lit("a row of tier "),
        pl.col("tier").cast(pl.String),
        pl.lit(" among rows of tier "),
        pl.col("partition_tier").cast(pl.String),
    )
    bad_shares = (
        pl.when(is_number)
        .then(_said(shares, "needs more than 12 integer or 6 fraction digits"))
        .otherwise(_said(shares, "is no number"))
    )
    return (
        Refusal("tier|nullability", UNKNOWN_TIER, _said("tierDescription", "names no tier")),
        Refusal("same_tier", TIER_MISMATCH, mismatch),
        Refusal("symbol|min_length", BLANK_SYMBOL, pl.lit(f"{symbol} is blank")),
        Refusal("mpid|min_length", BLANK_MPID, pl.lit(f"{mpid} is blank")),
        Refusal("short_symbol", SYMBOL_TOO_LONG, _said(symbol, too_long)),
        Refusal("short_mpid", MPID_TOO_LONG, _said(mpid, too_long)),
        Refusal("shares|nullability", BAD_SHARES, bad_shares),
        Refusal("trades|nullability", BAD_TRADES, _said(trades, "is no whole number below 2^63")),
        Refusal("shares|min", NEGATIVE_SHARES, _said(shares, "is negative")),
        Refusal("trades|min", NEGATIVE_TRADES, _said(trades, "is negative")),
        Refusal(
            "last_update_date|nullability",
            BAD_DATE,
            _said("lastUpdateDate", "is no date (year-month-day)"),
        ),
        Refusal("some_volume", ZERO_VOLUME, pl.lit("shares and trades are both 0")),
    )
