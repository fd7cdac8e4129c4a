"""From the rows of a weekly file to accepted rows and rejects, every row being one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

_TIER_CODE = pl.Enum([tier.value for tier in Tier])
_FIRST_DAY = pl.date(1, 1, 1)
_DATE_LENGTH = len("2025-12-15")


@dataclass(frozen=True, slots=True)
class Normalized:
    """What became of the rows of one partition.

    ``accepted`` has ACCEPTED_SCHEMA and is sorted by symbol and MPID, byte by byte. ``rejects``
    (line Int64; reason, detail, raw String) is sorted by line. Together they are ``rows_read``.
    ``cut_off_line`` is where the record stands in whose middle the partition's file ends, None for
    a file that seems complete.
    """

    accepted: pl.DataFrame
    rejects: pl.DataFrame
    rows_read: int
    cut_off_line: int | None = None


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
    named = _texts(frame, ["tierDescription"])
    tiers = named.select(_tier_code(pl.col("tierDescription")).alias("tier")).to_series()
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
    texts = _texts(frame)
    good, failure = RowContract.filter(_typed(texts, frame[LINE], tier))
    ordered = _ordered(good.drop("tier", "partition_tier"))
    del good
    twin = (
        (ordered["symbol"] == ordered["symbol"].shift())
        & (ordered["mpid"] == ordered["mpid"].shift())
    ).fill_null(value=False)
    refused = [_refused(texts, failure, MAX_CHARACTERS)]
    accepted = ordered
    if twin.any():
        refused.append(_duplicates(ordered, twin))
        accepted = ordered.filter(~twin)
    return Normalized(
        accepted.select(ACCEPTED_SCHEMA.keys()),
        _rejects(frame, pl.concat(refused), raw_text),
        frame.height,
    )


def _texts(frame: pl.DataFrame, columns: Sequence[str] = HEADER) -> pl.DataFrame:
    """The columns as text, whatever a source delivered them as."""
    return pl.DataFrame([_text(frame[name]) for name in columns])


def _text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        return column.cast(pl.Date).cast(pl.String)
    if isinstance(dtype, pl.Binary):
        return pl.Series(column.name, [_decoded(value) for value in column], dtype=pl.String)
    if dtype.is_nested() or isinstance(dtype, pl.Object):
        return pl.Series(column.name, ["a nested value"] * len(column), dtype=pl.String)
    return column.cast(pl.String)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _tier_code(text: pl.Expr) -> pl.Expr:
    codes = {name: tier.value for name, tier in TIER_NAMES.items()}
    return (
        text.str.strip_chars()
        .str.to_lowercase()
        .replace_strict(codes, default=None, return_dtype=_TIER_CODE)
    )


def _named(text: pl.Series) -> pl.Series:
    """The names as they are, blank ones as empty texts. Without blank ones nothing is copied."""
    blank = (text.str.strip_chars() == "").fill_null(value=True)
    return text.set(blank, "") if blank.any() else text


def _typed(texts: pl.DataFrame, lines: pl.Series, tier: Tier) -> pl.DataFrame:
    """The columns of the row contract; null stands for a number or date that could not be read."""
    shares, trades, day = (texts[name].str.strip_chars() for name in HEADER[5:])
    return texts.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("position"),
        lines.cast(pl.Int64).alias("line"),
        _tier_code(pl.col("tierDescription")).alias("tier"),
        pl.lit(tier.value, dtype=_TIER_CODE).alias("partition_tier"),
        pl.col("issueSymbolIdentifier").str.strip_chars().fill_null("").alias("symbol"),
        pl.col("MPID").str.strip_chars().fill_null("").alias("mpid"),
        _named(texts["marketParticipantName"]).alias("venue_name"),
        _named(texts["issueName"]).alias("issue_name"),
        shares_from(shares).alias("shares"),
        whole_from(trades).alias("trades"),
        _dates_from(day).alias("last_update_date"),
    )


def _dates_from(text: pl.Series) -> pl.Series:
    day = pl.col("text").str.to_date("%Y-%m-%d", strict=False)
    sound = (pl.col("text").str.len_bytes() == _DATE_LENGTH) & (day >= _FIRST_DAY)
    return text.to_frame("text").select(pl.when(sound).then(day)).to_series()


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """By key, then by line; a file that comes in this order is not sorted again."""
    symbol, mpid = pl.col("symbol"), pl.col("mpid")
    rising = (symbol > symbol.shift()) | ((symbol == symbol.shift()) & (mpid > mpid.shift()))
    if rows.select(rising.all()).item():
        return rows
    return rows.sort("symbol", "mpid", "line", "position")


def _refused(texts: pl.DataFrame, failure: FailureInfo, max_characters: int) -> pl.DataFrame:
    """position, line, reason and detail of the rows that broke the contract."""
    broken = failure.details()
    reasons, words = [], []
    for refusal in refusals(NUMBER, max_characters):
        hit = pl.col(refusal.rule).cast(pl.String) == "invalid"
        reasons.append(pl.when(hit).then(pl.lit(refusal.reason)))
        words.append(pl.when(hit).then(refusal.words))
    return broken.hstack(texts[broken["position"]]).select(
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
