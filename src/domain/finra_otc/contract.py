"""From the rows of a weekly file to accepted rows and rejects, every row being one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from ..errors import ValidationError
from .numbers import NUMBER, SHARES, shares_from, whole_from
from .rejects import DUPLICATE_KEY, REJECT_SCHEMA, refusals
from .weeks import TIER_NAMES, Tier

if TYPE_CHECKING:
    from dataframely import FailureInfo

HEADER: tuple[str, ...] = (
    "tierDescription",
    "issueSymbolIdentifier",
    "issueName",
    "marketParticipantName",
    "MPID",
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "lastUpdateDate",
)
"""The columns of the weekly file."""

LINE = "_line"

ACCEPTED_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "mpid": pl.String(),
    "venue_name": pl.String(),
    "issue_name": pl.String(),
    "shares": SHARES,
    "trades": pl.Int64(),
    "last_update_date": pl.Date(),
}

RawText = Callable[[pl.DataFrame], pl.Series]
"""Gives the text of each row of a frame as its source had it."""

_FIRST_DAY = pl.date(1, 1, 1)
_DATE_LENGTH = len("2025-12-15")


@dataclass(frozen=True, slots=True)
class Normalized:
    """What became of the rows of one partition.

    ``accepted`` has ACCEPTED_SCHEMA and is sorted by symbol and MPID, byte by byte. ``rejects``
    (line Int64; reason, detail, raw String) is sorted by line. Together they are ``rows_read``.
    """

    accepted: pl.DataFrame
    rejects: pl.DataFrame
    rows_read: int


def check_columns(frame: pl.DataFrame) -> None:
    """Raises a ValidationError that names the columns of the weekly file which are missing."""
    missing = [name for name in HEADER if name not in frame.columns]
    if missing:
        raise ValidationError(
            f"this is no weekly FINRA file: it lacks the column(s) {', '.join(missing)}",
            hint=f"its columns should be {', '.join(HEADER)}; they are "
            f"{', '.join(name for name in frame.columns if name != LINE)}",
            metadata={"missing": missing},
        )


def split_by_tier(frame: pl.DataFrame) -> dict[Tier | None, pl.DataFrame]:
    """The rows by the tier that their tierDescription names, in the order T1, T2, OTC.

    Rows that name no tier go with the tier that has most rows. Where no row names one, all rows
    stand under None. Raises a ValidationError for a frame without the file's columns.
    """
    check_columns(frame)
    tiers = frame.select(_tier_code(_text(frame, "tierDescription")).alias("tier")).to_series()
    counts = dict(tiers.drop_nulls().value_counts().iter_rows())
    if not counts:
        return {None: frame}
    largest = max(Tier, key=lambda tier: counts.get(tier.value, 0))
    if len(counts) == 1:
        return {largest: frame}
    tiers = tiers.fill_null(largest.value)
    return {tier: frame.filter(tiers == tier.value) for tier in Tier if tier.value in counts}


def normalize(frame: pl.DataFrame, tier: Tier, raw_text: RawText) -> Normalized:
    """Type the rows, hold them to the row contract and take out what breaks it.

    ``frame`` has the columns of HEADER, of any type and in any order, and LINE (Int64); further
    columns are ignored. A row keeps its symbol's case and its names as they are. Of rows with the
    same symbol and MPID the first by line is accepted. ``raw_text`` is asked for rejects only.
    Raises a ValidationError for a frame without the file's columns.
    """
    # Loading dataframely takes half a second, which only those who normalise should wait for.
    from .row_contract import MAX_CHARACTERS, RowContract  # noqa: PLC0415  # see above

    check_columns(frame)
    good, failure = RowContract.filter(_typed(frame, tier))
    ordered = good.sort("symbol", "mpid", "line", "position")
    twin = (
        (ordered["symbol"] == ordered["symbol"].shift())
        & (ordered["mpid"] == ordered["mpid"].shift())
    ).fill_null(value=False)
    refused = [_refused(frame, failure, MAX_CHARACTERS)]
    accepted = ordered
    if twin.any():
        refused.append(_duplicates(ordered, twin))
        accepted = ordered.filter(~twin)
    return Normalized(
        accepted.select(ACCEPTED_SCHEMA.keys()),
        _rejects(frame, pl.concat(refused), raw_text),
        frame.height,
    )


def _text(frame: pl.DataFrame, column: str) -> pl.Expr:
    """The column as text, whatever a source delivered it as."""
    dtype = frame.schema[column]
    if isinstance(dtype, pl.Datetime):
        return pl.col(column).cast(pl.Date).cast(pl.String)
    if isinstance(dtype, pl.Binary):
        return pl.col(column).cast(pl.String, strict=False)
    if dtype.is_nested() or isinstance(dtype, pl.Object):
        return pl.lit("a nested value", dtype=pl.String).alias(column)
    return pl.col(column).cast(pl.String)


def _tier_code(text: pl.Expr) -> pl.Expr:
    codes = {name: tier.value for name, tier in TIER_NAMES.items()}
    return (
        text.str.strip_chars()
        .str.to_lowercase()
        .replace_strict(codes, default=None, return_dtype=pl.String)
    )


def _named(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.strip_chars() != "").then(text).otherwise(pl.lit(""))


def _typed(frame: pl.DataFrame, tier: Tier) -> pl.DataFrame:
    """The columns of the row contract; null stands for a number or date that could not be read."""
    texts = frame.select(
        *(_text(frame, name).str.strip_chars() for name in HEADER[5:]),
    )
    day = pl.col("last_update_date")
    return (
        frame.select(
            pl.int_range(pl.len(), dtype=pl.Int64).alias("position"),
            pl.col(LINE).cast(pl.Int64).alias("line"),
            _tier_code(_text(frame, "tierDescription")).alias("tier"),
            pl.lit(tier.value).alias("partition_tier"),
            _text(frame, "issueSymbolIdentifier").str.strip_chars().fill_null("").alias("symbol"),
            _text(frame, "MPID").str.strip_chars().fill_null("").alias("mpid"),
            _named(_text(frame, "marketParticipantName")).alias("venue_name"),
            _named(_text(frame, "issueName")).alias("issue_name"),
        )
        .with_columns(
            shares_from(texts["totalWeeklyShareQuantity"]).alias("shares"),
            whole_from(texts["totalWeeklyTradeCount"]).alias("trades"),
            _dates_from(texts["lastUpdateDate"]).alias("last_update_date"),
        )
        .with_columns(pl.when(day >= _FIRST_DAY).then(day))
    )


def _dates_from(text: pl.Series) -> pl.Series:
    whole = text.str.len_bytes() == _DATE_LENGTH
    days = text.str.to_date("%Y-%m-%d", strict=False)
    return days.to_frame("day").select(pl.when(whole).then(pl.col("day"))).to_series()


def _refused(frame: pl.DataFrame, failure: FailureInfo, max_characters: int) -> pl.DataFrame:
    """position, line, reason and detail of the rows that broke the contract."""
    broken = failure.details()
    texts = frame[broken["position"]].select(_text(frame, name) for name in HEADER)
    reasons, words = [], []
    for refusal in refusals(NUMBER, max_characters):
        hit = pl.col(refusal.rule).cast(pl.String) == "invalid"
        reasons.append(pl.when(hit).then(pl.lit(refusal.reason)))
        words.append(pl.when(hit).then(refusal.words))
    return broken.hstack(texts).select(
        "position",
        "line",
        pl.coalesce(reasons).alias("reason"),
        pl.concat_str(words, separator="; ", ignore_nulls=True).alias("detail"),
    )


def _duplicates(ordered: pl.DataFrame, twin: pl.Series) -> pl.DataFrame:
    """position, line, reason and detail of valid rows whose key an earlier line had."""
    winner = pl.when(~pl.col("twin")).then(pl.col("line")).forward_fill()
    return (
        ordered.select("position", "line", "symbol", "mpid", twin.alias("twin"))
        .with_columns(winner.alias("winner"))
        .filter("twin")
        .select(
            "position",
            "line",
            pl.lit(DUPLICATE_KEY).alias("reason"),
            pl.format(
                "symbol '{}' of venue '{}' stands on line {} already",
                pl.col("symbol"),
                pl.col("mpid"),
                pl.col("winner"),
            ).alias("detail"),
        )
    )


def _rejects(frame: pl.DataFrame, refused: pl.DataFrame, raw_text: RawText) -> pl.DataFrame:
    if refused.is_empty():
        return pl.DataFrame(schema=REJECT_SCHEMA)
    ordered = refused.sort("line", "position")
    raw = raw_text(frame[ordered["position"]])
    return ordered.with_columns(raw.alias("raw")).select(REJECT_SCHEMA.keys())
